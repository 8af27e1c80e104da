package main

import (
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// TestScriptsWithABroker runs scripts of which each has a real broker, in NATS_URL, with two dead letters and no worker.
func TestScriptsWithABroker(t *testing.T) {
	t.Parallel()
	all := scripts("broker")
	all.Setup = func(e *testscript.Env) error {
		server, err := natsembed.Start(natsembed.Options{Listen: "127.0.0.1:0", StoreDir: e.WorkDir + "/.nats", MaxStore: 4 << 30, Logger: zerolog.Nop()})
		if err != nil {
			return err
		}
		e.Defer(server.Shutdown)
		conn, err := queue.Connect(t.Context(), queue.Options{InProcess: server, Name: "worker", Logger: zerolog.Nop()})
		if err != nil {
			return err
		}
		e.Defer(conn.Close)
		e.Setenv("NATS_URL", server.ClientURL())
		if err := conn.EnsureTopology(t.Context(), queue.Topology{}); err != nil {
			return err
		}
		for _, letter := range []pipeline.Letter{
			letter("late", "early", `"message":"Hi"`, results.DeadUnknownApp, jobs.Fault{Field: "app", Problem: "nobody has it"}),
			letter("shop", "oops", `"mesage":"Hi"`, results.DeadInvalid, jobs.Fault{Field: "mesage", Problem: `unknown field; did you mean "message"?`}),
		} {
			if err := conn.Bury(t.Context(), letter); err != nil {
				return err
			}
		}
		return nil
	}
	testscript.Run(t, all)
}

// letter is one as a worker lays it.
func letter(app, id, rest, reason string, fault jobs.Fault) pipeline.Letter {
	body := []byte(`{"id":"` + id + `","app":"` + app + `",` + rest + `,"ids":["5ec7e7","5ec7e8"]}`)
	e := &results.Event{
		V: results.Version, Kind: results.KindDead, Platform: jobs.APNS, App: app, Job: id, Segments: 1, Recipients: 2, Done: true, At: time.Now(), Worker: "w",
		Skipped: []results.Skipped{{Indexes: jobs.Indexes{0, 1}, Why: results.SkippedDead}}, Totals: &results.Totals{Recipients: 2, Skipped: 2},
		Fingerprint: jobs.Fingerprint(body), Dead: &results.Dead{Reason: reason, Stream: jobs.StreamJobs, Sequence: 7, Faults: []jobs.Fault{fault}},
	}
	e.SetID()
	return pipeline.Letter{Platform: jobs.APNS, App: app, Subject: "push.apns", Published: time.Now(), Event: e, Body: body}
}
