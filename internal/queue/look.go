package queue

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// What one look costs at most, however much there is.
const (
	// censusJobs is how many jobs a census remembers, censusRecent how many of the last events it reads when it is about all jobs.
	censusJobs   = 50_000
	censusRecent = 50_000
	// censusWalk is how many messages of a queue it looks at, and censusPatience for how long.
	censusWalk     = 20_000
	censusPatience = 3 * time.Second
	// censusRecords is how many status records it reads.
	censusRecords = 2_000
)

// Census finds out how far jobs are, from what is stored of them: events, status records, and messages that wait. It needs no worker. It is
// not safe for concurrent use.
type Census struct {
	conn  *Conn
	scope pipeline.Scope
	found map[string]*JobState
	next  uint64 // the event from which reading goes on
	most  walkLimits
	// missed says that there is more than one look takes in: numbers are "at least".
	missed bool
}

// Census makes a census of the jobs in the scope. One of a job or a campaign reads all events that are kept, one of more jobs only the latest.
func (c *Conn) Census(scope pipeline.Scope) *Census {
	return &Census{conn: c, scope: scope, found: make(map[string]*JobState), most: walkLimits{censusWalk, math.MaxInt, censusPatience}}
}

// Update looks again. each, if set, is called with every event that was not seen before. Errors are those of the broker.
func (s *Census) Update(ctx context.Context, each func(*results.Event)) error {
	if err := s.conn.setClock(ctx); errors.Is(err, jetstream.ErrStreamNotFound) {
		return s.conn.noStream(jobs.StreamWork)
	} else if err != nil {
		return err
	}
	given, err := s.conn.Given(ctx)
	if err != nil {
		return err
	}
	for _, j := range s.found {
		j.queued, j.before, j.held, j.waits, j.recorded = false, false, 0, false, false
	}
	s.missed = len(s.found) >= censusJobs
	// In the order in which a job moves: whatever leaves one place meanwhile is found in the next.
	for _, look := range []func(context.Context) error{s.lookAtJobs, s.lookAtWork, func(ctx context.Context) error { return s.lookAtEvents(ctx, each) }, s.lookAtRecords} {
		if err := look(ctx); err != nil {
			return err
		}
	}
	orders := pipeline.NewOrders(given)
	for _, j := range s.found {
		j.settle(orders, s.conn.Now())
	}
	return nil
}

// Partial says that the last look did not take in everything.
func (s *Census) Partial() bool { return s.missed }

// Jobs returns what was found, the job that was last heard of first. It is valid until the next Update.
func (s *Census) Jobs() []*JobState {
	all := make([]*JobState, 0, len(s.found))
	for _, j := range s.found {
		all = append(all, j)
	}
	slices.SortFunc(all, func(a, b *JobState) int {
		return cmp.Or(b.latest().Compare(a.latest()), cmp.Compare(a.Job, b.Job), cmp.Compare(a.App, b.App), cmp.Compare(a.Platform, b.Platform))
	})
	return all
}

// Sum adds up what was found, and counts the jobs in each state.
func (s *Census) Sum() (sum Progress, states map[State]int) {
	states = make(map[State]int)
	for _, j := range s.found {
		states[j.State]++
		sum.Segments += j.Segments
		sum.SegmentsDone += j.SegmentsDone
		sum.Totals.AddTotals(j.Totals)
		sum.Left += j.Left
		sum.Retrying += j.Retrying
		sum.PerSecond += j.PerSecond
		if !j.First.IsZero() && (sum.First.IsZero() || j.First.Before(sum.First)) {
			sum.First = j.First
		}
		if j.Last.After(sum.Last) {
			sum.Last = j.Last
		}
	}
	return sum, states
}

// job returns the state of a job, nil if there is no room for more.
func (s *Census) job(platform jobs.Platform, app, id string) *JobState {
	key := statusKey(platform, app, id)
	j := s.found[key]
	if j == nil {
		if len(s.found) >= censusJobs {
			s.missed = true
			return nil
		}
		j = &JobState{Platform: platform, App: app, Job: id}
		s.found[key] = j
	}
	return j
}

// walkLimits bound one reading of a queue.
type walkLimits struct {
	messages, bytes int
	patience        time.Duration
}

// walk bounds the reading of a queue.
func (s *Census) walk() func(*stored) error {
	left, room, end := s.most.messages, s.most.bytes, time.Now().Add(s.most.patience)
	return func(m *stored) error {
		left, room = left-1, room-len(m.Data)
		if left < 0 || room < 0 || time.Now().After(end) {
			s.missed = true
			return errEnough
		}
		return nil
	}
}

