package queue

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

func TestTellAndHear(t *testing.T) {
	t.Parallel()
	s := startServer(t, natsembed.Options{})
	a, b := connect(t, s), connect(t, s)
	heard := make(chan string, 10)
	stop, err := b.Hear(jobs.SubjectFleet, func(body []byte) { heard <- string(body) })
	if err != nil {
		t.Fatal(err)
	}
	if err := b.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := a.Tell(jobs.SubjectFleet, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := b.Tell(jobs.SubjectFleet, []byte("two")); err != nil {
		t.Fatal(err)
	}
	if got := map[string]bool{receive(t, "the first", heard): true, receive(t, "the second", heard): true}; !got["one"] || !got["two"] {
		t.Errorf("%v", got)
	}
	stop()
	loseBroker(t, s, a)
	if err := a.Tell(jobs.SubjectFleet, nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a broker: %v", err)
	}
}

// What workers tell each other is forbidden more often than jobs are. It must not fill the log, nor be the reason of anything else.
func TestAFleetThatMayNotTalk(t *testing.T) {
	t.Parallel()
	forbidding, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		Users: []*server.User{{Username: "guest", Password: "hidden", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"push.fleet.>", "push.fleet"}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	forbidding.Start()
	t.Cleanup(func() { forbidding.Shutdown(); forbidding.WaitForShutdown() })
	if !forbidding.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	log := &logged{}
	c := connectWith(t, Options{URL: strings.Replace(forbidding.ClientURL(), "nats://", "nats://guest:hidden@", 1), Logger: log.logger()})
	until(t, "it is noticed", func() bool { return errors.Is(c.Tell(jobs.SubjectFleet, []byte("x")), ErrMuted) })
	if c.violation.Load() != nil {
		t.Error("other calls would be blamed on it")
	}
	if n := log.count("workers can't tell each other"); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
}

func TestNewestLetters(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	if found, more, err := c.NewestLetters(t.Context(), DeadFilter{}, 0, 5); err != nil || len(found) != 0 || more != 0 {
		t.Fatalf("none: %d, %d, %v", len(found), more, err)
	}
	for i := range 150 {
		reason := "invalid"
		if i == 3 {
			reason = "poison"
		}
		bury(t, c, died(t, fmt.Sprintf("j%d", i), reason, ""))
	}
	if err := c.DropLetter(t.Context(), 149); err != nil {
		t.Fatal(err)
	}
	sequences := func(filter DeadFilter, before uint64, n int) (got []uint64, more uint64) {
		t.Helper()
		found, more, err := c.NewestLetters(t.Context(), filter, before, n)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range found {
			got = append(got, l.Sequence)
			if l.Body != nil || l.Size == 0 {
				t.Errorf("letter %d: body %q, size %d", l.Sequence, l.Body, l.Size)
			}
		}
		return got, more
	}
	got, more := sequences(DeadFilter{}, 0, 3)
	if diff := cmp.Diff([]uint64{150, 148, 147}, got); diff != "" || more != 147 {
		t.Error(more, diff)
	}
	got, more = sequences(DeadFilter{}, more, 2)
	if diff := cmp.Diff([]uint64{146, 145}, got); diff != "" || more != 145 {
		t.Error(more, diff)
	}
	if got, more = sequences(DeadFilter{}, 3, 5); cmp.Diff([]uint64{2, 1}, got) != "" || more != 0 {
		t.Error(got, more)
	}
	if got, more = sequences(DeadFilter{Reason: "poison"}, 0, 5); cmp.Diff([]uint64{4}, got) != "" || more != 0 { // further back than one step
		t.Error(got, more)
	}
	if got, _ = sequences(DeadFilter{}, 0, 1000); len(got) != 149 {
		t.Errorf("%d of 149", len(got))
	}
	if got, _ = sequences(DeadFilter{Platform: jobs.GCM}, 0, 5); len(got) != 0 {
		t.Error(got)
	}
	if got, _ = sequences(DeadFilter{Job: "j7"}, 0, 5); cmp.Diff([]uint64{8}, got) != "" {
		t.Error(got)
	}
}

func TestLastResults(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	for i := range 6 {
		commit(t, c, eventOf(segment(t, fmt.Sprintf("j%d", i), 1), "w"))
	}
	for last, want := range map[int][]string{1: {"j5"}, 3: {"j3", "j4", "j5"}, 100: {"j0", "j1", "j2", "j3", "j4", "j5"}} {
		var got []string
		if err := c.Results(t.Context(), Query{Last: last}, func(e *results.Event) error { got = append(got, e.Job); return nil }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("last %d: %s", last, diff)
		}
	}
}

func TestJobsOf(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	for round := range 2 {
		e := eventOf(segment(t, "twice", 1), "w")
		e.Round = round
		e.SetID()
		commit(t, c, e)
	}
	other := eventOf(segment(t, "twice", 1), "w")
	other.Platform, other.App = jobs.GCM, "shop"
	other.SetID()
	commit(t, c, other)
	commit(t, c, eventOf(segment(t, "once", 1), "w"))
	found, err := c.JobsOf(t.Context(), "twice")
	want := []results.Key{{Platform: jobs.APNS, App: "default", Job: "twice"}, {Platform: jobs.GCM, App: "shop", Job: "twice"}}
	if diff := cmp.Diff(want, found); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if found, err = c.JobsOf(t.Context(), "never"); len(found) != 0 || err != nil {
		t.Errorf("%v, %v", found, err)
	}
	loseBroker(t, s, c)
	if _, err := c.JobsOf(t.Context(), "twice"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a broker: %v", err)
	}
}
