package queue

import (
	"bytes"
	"errors"
	"strings"
	"testing"

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
