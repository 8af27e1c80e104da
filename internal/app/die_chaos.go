//go:build chaos && unix

package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// The points where a worker built with the tag chaos can be made to die, by VOLLEY_DIE_AT.
const (
	afterPull = "after-pull" // nothing of the delivery was looked at
	midSend   = "mid-send"   // half of the segment's recipients (rounded up) have their answer, the others were not written
	sent      = "sent"       // all answers are there, the event is not
	committed = "committed"  // the event is stored, nothing that follows from it is
	continued = "continued"  // what follows is done, the delivery is not acknowledged
	acked     = "acked"      // the broker has taken the delivery off its queue
	scheduled = "scheduled"  // a whole job is on PUSH_WORK for later, and still on PUSH_JOBS
	inSplit   = "split"      // some segments of a split are stored, not all, and the first of them is finished
)

// The variables that say when and how. VOLLEY_DIE_AFTER is the n-th time that the point is reached (1); VOLLEY_DIE_BY is "kill" (SIGKILL,
// the default) or "stop" (SIGSTOP: after a SIGCONT the worker goes on from there); VOLLEY_DIE_REPORT is a file that then says what was
// under way.
const (
	envDieAt     = "VOLLEY_DIE_AT"
	envDieAfter  = "VOLLEY_DIE_AFTER"
	envDieBy     = "VOLLEY_DIE_BY"
	envDieReport = "VOLLEY_DIE_REPORT"
)

// lookAgain is the pause between two looks for a fact.
const lookAgain = 5 * time.Millisecond

// stopping is longer than the threads of a process need to stop.
const stopping = 100 * time.Millisecond

// mortal makes the worker die. It stands between the core and its ports, so that the core knows nothing of it.
type mortal struct {
	at, by, report string
	after          int
	conn           *queue.Conn

	// door is held for reading by everything that the report must not miss half of, and closed by death.
	door sync.RWMutex

	mu    sync.Mutex
	count int
	held  map[*underway]struct{}
	// shut says that no further delivery may begin: only the n-th acknowledgement is awaited.
	shut chan struct{}
}

type handler = func(context.Context, pipeline.Delivery) pipeline.Disposition

// togetherHandler deals with several deliveries.
type togetherHandler = func(ctx context.Context, all []pipeline.Delivery, alone func(i int), done func(i int, d pipeline.Disposition))

// underway is one delivery that was handed out, as the report tells it.
type underway struct {
	Stream   string `json:"stream"`
	Sequence uint64 `json:"sequence"`
	// Sending is what was begun to be sent and is not committed.
	Sending *sending `json:"sending,omitempty"`

	settled bool // an event was committed for it
	body    []byte
}

type sending struct {
	Platform jobs.Platform `json:"platform"`
	App      string        `json:"app"`
	Job      string        `json:"job"`
	Segment  int           `json:"segment"`
	Round    int           `json:"round"`
	Indexes  jobs.Indexes  `json:"indexes"`
}

func newMortal(conn *queue.Conn) *mortal {
	m := &mortal{
		at: os.Getenv(envDieAt), by: cmp.Or(os.Getenv(envDieBy), "kill"), report: os.Getenv(envDieReport), after: 1,
		conn: conn, held: map[*underway]struct{}{}, shut: make(chan struct{}),
	}
	if text := os.Getenv(envDieAfter); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			panic(fmt.Sprintf("%s is %q, not a number from 1", envDieAfter, text))
		}
		m.after = n
	}
	points := []string{"", afterPull, midSend, sent, committed, continued, acked, scheduled, inSplit}
	if !slices.Contains(points, m.at) || m.by != "kill" && m.by != "stop" {
		panic(fmt.Sprintf("%s is %q and %s %q; known points: %q, ways: kill, stop", envDieAt, m.at, envDieBy, m.by, points[1:]))
	}
	return m
}

