package apigolden

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// TestBroker compares everything that a worker makes at a broker, as a server made it, and the names beside it.
func TestBroker(t *testing.T) {
	server, err := natsembed.Start(natsembed.Options{StoreDir: t.TempDir(), MaxStore: 8 << 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	conn, err := queue.Connect(t.Context(), queue.Options{InProcess: server})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := conn.EnsureTopology(t.Context(), queue.Topology{}); err != nil {
		t.Fatal(err)
	}
	if err := conn.EnsureApp(t.Context(), jobs.APNS, "APP"); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect("", nats.InProcessServer(server))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "schema %d: raise it with every change of a stream or a durable\n", queue.Schema)
	text.WriteString(words())
	found := map[string]string{}
	for stream := range js.ListStreams(t.Context()).Info() {
		found[stream.Config.Name] = form(t, "stream "+stream.Config.Name, stream.Config)
		handle, err := js.Stream(t.Context(), stream.Config.Name)
		if err != nil {
			t.Fatal(err)
		}
		for durable := range handle.ListConsumers(t.Context()).Info() {
			found[stream.Config.Name+" "+durable.Name] = form(t, "durable "+durable.Name+" of "+stream.Config.Name, durable.Config)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		text.WriteString(found[name])
	}
	golden(t, "interface/broker.txt", text.String())
}

// form is a stream or a durable, one setting a line. What the server says of itself is left out.
func form(t *testing.T, what string, config any) string {
	t.Helper()
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	if metadata, ok := fields["metadata"].(map[string]any); ok {
		maps.DeleteFunc(metadata, func(key string, _ any) bool { return strings.HasPrefix(key, "_nats.") })
	}
	lines := "\n" + what + "\n"
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		value, err := json.Marshal(fields[key])
		if err != nil {
			t.Fatal(err)
		}
		lines += fmt.Sprintf("  %s %s\n", key, value)
	}
	return lines
}

// words are subjects and headers that no stream or durable shows.
func words() string {
	event := func(kind results.Kind) string {
		e := results.Event{Kind: kind, Platform: jobs.APNS, App: "APP", Job: "JOB", Segment: 3, Round: 1, State: "STATE", Reading: "READING", At: time.Unix(1200, 0)}
		return fmt.Sprintf("event %s %s\n", kind, e.Subject())
	}
	text := ""
	for _, kind := range []results.Kind{
		results.KindSegment, results.KindJobDone, results.KindDead, results.KindDuplicateJob, results.KindCredential, results.KindProvider, results.KindFeedback,
	} {
		text += event(kind)
	}
	for _, subject := range []string{jobs.SubjectResults, jobs.SubjectFeedback, jobs.SubjectPresence, jobs.SubjectFleet, jobs.SubjectFleetHistory} {
		text += "core NATS " + subject + "\n"
	}
	for _, header := range []string{
		queue.HeaderReason, queue.HeaderEvent, queue.HeaderJob, queue.HeaderCampaign, queue.HeaderStream, queue.HeaderSubject, queue.HeaderSequence,
		queue.HeaderRecipients, queue.HeaderUncertain, queue.HeaderFaults,
	} {
		text += "header of a dead letter " + header + "\n"
	}
	return text
}
