package dash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

const (
	// jobEvents is how many stored events of one job are read for its page.
	jobEvents = 1000
	// jobFresh is how long what was read of a job is good for, jobsFresh of how many jobs it is remembered.
	jobFresh  = 3 * time.Second
	jobsFresh = 32
)

// jobRow is a job in a list.
type jobRow struct {
	Job
	Bar bar
	// Mark is what it waits for; nil for nothing.
	Mark *waitMark
}

func jobRows(list []Job) []jobRow {
	rows := make([]jobRow, 0, len(list))
	for i := range list {
		j := &list[i]
		progress := barOf(j.Settled, j.Segments, j.Counts)
		if j.Total > 0 { // then the recipients themselves can be counted
			progress = barOf(int(min(j.Counts.All(), uint64(j.Total))), j.Total, j.Counts) //nolint:gosec // neither is negative
		}
		rows = append(rows, jobRow{*j, progress, j.mark()})
	}
	return rows
}

// job is one job: what its stored events say.
func (s *Server) job(r *http.Request) (*page, error) {
	q := r.URL.Query()
	key := JobKey{jobs.Platform(q.Get("platform")), q.Get("app"), q.Get("id")}
	if _, err := results.ParseSubject(results.SubjectOf(key.Platform, key.App, key.Job, "0", 0)); err != nil {
		return nil, fmt.Errorf("%w: a job is named by platform, app and id", ErrAbsent)
	}
	found, err := s.readJob(r.Context(), key)
	if err != nil {
		return nil, err
	}
	list := found.Jobs(1, func(*Job) bool { return true })
	if len(list) == 0 {
		w, err := s.Broker.WaitingJob(r.Context(), key)
		if err != nil {
			return nil, err
		}
		if w == nil {
			return nil, fmt.Errorf("%w: no event of job %s is stored, and it is not among the first jobs in the queues: it waits behind them, or its events are older than they are kept", ErrAbsent, key.Job)
		}
		list = []Job{w.job()}
	}
	j := list[0]
	events := found.Events(shownEvents, func(*Entry) bool { return true })
	scope := Scope{Platform: key.Platform, App: key.App, Campaign: j.Campaign, Job: key.Job}
	back := link("/job", "platform", key.Platform, "app", key.App, "id", key.Job)
	return &page{Title: "Job " + key.Job, Here: "/campaigns", Parts: []part{
		{ID: "job", Template: "job", Data: struct {
			jobRow
			Partly bool
		}{jobRows(list)[0], found.events >= jobEvents}},
		{ID: "control", Template: "control", Data: s.controls(r.Context(), scope, back, j.Done)},
		{ID: "reasons", Template: "reasons", Data: reasonRows(j.Reasons)},
		{ID: "events", Template: "events", Data: eventsData{Rows: events, Job: true}},
	}}, nil
}

// readJob reads the stored events of a job, or takes what was read a moment ago.
func (s *Server) readJob(ctx context.Context, key JobKey) (*Index, error) {
	return s.read.get(key, s.Now(), func() (*Index, error) {
		x, n := NewIndex(), 0
		err := s.Broker.JobEvents(ctx, key, func(e *results.Event) error {
			x.Note(e)
			if n++; n == jobEvents {
				return errEnough
			}
			return nil
		})
		return x, ignoreEnough(err)
	})
}

// errEnough ends a reading early.
var errEnough = errors.New("enough")

func ignoreEnough(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// recently remembers what was read of a few jobs, so that pages that update themselves don't ask the broker each second. It is safe for
// concurrent use.
type recently struct {
	mu   sync.Mutex
	jobs lru[JobKey, *reads]
}

// reads is what was read of one job. Whoever reads holds mu.
type reads struct {
	mu    sync.Mutex
	at    time.Time
	index *Index
}

func newRecently() *recently { return &recently{jobs: newLRU[JobKey, *reads](jobsFresh)} }

func (s *recently) get(key JobKey, now time.Time, read func() (*Index, error)) (*Index, error) {
	s.mu.Lock()
	at, made := s.jobs.at(key)
	if made {
		*at = &reads{}
	}
	one := *at
	s.mu.Unlock()
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.index != nil && now.Sub(one.at) < jobFresh {
		return one.index, nil
	}
	index, err := read()
	if err != nil {
		return nil, err
	}
	one.index, one.at = index, now
	return index, nil
}
