package queue

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/jobs"
)

func TestPublishJob(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	first, err := c.PublishJob(t.Context(), jobs.APNS, jobs.LaneHigh, "default", "promo", []byte(`{}`))
	if err != nil || first.Sequence == 0 || first.Duplicate {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := c.PublishJob(t.Context(), jobs.APNS, jobs.LaneHigh, "default", "promo", []byte(`{}`))
	if err != nil || again.Sequence != first.Sequence || !again.Duplicate {
		t.Errorf("the same job again: %+v, %v", again, err)
	}
	// The same id of another platform or app is another job; jobs without an id are never duplicates.
	for _, job := range []struct{ app, id string }{{"other", "promo"}, {"default", ""}, {"default", ""}} {
		if r, err := c.PublishJob(t.Context(), jobs.APNS, jobs.LaneNormal, job.app, job.id, []byte(`{}`)); err != nil || r.Duplicate {
			t.Errorf("%+v: %+v, %v", job, r, err)
		}
	}
	if r, err := c.PublishJob(t.Context(), jobs.GCM, jobs.LaneHigh, "default", "promo", []byte(`{}`)); err != nil || r.Duplicate {
		t.Errorf("gcm: %+v, %v", r, err)
	}
	loseBroker(t, s, c)
	_, err = c.PublishJob(t.Context(), jobs.APNS, jobs.LaneHigh, "default", "promo", nil)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "with the same id") {
		t.Errorf("without a broker: %v", err)
	}
	// What is certain is said, and not in the library's words for the buffer that it may not use.
	if !strings.Contains(err.Error(), "the job was not sent") || strings.Contains(err.Error(), "buffer") || strings.Contains(err.Error(), "may be stored") {
		t.Errorf("without a broker: %v", err)
	}
	if _, err := c.Commit(t.Context(), eventOf(segment(t, "promo", 1), "w")); !errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), "buffer") {
		t.Errorf("an event without a broker: %v", err)
	}
}

// TestKept: whose job the broker kept is told wherever that one is by now.
func TestKept(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	publish := func(id, body string) Receipt {
		t.Helper()
		r, err := c.PublishJob(t.Context(), jobs.APNS, jobs.LaneNormal, "default", id, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	kept := func(what, id string, r Receipt, want string) {
		t.Helper()
		if got, err := c.Kept(t.Context(), jobs.APNS, "default", id, r); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", what, got, err, want)
		}
	}
	seg := segment(t, "j", 3)
	first := publish("j", "the first")
	publish("other", "another job")
	again := publish("j", "the second")
	if !again.Duplicate || again.Sequence != first.Sequence {
		t.Fatalf("%+v", again)
	}
	kept("still in the queue", "j", again, jobs.Fingerprint([]byte("the first")))

	stream, err := c.js.Stream(t.Context(), jobs.StreamJobs)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteMsg(t.Context(), first.Sequence); err != nil {
		t.Fatal(err)
	}
	kept("nowhere", "j", again, "")

	if stored, err := c.Put(t.Context(), seg, c.Now().Add(time.Hour), 0); err != nil || !stored {
		t.Fatal(stored, err)
	}
	kept("scheduled", "j", again, seg.Fingerprint)
	kept("never heard of", "other", Receipt{Sequence: 99}, "")

	sent := segment(t, "sent", 2)
	commit(t, c, eventOf(sent, "w"))
	kept("sent", "sent", Receipt{Sequence: 99}, sent.Fingerprint)
	if got, err := c.Kept(t.Context(), jobs.GCM, "default", "sent", Receipt{Sequence: 99}); err != nil || got != "" {
		t.Errorf("the other platform's: %q, %v", got, err)
	}
	loseBroker(t, s, c)
	if got, err := c.Kept(t.Context(), jobs.APNS, "default", "sent", again); err == nil || got != "" {
		t.Errorf("without a broker: %q, %v", got, err)
	}
}

func TestPublishJobSizes(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	limit := c.MaxPayload() - jobs.JobReserve
	if _, err := c.PublishJob(t.Context(), jobs.APNS, jobs.LaneNormal, "default", "", bytes.Repeat([]byte("x"), limit)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	for _, n := range []int{limit + 1, c.MaxPayload() + 1} {
		_, err := c.PublishJob(t.Context(), jobs.APNS, jobs.LaneNormal, "default", "", bytes.Repeat([]byte("x"), n))
		if !errors.Is(err, ErrTooBig) || !strings.Contains(err.Error(), "split its ids") {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestPublishJobFull(t *testing.T) {
	t.Parallel()
	c := connect(t, startServer(t, natsembed.Options{}))
	_, err := c.PublishJob(t.Context(), jobs.APNS, jobs.LaneNormal, "default", "j", []byte(`{}`))
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "start a worker") {
		t.Errorf("without a stream: %v", err)
	}
	tiny := small
	tiny.JobsSize = 4000
	if err := c.EnsureTopology(t.Context(), tiny); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if _, err = c.PublishJob(t.Context(), jobs.APNS, jobs.LaneNormal, "default", "", bytes.Repeat([]byte("x"), 1000)); err != nil {
			if !errors.Is(err, ErrFull) || i < 2 || !strings.Contains(err.Error(), "start more workers") {
				t.Errorf("job %d: %v", i, err)
			}
			return
		}
	}
	t.Error("PUSH_JOBS takes more than its limit")
}

func TestExplainKinds(t *testing.T) {
	for code, want := range map[jetstream.ErrorCode]error{
		codeStoreFailed: ErrFull, codeStorageExceeded: ErrFull, codeInsufficient: ErrFull, codeMessageTooBig: ErrTooBig,
		codeClusterNotAvail: ErrUnavailable, codeClusterNotLeader: ErrUnavailable,
	} {
		if err := explain("x", &jetstream.APIError{ErrorCode: code}); !errors.Is(err, want) {
			t.Errorf("%d: %v", code, err)
		}
	}
	err := explain("x", &jetstream.APIError{ErrorCode: codeWriteInFlight})
	for _, kind := range []error{ErrFull, ErrTooBig} {
		if errors.Is(err, kind) {
			t.Errorf("a write in flight is not known to be refused: %v", err)
		}
	}
}
