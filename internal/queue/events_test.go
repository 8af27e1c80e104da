package queue

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

func TestCommitAndFind(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	nc := rawConn(t, s)
	core, err := nc.SubscribeSync("push.results")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	event := eventOf(segment(t, "one", 3), "w-1")
	if found, err := c.Find(t.Context(), event.Subject()); found != nil || err != nil {
		t.Fatalf("found before the commit: %v, %v", found, err)
	}
	if earlier, err := c.Commit(t.Context(), event); earlier != nil || err != nil {
		t.Fatalf("first commit: %v, %v", earlier, err)
	}
	found, err := c.Find(t.Context(), event.Subject())
	if err != nil || found == nil || found.Worker != "w-1" || found.ID != event.ID {
		t.Fatalf("found %+v, %v", found, err)
	}
	other := eventOf(segment(t, "one", 3), "w-2")
	earlier, err := c.Commit(t.Context(), other)
	if err != nil || earlier == nil || earlier.Worker != "w-1" {
		t.Fatalf("second commit: %+v, %v", earlier, err)
	}
	if diff := cmp.Diff(found, earlier); diff != "" {
		t.Error(diff)
	}
	// The server re-publishes what it stored, once.
	msg, err := core.NextMsg(patience)
	if err != nil || msg.Header.Get("Nats-Subject") != event.Subject() {
		t.Errorf("on push.results: %v, %v", msg, err)
	}
	if n, _, _ := core.Pending(); n != 0 {
		t.Errorf("%d more on push.results", n)
	}
}

// TestCommitRace: two workers with the same segment; one event is stored and both get to know the same one.
func TestCommitRace(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	workers := []*Conn{c, connect(t, s)}
	const keys = 100
	told := make([][keys]string, len(workers))
	var all sync.WaitGroup
	for w, conn := range workers {
		me := fmt.Sprintf("w-%d", w)
		for k := range keys {
			event := eventOf(segment(t, fmt.Sprintf("race-%d", k), 1), me)
			all.Go(func() {
				earlier, err := conn.Commit(t.Context(), event)
				switch {
				case err != nil:
					t.Error(err)
				case earlier != nil:
					told[w][k] = earlier.Worker
				default:
					told[w][k] = me
				}
			})
		}
	}
	all.Wait()
	if n := messages(t, c, jobs.StreamResults); n != keys {
		t.Errorf("%d events of %d segments", n, keys)
	}
	if diff := cmp.Diff(told[0], told[1]); diff != "" {
		t.Errorf("the workers follow different events:\n%s", diff)
	}
}

// TestCommitExpectsNothingBefore: it is this header, not a window, that stores an event once.
func TestCommitExpectsNothingBefore(t *testing.T) {
	_, c := broker(t)
	msg, err := c.eventMsg(eventOf(segment(t, "one", 1), "w-1"))
	if err != nil {
		t.Fatal(err)
	}
	want := nats.Header{"Nats-Expected-Last-Subject-Sequence": {"0"}}
	if diff := cmp.Diff(want, msg.Header); diff != "" {
		t.Error(diff)
	}
}

func TestCommitUnknown(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	event := eventOf(segment(t, "one", 1), "w-1")
	// A refusal that says "there is one" where none can be found is not believed in either direction.
	if found, err := c.committed(t.Context(), event.Subject()); found != nil || !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v, %v", found, err)
	}
	loseBroker(t, s, c)
	if earlier, err := c.Commit(t.Context(), event); earlier != nil || !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a broker: %v, %v", earlier, err)
	}
	if found, err := c.Find(t.Context(), event.Subject()); found != nil || !errors.Is(err, ErrUnavailable) {
		t.Errorf("a failed look-up is not \"not found\": %v, %v", found, err)
	}
}

func TestCommitFull(t *testing.T) {
	t.Parallel()
	c := connect(t, startServer(t, natsembed.Options{}))
	tiny := small
	tiny.ResultsSize = 2000
	if err := c.EnsureTopology(t.Context(), tiny); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if _, err := c.Commit(t.Context(), eventOf(segment(t, fmt.Sprintf("j%d", i), 1), "w")); err != nil {
			if !errors.Is(err, ErrFull) || i == 0 {
				t.Errorf("commit %d: %v", i, err)
			}
			return
		}
	}
	t.Error("PUSH_RESULTS takes more than its limit")
}

func TestFindNewer(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	event := eventOf(segment(t, "one", 1), "w")
	if err := rawConn(t, s).Publish(event.Subject(), []byte(`{"v":99,"kind":"something"}`)); err != nil {
		t.Fatal(err)
	}
	until(t, "the event is stored", func() bool { return messages(t, c, jobs.StreamResults) == 1 })
	if found, err := c.Find(t.Context(), event.Subject()); found != nil || !errors.Is(err, results.ErrNewer) {
		t.Errorf("%v, %v", found, err)
	}
	if earlier, err := c.Commit(t.Context(), event); earlier != nil || !errors.Is(err, results.ErrNewer) {
		t.Errorf("%v, %v", earlier, err)
	}
}

// FuzzStored: whatever a broker answers to a look-up, "not found" is believed only if it says so.
func FuzzStored(f *testing.F) {
	f.Add([]byte(`{"message":{"subject":"push.results.a","seq":7,"data":"e30=","time":"2026-11-23T10:00:00Z"}}`))
	f.Add([]byte(`{"error":{"code":404,"err_code":10037,"description":"no message found"}}`))
	f.Add([]byte(`{"error":{"code":503,"err_code":10008}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		found, err := parseStored("S", "s", &nats.Msg{Data: answer})
		if (found == nil) == (err == nil) {
			t.Errorf("%v, %v", found, err)
		}
		if errors.Is(err, errAbsent) && !bytes.Contains(answer, []byte("10037")) {
			t.Error("believed to be absent")
		}
	})
}
