package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// world keeps what the ports store, in memory, and a log of every step in order. The broker itself is tested in
// internal/queue and integration; here it is the decisions and their order that count.
type world struct {
	mu     sync.Mutex
	steps  []string
	events map[string]*results.Event
	puts   map[string]put
	plans  map[string]Plan
	done   map[string]map[int]bool
	totals map[string]results.Totals
	dead   []Letter
	claims map[string]Claim
	now    time.Time
	nonces int
	// appGone takes the app away; refuse says which events are too large.
	appGone bool
	// crowded has no room for work of unknown apps.
	crowded bool
	refuse  func(*results.Event) bool
	// parked is what the broker says that an app has there.
	parked Parked
	waited time.Duration
	// newer says that a newer copy of every work message waits.
	newer bool
	// orders are in force; heldBack are the tails that were put aside for a pause.
	orders   *Orders
	heldBack map[string]bool
	// deaf says that the orders can't be read. onPut happens while something is stored.
	deaf  bool
	onPut func()
	// fail makes the named step answer an error once for each count.
	fail map[string]int
	app  *scriptedApp
	// others are further apps, by name.
	others map[string]*scriptedApp
}

type put struct {
	seg   *jobs.Segment
	due   time.Time
	after uint64
}

var tenOClock = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func newWorld() *world {
	return &world{
		events: map[string]*results.Event{}, puts: map[string]put{}, plans: map[string]Plan{},
		claims: map[string]Claim{}, heldBack: map[string]bool{}, done: map[string]map[int]bool{}, totals: map[string]results.Totals{}, fail: map[string]int{},
		now: tenOClock, app: &scriptedApp{attempts: 10, deadline: tenOClock.Add(time.Hour)},
	}
}

func (w *world) core() *Core {
	return New(Params{
		Events: w, Work: w, Status: w, Dead: w, Claims: w, Apps: w, Clock: w, Control: w, Observer: nil,
		Random: func() float64 { return 0.5 },
		Wait: func(ctx context.Context, d time.Duration) error {
			w.waited += d
			return ctx.Err()
		},
		Draining: context.Background(), AckWait: 30 * time.Second, Nonce: func() string { w.nonces++; return fmt.Sprint(w.nonces) },
		MaxPayload: 1 << 20, MaxSegments: 4, Worker: "w-1",
	})
}

var errBroken = errors.New("broken")

func (w *world) step(name, detail string) error {
	w.steps = append(w.steps, name+" "+detail)
	if w.fail[name] > 0 {
		w.fail[name]--
		return errBroken
	}
	return nil
}

func (w *world) Commit(_ context.Context, e *results.Event) (*results.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.step("commit", e.ID); err != nil {
		return nil, err
	}
	if w.refuse != nil && w.refuse(e) {
		return nil, ErrRefused
	}
	if earlier := w.events[e.Subject()]; earlier != nil {
		return earlier, nil
	}
	w.events[e.Subject()] = e
	return nil, nil
}

func (w *world) CommitAll(ctx context.Context, events []*results.Event) []Commitment {
	all := make([]Commitment, len(events))
	for i, e := range events {
		all[i].Earlier, all[i].Err = w.Commit(ctx, e)
	}
	return all
}

func (w *world) Absent(ctx context.Context, subjects []string) []bool {
	absent := make([]bool, len(subjects))
	for i, subject := range subjects {
		event, err := w.Find(ctx, subject)
		absent[i] = event == nil && err == nil
	}
	return absent
}

func (w *world) NoPlans(ctx context.Context, segments []*jobs.Segment) []bool {
	absent := make([]bool, len(segments))
	for i, seg := range segments {
		plan, err := w.FindPlan(ctx, seg.Job.Platform, seg.Job.App, seg.JobID)
		absent[i] = len(plan.Bounds) == 0 && err == nil
	}
	return absent
}

func (w *world) Find(_ context.Context, subject string) (*results.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events[subject], w.step("find", subject)
}

func (w *world) Put(_ context.Context, seg *jobs.Segment, due time.Time, after uint64) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	tail := seg.Tail().String()
	if err := w.step("put", tail); err != nil {
		return false, err
	}
	if _, alive := w.puts[tail]; alive {
		return false, nil
	}
	w.puts[tail] = put{seg: seg, due: due, after: after}
	if w.onPut != nil {
		w.onPut()
	}
	return true, nil
}

func (w *world) Hold(ctx context.Context, seg *jobs.Segment, until time.Time, after uint64) (bool, error) {
	stored, err := w.Put(ctx, seg, until, after)
	w.mu.Lock()
	defer w.mu.Unlock()
	if stored {
		w.heldBack[seg.Tail().String()] = true
	}
	return stored, err
}

func (w *world) Hasten(_ context.Context, seg *jobs.Segment) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	tail := seg.Tail().String()
	if waiting, ok := w.puts[tail]; ok {
		waiting.due = time.Time{}
		w.puts[tail] = waiting
	}
	return w.step("hasten", tail)
}

func (w *world) Ready(ctx context.Context) bool { return !w.deaf && ctx.Err() == nil }
func (w *world) Orders() *Orders                { return w.orders }

func (w *world) Shelter(_ context.Context, p jobs.Platform, app string, lane jobs.Lane) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.crowded {
		return ErrCrowded
	}
	return w.step("shelter", fmt.Sprintf("%s.%s.%s", p, app, lane))
}