// reached counts that a point was reached; true if it is the one to die at.
func (m *mortal) reached(point string) bool {
	if point != m.at {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count++
	return m.count == m.after
}

func (m *mortal) reach(point string) {
	if m.reached(point) {
		m.die()
	}
}

// die waits for commits that are on their way, writes down what is under way and ends the process. It returns only from a stop.
func (m *mortal) die() {
	m.door.Lock()
	defer m.door.Unlock()
	signal := syscall.SIGKILL
	if m.by == "stop" {
		signal = syscall.SIGSTOP
	}
	if m.report != "" {
		if err := m.write(); err != nil {
			panic(err)
		}
	}
	if err := syscall.Kill(os.Getpid(), signal); err != nil {
		panic(err)
	}
	if signal == syscall.SIGKILL {
		select {}
	}
	<-time.After(stopping) // the other threads stop a moment later: the door is kept until they have
}

func (m *mortal) write() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	report := struct {
		Point string      `json:"point"`
		Held  []*underway `json:"held"`
	}{Point: m.at, Held: []*underway{}}
	for one := range m.held {
		report.Held = append(report.Held, one)
	}
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	// Written aside first: whoever waits for the file finds it complete.
	if err := os.WriteFile(m.report+".part", text, 0o600); err != nil {
		return err
	}
	return os.Rename(m.report+".part", m.report)
}

// change edits what the report says, never while it is written.
func (m *mortal) change(edit func()) {
	m.door.RLock()
	defer m.door.RUnlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	edit()
}

// underwayKey finds the delivery in the context of its handling.
type underwayKey struct{}

func underwayOf(ctx context.Context) *underway {
	one, ok := ctx.Value(underwayKey{}).(*underway)
	if !ok {
		return &underway{} // the last words of a worker that is told to stop at once
	}
	return one
}

// handle puts the points around the handling of a delivery.
func (m *mortal) handle(next handler) handler {
	return func(ctx context.Context, d pipeline.Delivery) pipeline.Disposition {
		one := m.pulled(d)
		disposition := next(context.WithValue(ctx, underwayKey{}, one), d)
		m.finished(ctx, d, one, disposition)
		return disposition
	}
}

// pulled is the first point.
func (m *mortal) pulled(d pipeline.Delivery) *underway {
	one := &underway{Stream: d.Stream, Sequence: d.Sequence, body: d.Body}
	m.change(func() { m.held[one] = struct{}{} })
	select {
	case <-m.shut:
		select {} // until the end
	default:
	}
	m.reach(afterPull)
	return one
}

// finished is the last two points.
func (m *mortal) finished(ctx context.Context, d pipeline.Delivery, one *underway, disposition pipeline.Disposition) {
	last := false
	if disposition == pipeline.Ack && one.settled {
		m.reach(continued)
		last = m.reached(acked)
	}
	m.change(func() { delete(m.held, one) })
	if last {
		close(m.shut)
		go m.dieWithout(context.WithoutCancel(ctx), d)
	}
}

// gathering is the deliveries that are handled together.
type gathering []*underway

type gatheringKey struct{}

// together puts the points around the handling of several deliveries.
func (m *mortal) together(next togetherHandler) togetherHandler {
	return func(ctx context.Context, all []pipeline.Delivery, alone func(i int), done func(i int, d pipeline.Disposition)) {
		group := make(gathering, len(all))
		for i, d := range all {
			group[i] = m.pulled(d)
		}
		next(context.WithValue(ctx, gatheringKey{}, group), all, func(i int) {
			m.change(func() { delete(m.held, group[i]) }) // handle begins with it anew
			alone(i)
		}, func(i int, disposition pipeline.Disposition) {
			m.finished(ctx, all[i], group[i], disposition)
			done(i, disposition)
		})
	}
}

// sends finds the delivery of which the segment was made.
func (g gathering) sends(s *jobs.Segment) *underway {
	for _, one := range g {
		if bytes.Equal(one.body, s.Body) {
			return one
		}
	}
	return &underway{}
}

// sent finds the delivery that the event tells of.
func (g gathering) sent(e *results.Event) *underway {
	for _, one := range g {
		if s := one.Sending; s != nil && s.Platform == e.Platform && s.App == e.App && s.Job == e.Job {
			return one
		}
	}
	return &underway{}
}

// dieWithout dies when the broker has taken the delivery off its queue.
func (m *mortal) dieWithout(ctx context.Context, d pipeline.Delivery) {
	for {
		if gone, err := m.conn.Gone(ctx, d.Stream, d.Sequence); err == nil && gone {
			m.die()
			return
		}
		<-time.After(lookAgain)
	}
}
