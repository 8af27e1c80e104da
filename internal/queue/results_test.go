package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// commit stores an event that is not there yet.
func commit(t *testing.T, c *Conn, e *results.Event) {
	t.Helper()
	if earlier, err := c.Commit(t.Context(), e); earlier != nil || err != nil {
		t.Fatalf("%+v, %v", earlier, err)
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	if err := c.Results(t.Context(), Query{}, func(*results.Event) error { return errors.New("nothing is there") }); err != nil {
		t.Fatal(err)
	}
	var middle time.Time
	for i := range 6 {
		e := eventOf(segment(t, fmt.Sprintf("j%d", i/2), 1), "w")
		e.Round = i % 2
		if i >= 4 {
			e.Platform = jobs.GCM
			e.Campaign = "spring"
		}
		e.SetID()
		commit(t, c, e)
		if i == 3 {
			last, err := c.lastOn(t.Context(), jobs.StreamResults, e.Subject())
			if err != nil {
				t.Fatal(err)
			}
			middle = last.Time
		}
	}
	if err := rawConn(t, s).Publish("push.results.apns.default.bad.0.0", []byte("no event")); err != nil {
		t.Fatal(err)
	}
	until(t, "all are stored", func() bool { return messages(t, c, jobs.StreamResults) == 7 })
	all := []string{
		"apns.default.j0.0.0", "apns.default.j0.0.1", "apns.default.j1.0.0", "apns.default.j1.0.1",
		"gcm.default.j2.0.0", "gcm.default.j2.0.1",
	}
	for _, q := range []struct {
		name  string
		query Query
		want  []string
	}{
		{"all", Query{}, all},
		{"platform", Query{Platform: jobs.GCM}, all[4:]},
		{"app", Query{App: "other"}, nil},
		{"job", Query{Platform: jobs.APNS, App: "default", Job: "j1"}, all[2:4]},
		{"campaign", Query{Campaign: "spring"}, all[4:]},
		{"since", Query{Since: middle}, all[3:]},
		{"since now", Query{Since: c.Now().Add(time.Hour)}, nil},
	} {
		var got []string
		err := c.Results(t.Context(), q.query, func(e *results.Event) error { got = append(got, e.ID); return nil })
		if diff := cmp.Diff(q.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", q.name, err, diff)
		}
	}
	enough := errors.New("enough")
	if err := c.Results(t.Context(), Query{}, func(*results.Event) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the error of fn: %v", err)
	}
	noConsumers(t, c, jobs.StreamResults)
}

// noConsumers: the server keeps the consumer of a reading that is over for five minutes unless somebody deletes it, and takes a
// thousand in a stream.
func noConsumers(t *testing.T, c *Conn, stream string) {
	t.Helper()
	s, err := c.js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	for name := range s.ConsumerNames(t.Context()).Name() {
		t.Errorf("%s still has the consumer %s", stream, name)
	}
}

func TestResultsFollow(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	commit(t, c, eventOf(segment(t, "old", 1), "w"))
	ctx, stop := context.WithCancel(t.Context())
	got, done := make(chan string, 10), make(chan error, 1)
	go func() {
		done <- c.Results(ctx, Query{Follow: true}, func(e *results.Event) error { got <- e.Job; return nil })
	}()
	if job := receive(t, "the stored event", got); job != "old" {
		t.Error(job)
	}
	commit(t, c, eventOf(segment(t, "new", 1), "w"))
	if job := receive(t, "the new event", got); job != "new" {
		t.Error(job)
	}
	stop()
	if err := receive(t, "the end", done); err != nil {
		t.Errorf("the end of the context is no error: %v", err)
	}
	noConsumers(t, c, jobs.StreamResults)
}

func TestResultsWithoutStream(t *testing.T) {
	t.Parallel()
	c := connect(t, startServer(t, natsembed.Options{}))
	if err := c.Results(t.Context(), Query{}, nil); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	if err := c.DeadLetters(t.Context(), DeadFilter{}, nil); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}

// TestReadingWithoutJetStream: the server is there, only what we need of it is not.
func TestReadingWithoutJetStream(t *testing.T) {
	t.Parallel()
	bare, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	bare.Start()
	t.Cleanup(func() { bare.Shutdown(); bare.WaitForShutdown() })
	if !bare.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	c := connectWith(t, Options{URL: bare.ClientURL()})
	for what, err := range map[string]error{
		"events":       c.Results(t.Context(), Query{}, nil),
		"dead letters": c.DeadLetters(t.Context(), DeadFilter{}, nil),
	} {
		if !errors.Is(err, ErrTopology) || !strings.Contains(err.Error(), bare.ClientURL()+" has JetStream switched off") || !strings.Contains(err.Error(), "start it with --jetstream") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func letter(t *testing.T, id, app string) pipeline.Letter {
	t.Helper()
	e := eventOf(segment(t, id, 1), "w")
	e.Kind, e.App, e.Campaign = results.KindDead, app, "spring"
	e.Dead = &results.Dead{Reason: "invalid", Stream: jobs.StreamJobs, Sequence: 7}
	e.SetID()
	return pipeline.Letter{
		Platform: jobs.APNS, App: app, Event: e, Body: []byte("not \x00 JSON"),
		Header: map[string][]string{"Nats-Msg-Id": {"x"}, "nats-schedule": {"@at 2030"}, "NATS-Rollup": {"all"}, "Traceparent": {"00-1"}},
	}
}

func TestBury(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	mine := letter(t, "one", "_")
	for range 2 { // again: the acknowledgement was lost
		if err := c.Bury(t.Context(), mine); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Bury(t.Context(), letter(t, "two", "default")); err != nil {
		t.Fatal(err)
	}
	var got []DeadLetter
	collect := func(l DeadLetter) error { got = append(got, l); return nil }
	if err := c.DeadLetters(t.Context(), DeadFilter{}, collect); err != nil || len(got) != 2 {
		t.Fatalf("%d letters, %v", len(got), err)
	}
	one := got[0]
	if one.Platform != jobs.APNS || one.App != "_" || one.Reason != "invalid" || one.Job != "one" || one.Event != mine.Event.ID || string(one.Body) != "not \x00 JSON" || one.Stored.IsZero() {
		t.Errorf("%+v", one)
	}
	want := map[string][]string{
		"Volley-Reason": {"invalid"}, "Volley-Event": {mine.Event.ID}, "Volley-Job": {"one"}, "Volley-Campaign": {"spring"},
		"Volley-Stream": {"PUSH_JOBS"}, "Volley-Sequence": {"7"}, "Volley-Recipients": {"1"}, "Traceparent": {"00-1"}, "Nats-Msg-Id": {mine.Event.ID},
	}
	if diff := cmp.Diff(want, one.Header); diff != "" {
		t.Error(diff)
	}
	if len(mine.Header) != 4 {
		t.Errorf("the delivery's own headers were changed: %v", mine.Header)
	}
	got = nil
	if err := c.DeadLetters(t.Context(), DeadFilter{Platform: jobs.APNS, App: "default"}, collect); err != nil || len(got) != 1 || got[0].Job != "two" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := c.Bury(t.Context(), pipeline.Letter{}); err == nil {
		t.Error("a letter without its event")
	}
	loseBroker(t, s, c)
	if err := c.Bury(t.Context(), mine); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a broker: %v", err)
	}
}
