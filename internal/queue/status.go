package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

const (
	// recordVersion is the "v" of the status records that this code writes.
	recordVersion = 1
	// recordTries bounds how often a status record is written again after somebody else was faster. With n segments of one job
	// settling at once the last one needs n tries at most.
	recordTries = 200
	// recordPause is the longest pause before the next try, drawn at random.
	recordPause = 20 * time.Millisecond
	// maxSegments bounds what a record may say: a job has at most one segment for each recipient, and 1 MiB of ids.
	maxSegments = 1 << 20
)

// record is the value of a PUSH_STATUS key, the progress of one job with several segments.
type record struct {
	V    int           `json:"v"`
	Plan pipeline.Plan `json:"plan"`
	// Segments is how many segments the job has. It is the plan's, or an event's if the plan was lost.
	Segments int `json:"segments"`
	// Settled has bit i%8 of byte i/8 set if segment i is settled.
	Settled []byte         `json:"settled"`
	Totals  results.Totals `json:"totals"`
}

// statusKey is the key of a job's record. A key may have letters, digits and -/_=. ; an id, an app and a platform have nothing else.
func statusKey(platform jobs.Platform, app, job string) string {
	return string(platform) + "." + app + "." + job
}

// Plan implements pipeline.Status: it creates the job's record with the plan, or returns the plan that is there. One of an earlier round
// gives way, with all that was counted under it.
func (c *Conn) Plan(ctx context.Context, platform jobs.Platform, app, job string, plan pipeline.Plan) (pipeline.Plan, error) {
	if n := plan.Segments(); n < 1 || n > maxSegments {
		return pipeline.Plan{}, fmt.Errorf("the plan of job %s has %d segments", job, n)
	}
	have, err := c.change(ctx, statusKey(platform, app, job), func(r *record) (bool, error) {
		if len(r.Plan.Bounds) > 0 && r.Plan.Round >= plan.Round {
			return false, nil
		}
		if r.Plan.Round < plan.Round {
			*r = record{V: recordVersion}
		}
		if r.Segments != 0 && r.Segments != plan.Segments() {
			return false, fmt.Errorf("job %s has %d segments already, not %d", job, r.Segments, plan.Segments())
		}
		r.Plan = plan
		r.size(plan.Segments())
		return true, nil
	})
	if err != nil {
		return pipeline.Plan{}, err
	}
	return have.Plan, nil
}

// FindPlan implements pipeline.Status.
func (c *Conn) FindPlan(ctx context.Context, platform jobs.Platform, app, job string) (pipeline.Plan, error) {
	r, _, err := c.record(ctx, statusKey(platform, app, job))
	if err != nil {
		return pipeline.Plan{}, err
	}
	return r.Plan, nil
}

// NoPlans implements pipeline.Status.
func (c *Conn) NoPlans(ctx context.Context, segments []*jobs.Segment) []bool {
	subjects := make([]string, len(segments))
	for i, seg := range segments {
		subjects[i] = bucketSubject(jobs.BucketStatus, statusKey(seg.Job.Platform, seg.Job.App, seg.JobID))
	}
	return c.absent(ctx, bucketStream(jobs.BucketStatus), subjects)
}

// Settle implements pipeline.Status: it adds the totals of a settled segment, once for each segment number.
//
// A record that is gone (older than its retention, or removed by hand) is begun again from the event: the segment's recipients
// have their final place in its event, only the job_done of such a job will not come.
func (c *Conn) Settle(ctx context.Context, event *results.Event) (pipeline.Progress, error) {
	switch {
	case event.Totals == nil || event.Retry != nil:
		return pipeline.Progress{}, fmt.Errorf("event %s does not settle its segment", event.ID)
	case event.Segments < 1 || event.Segments > maxSegments || event.Segment < 0 || event.Segment >= event.Segments:
		return pipeline.Progress{}, fmt.Errorf("event %s is of segment %d of %d", event.ID, event.Segment, event.Segments)
	}
	r, err := c.change(ctx, statusKey(event.Platform, event.App, event.Job), func(r *record) (bool, error) {
		if r.Segments == 0 {
			r.size(event.Segments)
			r.Plan = pipeline.Plan{Fingerprint: event.Fingerprint, Campaign: event.Campaign}
		}
		if r.Segments != event.Segments {
			return false, fmt.Errorf("event %s says that its job has %d segments, its status record %d", event.ID, event.Segments, r.Segments)
		}
		return r.settle(event.Segment, *event.Totals), nil
	})
	if err != nil {
		return pipeline.Progress{}, err
	}
	return pipeline.Progress{Settled: r.settled(), Segments: r.Segments, Totals: r.Totals}, nil
}

