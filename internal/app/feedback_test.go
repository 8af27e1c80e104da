package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender/apns"
)

// list puts n device tokens on the simulated list, each gone a second later than the one before.
func list(t *testing.T, s *Simulators, from, n int) []apns.ExpiredToken {
	t.Helper()
	var all []apns.ExpiredToken
	for i := range n {
		at := time.Unix(1_795_430_000+int64(i), 0).UTC()
		one := apns.ExpiredToken{Index: i, Token: fmt.Sprintf("%064x", from+i), Timestamp: at}
		if err := s.gateway.Expired().Add(one.Token, at); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// stored reads the events of kind feedback, until they have n tokens, and checks each.
func stored(t *testing.T, conn *queue.Conn, n int) (events []*results.Event, tokens []apns.ExpiredToken) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := conn.Results(ctx, queue.Query{Follow: true, Job: results.JobFeedback}, func(e *results.Event) error {
		if err := e.Balanced(); err != nil {
			t.Error(err)
		}
		if e.App != "binary" || e.Platform != jobs.APNS || len(e.ExpiredTokens) > jobs.MaxSegmentRecipients {
			t.Errorf("event %s of %d tokens", e.ID, len(e.ExpiredTokens))
		}
		events = append(events, e)
		for _, x := range e.ExpiredTokens {
			if x.Error != "APNSInvalidTokenError" || x.Code != "8" || x.Action != results.ActionDeleteToken || x.Reason != apns.FeedbackService || x.TimestampMS != x.Timestamp*1000 {
				t.Errorf("entry %+v", x)
			}
			tokens = append(tokens, apns.ExpiredToken{Index: x.Index, Token: x.Token, Timestamp: time.Unix(x.Timestamp, 0).UTC()})
		}
		if len(tokens) >= n {
			return context.Canceled
		}
		return nil
	})
	if len(tokens) != n {
		t.Fatalf("%d of %d tokens are stored: %v", len(tokens), n, err)
	}
	return events, tokens
}

// A worker reads the list when it starts, and when it is asked to. Every token ends in one event, in as many events as they need.
func TestFeedbackOfAWorker(t *testing.T) {
	simulators, err := StartSimulators(SimulatorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer simulators.Close()
	want := list(t, simulators, 0, 2500)
	dir := t.TempDir()
	c := config.Default()
	c.NATS.StoreDir, c.NATS.Listen, c.HTTP = filepath.Join(dir, "nats"), "", ""
	if c.Apps, err = simulators.Credentials(dir); err != nil {
		t.Fatal(err)
	}
	w, err := Start(t.Context(), Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	events, got := stored(t, w.Queue(), len(want))
	if diff := cmp.Diff(want, got); diff != "" || len(events) != 3 {
		t.Errorf("%d events: %s", len(events), diff)
	}
	more := list(t, simulators, 5000, 3)
	var reading FeedbackReading
	ask := func(app string) error {
		text, err := w.Queue().Ask(t.Context(), jobs.SubjectFeedback+"."+app, nil)
		if err != nil {
			return err
		}
		return json.Unmarshal(text, &reading)
	}
	if err := ask("binary"); err != nil || reading.Tokens != 3 || reading.Events != 1 || reading.Error != "" {
		t.Fatalf("%+v, %v", reading, err)
	}
	events, got = stored(t, w.Queue(), len(want)+3)
	if diff := cmp.Diff(more, got[len(want):]); diff != "" || events[3].Reading != reading.Reading {
		t.Error(diff)
	}
	if err := ask("binary"); err != nil || reading.Tokens != 0 || reading.Events != 0 || reading.Error != "" {
		t.Errorf("an empty list: %+v, %v", reading, err)
	}
	if err := ask("default"); !errors.Is(err, queue.ErrNobody) {
		t.Errorf("an app over HTTP/2: %v", err)
	}
	_ = simulators.feedback.Close()
	if err := ask("binary"); err != nil || !strings.Contains(reading.Error, "no connection to") {
		t.Errorf("without the service: %+v, %v", reading, err)
	}
}

// trouble is a broker whose answers are lost.
type trouble struct {
	pipeline.Events
	// lost is how many answers to commits are lost, refused whether reads are.
	lost    int
	refused bool
	commits int
	// most is how many tokens an event may have; 0 is any number.
	most int
}

func (b *trouble) Commit(ctx context.Context, e *results.Event) (*results.Event, error) {
	b.commits++
	if b.most > 0 && len(e.ExpiredTokens) > b.most {
		return nil, pipeline.ErrRefused
	}
	earlier, err := b.Events.Commit(ctx, e)
	if b.lost > 0 {
		b.lost--
		return nil, errors.New("the answer is lost")
	}
	return earlier, err
}

func (b *trouble) Find(ctx context.Context, subject string) (*results.Event, error) {
	if b.refused {
		return nil, errors.New("no broker")
	}
	return b.Events.Find(ctx, subject)
}

// The service forgets what it has handed out: without a broker it is not asked, and what was read is stored however often that is
// tried.
func TestFeedbackWithoutABroker(t *testing.T) {
	c := config.Default()
	c.NATS.StoreDir, c.NATS.Listen = t.TempDir(), ""
	silent := func(string) zerolog.Logger { return zerolog.Nop() }
	broker, err := StartBroker(t.Context(), c, silent)
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Stop()
	b := &trouble{Events: broker}
	reads := 0
	tokens := []apns.ExpiredToken{{Index: 0, Token: "ab", Timestamp: time.Unix(30, 0)}, {Index: 1, Token: "cd", Timestamp: time.Unix(31, 0)}}
	f := &feedback{
		read: func(context.Context, string) ([]apns.ExpiredToken, error) {
			reads++
			return tokens, errors.New("it broke off")
		},
		events: b, now: time.Now, nonce: func() string { return fmt.Sprintf("reading-%d", reads) }, worker: "w", maxPayload: broker.MaxPayload(), log: zerolog.Nop(),
		wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	b.refused = true
	if r := f.reading(t.Context(), "binary"); reads != 0 || !strings.Contains(r.Error, "left where it is") {
		t.Errorf("%d reads without a broker: %+v", reads, r)
	}
	b.refused, b.lost = false, 3
	r := f.reading(t.Context(), "binary")
	if r.Tokens != 2 || r.Events != 1 || r.Error != "it broke off" || b.commits != 4 {
		t.Errorf("after %d commits: %+v", b.commits, r)
	}
	if events, _ := stored(t, broker.Conn, 2); len(events) != 1 {
		t.Errorf("it is stored %d times", len(events))
	}
	// However long the tokens, each event fits.
	f.maxPayload, tokens = 192<<10, nil
	for i := range 900 {
		tokens = append(tokens, apns.ExpiredToken{Index: i, Token: fmt.Sprintf("%0200x", i), Timestamp: time.Unix(30, 0)})
	}
	r = f.reading(t.Context(), "binary")
	events, _ := stored(t, broker.Conn, 902)
	if r.Tokens != 900 || r.Events < 2 || len(events) != 1+r.Events {
		t.Errorf("%+v in %d events", r, len(events))
	}
	for _, e := range events {
		if body, err := results.Encode(e); err != nil || len(body) > f.maxPayload {
			t.Errorf("event %s has %d bytes, %v", e.ID, len(body), err)
		}
	}
	// A broker that takes less than it said gets more, smaller ones.
	tokens, b.most = tokens[:7], 2
	if r = f.reading(t.Context(), "binary"); r.Tokens != 7 || r.Events != 4 {
		t.Errorf("%+v", r)
	}
	stored(t, broker.Conn, 909)
	b.most = 0
	// Told to stop at once: what could not be stored is said to be lost.
	ctx, cancel := context.WithCancel(t.Context())
	f.wait = func(context.Context, time.Duration) error { cancel(); return context.Canceled }
	b.lost = 1 << 30
	if r := f.reading(ctx, "binary"); !strings.Contains(r.Error, "7 device tokens that the feedback service has forgotten are lost") {
		t.Errorf("%+v", r)
	}
}