func (w *world) Parked(_ context.Context, p jobs.Platform, app string) (Parked, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.parked, w.step("parked", fmt.Sprintf("%s.%s", p, app))
}

func (w *world) Newer(_ context.Context, subject string, _ uint64) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.newer, w.step("newer", subject)
}

func (w *world) NoNewer(ctx context.Context, deliveries []Delivery) []bool {
	certain := make([]bool, len(deliveries))
	for i, d := range deliveries {
		newer, err := w.Newer(ctx, d.Subject, d.Sequence)
		certain[i] = !newer && err == nil
	}
	return certain
}

func (w *world) Living(_ context.Context, seg *jobs.Segment) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	alive, ok := w.puts[seg.Tail().String()]
	if !ok {
		return "", w.step("living", seg.JobID)
	}
	return alive.seg.Fingerprint, w.step("living", seg.JobID)
}

func (w *world) FindPlan(_ context.Context, p jobs.Platform, app, job string) (Plan, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := fmt.Sprintf("%s.%s.%s", p, app, job)
	return w.plans[key], w.step("find-plan", key)
}

func (w *world) Plan(_ context.Context, p jobs.Platform, app, job string, plan Plan) (Plan, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := fmt.Sprintf("%s.%s.%s", p, app, job)
	if err := w.step("plan", key); err != nil {
		return Plan{}, err
	}
	if earlier, ok := w.plans[key]; ok && earlier.Round >= plan.Round {
		return earlier, nil
	}
	w.plans[key] = plan
	return plan, nil
}

func (w *world) Settle(_ context.Context, e *results.Event) (Progress, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := fmt.Sprintf("%s.%s.%s", e.Platform, e.App, e.Job)
	if err := w.step("settle", e.ID); err != nil {
		return Progress{}, err
	}
	if w.done[key] == nil {
		w.done[key] = map[int]bool{}
	}
	sum := w.totals[key]
	if !w.done[key][e.Segment] {
		sum.AddTotals(*e.Totals)
		w.done[key][e.Segment] = true
		w.totals[key] = sum
	}
	return Progress{Settled: len(w.done[key]), Segments: e.Segments, Totals: sum}, nil
}

func (w *world) Bury(_ context.Context, l Letter) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.step("bury", l.Event.ID); err != nil {
		return err
	}
	w.dead = append(w.dead, l)
	return nil
}

func (w *world) Claim(_ context.Context, key string) (Claim, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.claims[key], w.step("claim", key)
}

func (w *world) PutClaim(_ context.Context, key string, claim Claim) (Claim, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.step("put-claim", key); err != nil {
		return claim, false, err
	}
	if w.claims[key].Revision != claim.Revision {
		return claim, false, nil
	}
	claim.Revision++
	w.claims[key] = claim
	return claim, true, nil
}

func (w *world) DropClaim(_ context.Context, key string, revision uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.claims[key].Revision == revision {
		delete(w.claims, key)
	}
	return w.step("drop-claim", key)
}

func (w *world) App(_ jobs.Platform, name string) (App, bool) {
	if other := w.others[name]; other != nil {
		return other, true
	}
	return w.app, name == jobs.DefaultApp && !w.appGone
}

func (w *world) Known(jobs.Platform) []string {
	return append(slices.Sorted(maps.Keys(w.others)), jobs.DefaultApp)
}
func (w *world) Now() time.Time { return w.now }

// job makes a delivery of PUSH_JOBS with n recipients.
func job(sequence uint64, n int, fields string) Delivery {
	body := `{"message":"hi"` + fields + `,"ids":[`
	for i := range n {
		if i > 0 {
			body += ","
		}
		body += fmt.Sprintf(`"%064x"`, i)
	}
	return Delivery{
		Stream: jobs.StreamJobs, Subject: jobs.IntakeSubject(jobs.APNS, jobs.LaneNormal),
		Body: []byte(body + "]}"), Sequence: sequence, Stored: tenOClock,
	}
}

// take turns what waits on PUSH_WORK under the tail into a delivery, as the broker would.
func (w *world) take(t *testing.T, tail string) Delivery {
	t.Helper()
	waiting, ok := w.puts[tail]
	if !ok {
		t.Fatalf("nothing waits as %s; there are %v", tail, w.tails())
	}
	delete(w.puts, tail)
	header, body, err := waiting.seg.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if waiting.due.After(w.now) {
		w.now = waiting.due
	}
	return Delivery{
		Stream: jobs.StreamWork, Subject: waiting.seg.Tail().WorkSubject(), Header: header, Body: body,
		Sequence: 100, Stored: w.now,
	}
}

func (w *world) tails() []string {
	var tails []string
	for tail := range w.puts {
		tails = append(tails, tail)
	}
	slices.Sort(tails)
	return tails
}

func (w *world) event(t *testing.T, subject string) *results.Event {
	t.Helper()
	e := w.events[subject]
	if e == nil {
		var have []string
		for s := range w.events {
			have = append(have, s)
		}
		t.Fatalf("no event on %s; there are %v", subject, have)
	}
	if err := e.Balanced(); err != nil {
		t.Errorf("the books of %s do not balance: %v", e.ID, err)
	}
	return e
}

// waitAnd is a Wait during which something happens.
func waitAnd(happens func()) func(context.Context, time.Duration) error {
	return func(ctx context.Context, _ time.Duration) error {
		happens()
		return ctx.Err()
	}
}