func (s *Census) lookAtWork(ctx context.Context) error {
	err := s.conn.waiting(ctx, "*", s.scope, s.walk(), func(w *Waiting) error {
		if j := s.job(w.Tail.Platform, w.Tail.App, w.Tail.Job); j != nil {
			j.wait(w)
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// lookAtJobs reads what no worker has taken yet.
func (s *Census) lookAtJobs(ctx context.Context) error {
	passed := s.walk()
	for _, platform := range jobs.Platforms() {
		for _, lane := range jobs.Lanes() {
			if s.scope.Platform != "" && s.scope.Platform != platform || s.scope.Lane != "" && s.scope.Lane != lane {
				continue
			}
			if err := s.lookAtLane(ctx, platform, lane, passed); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Census) lookAtLane(ctx context.Context, platform jobs.Platform, lane jobs.Lane, passed func(*stored) error) error {
	for next := uint64(1); ; {
		found, err := s.conn.nextOn(ctx, jobs.StreamJobs, jobs.IntakeSubject(platform, lane), next)
		switch {
		case errors.Is(err, errAbsent) || err == nil && passed(found) != nil:
			return nil
		case answered(err) == codeStreamNotFound:
			return s.conn.noStream(jobs.StreamJobs)
		case err != nil:
			return err
		}
		next = found.Sequence + 1
		job := jobs.Identify(platform, found.Data)
		header := nats.Header{}
		if len(found.Headers) > 0 {
			if header, err = nats.DecodeHeadersMsg(found.Headers); err != nil {
				continue // the worker tells of it
			}
		}
		id, _ := jobs.ResolveID(job.ID, header.Get(jetstream.MsgIDHeader), found.Sequence, found.Time)
		if !s.scope.Covers(pipeline.Scope{Platform: platform, App: job.App, Lane: lane, Campaign: job.Campaign, Job: id}) {
			continue
		}
		if j := s.job(platform, job.App, id); j != nil {
			j.queued, j.Lane, j.Published, j.Campaign = true, lane, found.Time, cmp.Or(j.Campaign, job.Campaign)
			j.known(len(job.IDs))
		}
	}
}

func (s *Census) lookAtEvents(ctx context.Context, each func(*results.Event)) error {
	from := s.next
	if from == 0 && s.scope.Job == "" && s.scope.Campaign == "" {
		info, err := s.conn.streamInfo(ctx, jobs.StreamResults)
		if err != nil {
			return explain("asking for the state of "+jobs.StreamResults, err)
		}
		if info != nil && info.State.LastSeq > censusRecent {
			from = info.State.LastSeq - censusRecent
		}
	}
	subject := strings.Join([]string{jobs.SubjectResults, orAny(string(s.scope.Platform)), orAny(s.scope.App), orAny(s.scope.Job), "*", "*"}, ".")
	mark := fmt.Appendf(nil, `"campaign":%q`, s.scope.Campaign)
	return s.conn.replay(ctx, replay{Stream: jobs.StreamResults, Subject: subject, From: from}, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		s.next = meta.Sequence.Stream + 1
		if s.scope.Campaign != "" && !bytes.Contains(msg.Data(), mark) {
			return nil
		}
		e, err := results.Decode(msg.Data())
		if err != nil || e.Job == "" || e.Kind == results.KindDuplicateJob || s.scope.Campaign != "" && e.Campaign != s.scope.Campaign {
			return nil //nolint:nilerr // a newer version's, which counts it
		}
		if j := s.job(e.Platform, e.App, e.Job); j != nil {
			j.add(e)
			if each != nil {
				each(e)
			}
		}
		return nil
	})
}

// lookAtRecords reads the status records of jobs with several segments that are under way, and of a job whose events are not kept any more.
func (s *Census) lookAtRecords(ctx context.Context) error {
	if s.scope.Job != "" && len(s.found) == 0 {
		if err := s.lookForRecords(ctx); err != nil {
			return err
		}
	}
	read := 0
	for key, j := range s.found {
		if j.recorded || j.Segments == 1 || j.ended && j.SegmentsDone >= j.Segments && j.record != nil {
			continue
		}
		if read++; read > censusRecords {
			s.missed = true
			return nil
		}
		r, _, err := s.conn.record(ctx, key)
		if err != nil {
			return err
		}
		j.record, j.recorded = r, true
	}
	return nil
}

// lookForRecords finds the records of a job with that id, whatever its app.
func (s *Census) lookForRecords(ctx context.Context) error {
	subject := bucketSubject(jobs.BucketStatus, orAny(string(s.scope.Platform))+"."+orAny(s.scope.App)+"."+s.scope.Job)
	for next := uint64(1); ; {
		found, err := s.conn.nextOn(ctx, bucketStream(jobs.BucketStatus), subject, next)
		if errors.Is(err, errAbsent) {
			return nil
		}
		if err != nil {
			return err
		}
		next = found.Sequence + 1
		parts := strings.Split(strings.TrimPrefix(found.Subject, bucketSubject(jobs.BucketStatus, "")), ".")
		if len(parts) == 3 && len(found.Data) > 0 {
			s.job(jobs.Platform(parts[0]), parts[1], parts[2])
		}
	}
}
