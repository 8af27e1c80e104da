package dash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is the time on the stage.
var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// store is what the pages read and change, in memory.
type store struct {
	mu      sync.Mutex
	events  []*results.Event
	grown   chan struct{}
	letters []Letter
	orders  []Order
	load    Backlog
	waits   Waiting
	silent  bool // the broker does not answer
	did     []string
}

var errSilent = errors.New("the broker is away")

func (s *store) Backlog() (Backlog, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.load, !s.silent
}

func (s *store) Waiting() (Waiting, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waits, !s.silent
}

func (s *store) WaitingJob(_ context.Context, job JobKey) (*WaitingJob, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.waits.Jobs {
		if s.waits.Jobs[i].JobKey == job {
			return &s.waits.Jobs[i], s.trouble()
		}
	}
	return nil, s.trouble()
}

func (s *store) Follow(ctx context.Context, last int, fn func(*results.Event) error) error {
	s.mu.Lock()
	at := max(len(s.events)-last, 0)
	s.mu.Unlock()
	for {
		s.mu.Lock()
		events, grown := s.events[at:], s.grown
		at = len(s.events)
		s.mu.Unlock()
		for _, e := range events {
			if err := fn(e); err != nil {
				return err
			}
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *store) add(events ...*results.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
	close(s.grown)
	s.grown = make(chan struct{})
}

func (s *store) Event(_ context.Context, subject string) (*results.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Subject() == subject {
			return e, nil
		}
	}
	return nil, s.trouble()
}

func (s *store) trouble() error {
	if s.silent {
		return errSilent
	}
	return nil
}

func (s *store) JobEvents(_ context.Context, job JobKey, fn func(*results.Event) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Platform == job.Platform && e.App == job.App && e.Job == job.Job {
			if err := fn(e); err != nil {
				return err
			}
		}
	}
	return s.trouble()
}

func (s *store) JobsByID(_ context.Context, id string) (keys []JobKey, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Job == id {
			return []JobKey{{e.Platform, e.App, e.Job}}, s.trouble()
		}
	}
	return nil, s.trouble()
}

func (s *store) Letters(_ context.Context, q LetterQuery) (list []Letter, more uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range slices.Backward(s.letters) {
		if (q.Before == 0 || l.Sequence < q.Before) && (q.Reason == "" || q.Reason == l.Reason) && (q.Job == "" || q.Job == l.Job) {
			if len(list) == q.Limit {
				return list, list[len(list)-1].Sequence, s.trouble()
			}
			list = append(list, l)
		}
	}
	return list, 0, s.trouble()
}

func (s *store) Letter(_ context.Context, n uint64) (*Letter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.letters {
		if l.Sequence == n {
			return &l, nil
		}
	}
	return nil, fmt.Errorf("%w: there is no letter %d", ErrAbsent, n)
}

func (s *store) note(format string, args ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.did = append(s.did, fmt.Sprintf(format, args...))
	return s.trouble()
}

func (s *store) Requeue(_ context.Context, n uint64, resend bool) (string, error) {
	if n == 13 {
		return "", fmt.Errorf("%w: its job is wrong", ErrRefused)
	}
	return "", s.note("requeue %d %v", n, resend)
}

func (s *store) Drop(_ context.Context, n uint64) error { return s.note("drop %d", n) }

func (s *store) Orders(context.Context) ([]Order, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.orders, s.trouble()
}

func (s *store) Pause(_ context.Context, scope Scope) error { return s.note("pause %s", scope.Says()) }

func (s *store) Resume(_ context.Context, scope Scope) (int, error) {
	return 1, s.note("resume %s", scope.Says())
}

func (s *store) Cancel(_ context.Context, scope Scope) error {
	return s.note("cancel %s", scope.Says())
}

func (s *store) done() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.did, "; ")
}

// stage is a server of pages with its store.
type stage struct {
	*Server
	t     *testing.T
	store *store
	stop  context.CancelFunc
	mu    sync.Mutex
	time  time.Time
}

func newStage(t *testing.T, change func(*Params)) *stage {
	t.Helper()
	st := &stage{t: t, store: &store{grown: make(chan struct{})}, time: noon}
	ctx, cancel := context.WithCancel(t.Context())
	p := Params{Worker: "w-1", Fleet: NewFleet(st.now), Broker: st.store, Control: st.store, Now: st.now, Log: zerolog.Nop(), Context: ctx}
	if change != nil {
		change(&p)
	}
	st.Server, st.stop = New(p), cancel
	t.Cleanup(func() {
		cancel()
		st.Server.Close()
	})
	return st
}

func (st *stage) now() time.Time {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.time
}

func (st *stage) pass(d time.Duration) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.time = st.time.Add(d)
}

// answer is what came back.
type answer struct {
	Status  int
	Header  http.Header
	Cookies []*http.Cookie
	Body    string
}

// ask makes a request as a browser on this machine would.
func (st *stage) ask(method, target string, form url.Values, change func(*http.Request)) answer {
	st.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequestWithContext(st.t.Context(), method, target, body)
	r.Host = "127.0.0.1:8088"
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	st.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), (&http.Response{Header: w.Header()}).Cookies(), w.Body.String()}
}

func (st *stage) get(target string) (int, string) {
	st.t.Helper()
	return text(st.ask(http.MethodGet, target, nil, nil))
}

// text is the answer's status and body.
func text(a answer) (int, string) { return a.Status, a.Body }

// until polls a fact.
func until(t *testing.T, what string, fact func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !fact() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		}
	}
}

// segmentEvent is an event of a segment with so many sent and failed recipients.
func segmentEvent(job, campaign string, segment, segments, sent int, failed ...string) *results.Event {
	e := &results.Event{
		V: results.Version, Kind: results.KindSegment, Platform: jobs.APNS, App: "default", Job: job, Campaign: campaign, Segment: segment, Segments: segments,
		Attempt: 1, Recipients: sent + len(failed), Sent: sent, Done: segments == 1, At: noon.Add(-time.Minute), Worker: "w-1",
		Totals: &results.Totals{Recipients: sent + len(failed), Sent: sent, Failures: len(failed)},
	}
	for i, token := range failed {
		e.Failures = append(e.Failures, results.Failure{Index: i, Token: token, Error: "APNSInvalidTokenError", Code: "8", Reason: "BadDeviceToken", Status: 400, Action: results.ActionCheckEnvironment})
	}
	e.SetID()
	return e
}