// change reads the record, lets edit change it, and writes it unless somebody else did so meanwhile; then again. edit gets a
// zero record if there is none, and says whether it changed something.
func (c *Conn) change(ctx context.Context, key string, edit func(*record) (bool, error)) (*record, error) {
	for try := 1; ; try++ {
		r, revision, err := c.record(ctx, key)
		if err != nil {
			return nil, err
		}
		changed, err := edit(r)
		if err != nil || !changed {
			return r, err
		}
		stored, err := c.writeRecord(ctx, key, r, revision)
		if err != nil || stored {
			return r, err
		}
		if try == recordTries {
			return nil, fmt.Errorf("%w: the status record %s changed %d times under our hands", ErrUnavailable, key, try)
		}
		select {
		case <-time.After(rand.N(recordPause)): //nolint:gosec // jitter, no secret
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// record loads the record of the key and its revision; a zero record and revision 0 if there is none.
func (c *Conn) record(ctx context.Context, key string) (*record, uint64, error) {
	found, err := c.lastOn(ctx, bucketStream(jobs.BucketStatus), bucketSubject(jobs.BucketStatus, key))
	if errors.Is(err, errAbsent) {
		return &record{V: recordVersion}, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	r, err := readRecord(key, found.Data)
	return r, found.Sequence, err
}

func readRecord(key string, value []byte) (*record, error) {
	r := &record{V: recordVersion}
	if len(value) == 0 {
		return r, nil // deleted with a tool; what remains is a marker
	}
	if err := json.Unmarshal(value, r); err != nil {
		return nil, fmt.Errorf("the status record %s can't be read: %w", key, err)
	}
	switch {
	case r.V > recordVersion:
		return nil, fmt.Errorf("the status record %s was written by a newer version of Volley (%d, this is %d): leave it to that one", key, r.V, recordVersion)
	case r.Segments < 0 || r.Segments > maxSegments || len(r.Settled) != bytesFor(r.Segments):
		return nil, fmt.Errorf("the status record %s contradicts itself", key)
	}
	return r, nil
}

// writeRecord stores the record if the key is still at the revision.
func (c *Conn) writeRecord(ctx context.Context, key string, r *record, revision uint64) (bool, error) {
	value, err := json.Marshal(r)
	if err != nil {
		return false, fmt.Errorf("the status record %s: %w", key, err)
	}
	msg := &nats.Msg{Subject: bucketSubject(jobs.BucketStatus, key), Header: nats.Header{}, Data: value}
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(revision, 10))
	_, err = c.publish(ctx, msg)
	switch code := answered(err); {
	case err == nil:
		return true, nil
	case code == codeWrongSequence, code == codeWriteInFlight:
		return false, nil
	default:
		return false, explain("writing the status record "+key, err)
	}
}

// size makes room for n segments, none settled.
func (r *record) size(n int) {
	if r.Segments != n {
		r.Segments, r.Settled = n, make([]byte, bytesFor(n))
	}
}

// settle sets the bit of a segment and adds its totals; false if it was set.
func (r *record) settle(segment int, totals results.Totals) bool {
	at, bit := segment/8, byte(1)<<(segment%8)
	if r.Settled[at]&bit != 0 {
		return false
	}
	r.Settled[at] |= bit
	r.Totals.AddTotals(totals)
	return true
}

// settled counts the bits.
func (r *record) settled() int {
	n := 0
	for _, b := range r.Settled {
		n += bits.OnesCount8(b)
	}
	return n
}

func bytesFor(segments int) int { return (segments + 7) / 8 }

// bucketStream is the stream of a key-value bucket, bucketSubject the subject of one of its keys; both are the client
// libraries' convention, so that any of them reads the bucket.
func bucketStream(bucket string) string { return "KV_" + bucket }

func bucketSubject(bucket, key string) string { return "$KV." + bucket + "." + key }
