package integration

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender/simulator"
)

// order is one job that was published, as its publisher knows it.
type order struct {
	platform jobs.Platform
	lane     jobs.Lane
	app, id  string
	// report is on_uncertain "report": at most once.
	report bool
	ids    []string
	body   string
}

func (o *order) key() string { return string(o.platform) + "." + o.app + "." + o.id }

// recipient is one place in the ids of one job.
type recipient struct {
	job   string // platform.app.id
	index int
}

// books is what a comparison of a stream of events with the providers' ledger found.
type books struct {
	recipients int
	// missing are recipients whose final place says that they were sent to, or who have none, and whom the provider never accepted.
	missing int
	// unplaced are recipients without exactly one final place.
	unplaced int
	// twice are those whom a provider accepted more than once, uncertain those whose final place is that.
	twice, uncertain map[recipient]bool
	// untold are those whom a provider accepted and who have no final place (yet).
	untold map[recipient]bool
	// faults are sentences about whatever does not add up, the first of them; more counts the rest.
	faults []string
	more   int
}

func (b *books) fault(format string, args ...any) {
	if len(b.faults) == 20 {
		b.more++
		return
	}
	b.faults = append(b.faults, fmt.Sprintf(format, args...))
}

// place is where a recipient ended.
type place uint8

const (
	placeNone place = iota
	placeSent
	placeFailed
	placeUncertain
	placeSkipped
)

// balance compares, recipient by recipient. maxPayload is the broker's: it decides how a job is split.
func balance(orders []*order, events []*results.Event, ledger []simulator.Notification, maxPayload int) *books {
	b := &books{twice: map[recipient]bool{}, uncertain: map[recipient]bool{}, untold: map[recipient]bool{}}
	accepted := make(map[string]int, len(ledger))
	for i := range ledger {
		if n := &ledger[i]; n.Accepted() {
			accepted[n.Platform+" "+n.Token]++
		}
	}
	told := make(map[string][]*results.Event, len(orders))
	stored := make(map[string]bool, len(events))
	for _, e := range events {
		if e.Kind == results.KindProvider || e.Kind == results.KindCredential || e.Kind == results.KindFeedback {
			continue
		}
		if stored[e.Subject()] {
			b.fault("event %s is stored twice", e.ID)
		}
		stored[e.Subject()] = true
		if err := e.Balanced(); err != nil {
			b.fault("%v", err)
		}
		key := string(e.Platform) + "." + e.App + "." + e.Job
		told[key] = append(told[key], e)
	}
	for _, o := range orders {
		b.job(o, told[o.key()], accepted, maxPayload)
		delete(told, o.key())
	}
	for key, rest := range told {
		b.fault("%d events tell of job %s, which nobody published: %s", len(rest), key, rest[0].Kind)
	}
	return b
}

// job checks one job.
func (b *books) job(o *order, events []*results.Event, accepted map[string]int, maxPayload int) {
	l := &ledgerOf{b: b, o: o, places: make([]place, len(o.ids)), times: make([]int, len(o.ids)), events: map[[2]int]*results.Event{}}
	var done []*results.Event
	for _, e := range events {
		switch e.Kind {
		case results.KindSegment:
			l.events[[2]int{e.Segment, e.Round}] = e
		case results.KindJobDone:
			done = append(done, e)
		case results.KindDuplicateJob: // a publisher that was not answered publishes again
		default:
			b.fault("job %s: an event of kind %s: %+v", o.key(), e.Kind, e.Dead)
		}
	}
	ids := make([]jobs.Token, len(o.ids))
	for i, id := range o.ids {
		ids[i] = jobs.NewToken(id)
	}
	bounds := jobs.Split(ids, maxPayload)
	segments := len(bounds) - 1
	var sum results.Totals
	for n := range segments {
		last := l.segment(n, segments, bounds)
		if last == nil {
			continue
		}
		if last.Totals == nil {
			b.fault("event %s has no totals", last.ID)
			continue
		}
		sum.AddTotals(*last.Totals)
		if last.Done != (segments == 1) {
			b.fault("event %s of %d segments says done %t", last.ID, segments, last.Done)
		}
	}
	for key := range l.events {
		b.fault("job %s: segment %d has an event of round %d that no event before it announces", o.key(), key[0], key[1])
	}
	switch {
	case segments == 1 && len(done) == 0:
	case segments == 1 || len(done) != 1:
		b.fault("job %s of %d segments has %d job_done events", o.key(), segments, len(done))
	case *done[0].Totals != sum:
		b.fault("job %s: job_done counts %+v, its segments %+v", o.key(), *done[0].Totals, sum)
	}
	if sum.Recipients != len(o.ids) {
		b.fault("job %s: totals of %d recipients of %d", o.key(), sum.Recipients, len(o.ids))
	}
	l.compare(accepted)
}

// ledgerOf is what is known of one job's recipients while its events are read.
type ledgerOf struct {
	b      *books
	o      *order
	events map[[2]int]*results.Event // by segment and round; taken out as they are read
	places []place
	times  []int // how many final places each has
}

// segment follows one segment from round to round and returns its last event, nil if there is none.
func (l *ledgerOf) segment(n, segments int, bounds []int) (last *results.Event) {
	var covered jobs.Indexes
	for i := bounds[n]; i < bounds[n+1]; i++ {
		covered = append(covered, i)
	}
	for round := 0; ; round++ {
		e := l.events[[2]int{n, round}]
		if e == nil {
			l.b.fault("job %s: segment %d has no event of round %d", l.o.key(), n, round)
			return last
		}
		delete(l.events, [2]int{n, round})
		if e.Segments != segments || e.Recipients != len(covered) {
			l.b.fault("event %s is of %d segments and %d recipients, not %d and %d", e.ID, e.Segments, e.Recipients, segments, len(covered))
		}
		l.settle(e, covered)
		last = e
		if e.Retry == nil {
			return last
		}
		covered = e.Retry.Indexes
	}
}

// settle gives the recipients that an event covers their places.
func (l *ledgerOf) settle(e *results.Event, covered jobs.Indexes) {
	left := make(map[int]bool, len(covered))
	for _, i := range covered {
		left[i] = true
	}
	put := func(i int, p place) {
		if !left[i] {
			l.b.fault("event %s places recipient %d, whom it does not cover or names before", e.ID, i)
			if i < 0 || i >= len(l.times) {
				return
			}
		}
		delete(left, i)
		if p != placeNone { // else it goes on
			l.places[i] = p
			l.times[i]++
		}
	}
	for _, f := range e.Failures {
		put(f.Index, placeFailed)
	}
	for _, f := range e.ExpiredTokens {
		put(f.Index, placeFailed)
	}
	for _, u := range e.Uncertain {
		put(u.Index, placeUncertain)
		l.b.uncertain[recipient{l.o.key(), u.Index}] = true
	}
	for _, s := range e.Skipped {
		for _, i := range s.Indexes {
			put(i, placeSkipped)
		}
	}
	if e.Retry != nil {
		for _, i := range e.Retry.Indexes {
			put(i, placeNone)
		}
	}
	if len(left) != e.Sent {
		l.b.fault("event %s counts %d sent and leaves %d", e.ID, e.Sent, len(left))
	}
	for _, i := range slices.Collect(maps.Keys(left)) {
		put(i, placeSent)
	}
}

// compare holds the places against what the providers accepted.
func (l *ledgerOf) compare(accepted map[string]int) {
	b, o := l.b, l.o
	b.recipients += len(o.ids)
	for i, id := range o.ids {
		n := accepted[string(o.platform)+" "+id]
		if l.times[i] != 1 {
			b.unplaced++
			b.fault("job %s: recipient %d has %d final places", o.key(), i, l.times[i])
		}
		switch p := l.places[i]; {
		case n == 0 && (p == placeSent || p == placeNone):
			b.missing++
			b.fault("job %s: recipient %d never arrived", o.key(), i)
		case n > 0 && (p == placeFailed || p == placeSkipped):
			b.fault("job %s: recipient %d is reported as not sent and was accepted", o.key(), i)
		case p == placeSkipped:
			b.fault("job %s: recipient %d was skipped", o.key(), i)
		case p == placeUncertain && !o.report:
			b.fault("job %s: recipient %d is uncertain, and its job asks to send again", o.key(), i)
		}
		if n > 0 && l.times[i] == 0 {
			b.untold[recipient{o.key(), i}] = true
		}
		if n > 1 {
			b.twice[recipient{o.key(), i}] = true
			if o.report {
				b.fault("job %s: recipient %d was sent to %d times, and its job asks for at most once", o.key(), i, n)
			}
		}
	}
}

// The comparison itself: each fault is found, and found alone.
func TestBalanceFindsWhatIsWrong(t *testing.T) {
	orders := []*order{
		{platform: "apns", app: "default", id: "small", ids: []string{"a0", "a1", "a2"}},
		{platform: "apns", app: "default", id: "large", ids: make([]string, 1500)},
		{platform: "gcm", app: "default", id: "once", report: true, ids: []string{"r0", "r1"}},
	}
	for i := range orders[1].ids {
		orders[1].ids[i] = fmt.Sprintf("%04x", i)
	}
	type world struct {
		events []*results.Event
		ledger []simulator.Notification
	}
	event := func(o *order, kind results.Kind, segment, segments, round, recipients, sent int) *results.Event {
		e := &results.Event{
			V: 1, Kind: kind, Platform: o.platform, App: o.app, Job: o.id, Segment: segment, Segments: segments, Round: round,
			Recipients: recipients, Sent: sent, At: time.Unix(1, 0), Worker: "w",
		}
		e.SetID()
		return e
	}
	total := func(e *results.Event, prior results.Totals) *results.Event {
		prior.Add(e)
		e.Totals = &prior
		return e
	}
	sound := func() *world {
		w := &world{}
		first := event(orders[0], results.KindSegment, 0, 1, 0, 3, 1)
		first.Failures = []results.Failure{{Index: 1, Token: "a1", Reason: "BadDeviceToken", Action: results.ActionNone}}
		first.Retry = &results.Retry{Indexes: jobs.Indexes{2}, At: time.Unix(2, 0), Groups: []results.RetryGroup{{Indexes: jobs.Indexes{2}, Attempts: 1}}}
		total(first, results.Totals{})
		second := total(event(orders[0], results.KindSegment, 0, 1, 1, 1, 1), *first.Totals)
		second.Done = true
		a := total(event(orders[1], results.KindSegment, 0, 2, 0, 1000, 1000), results.Totals{})
		b := total(event(orders[1], results.KindSegment, 1, 2, 0, 500, 500), results.Totals{})
		done := event(orders[1], results.KindJobDone, 0, 2, 0, 1500, 0)
		done.Totals, done.Done = &results.Totals{Recipients: 1500, Sent: 1500}, true
		once := event(orders[2], results.KindSegment, 0, 1, 0, 2, 1)
		once.Uncertain = []results.Uncertain{{Index: 1, Token: "r1", Reason: "SenderLost"}}
		total(once, results.Totals{}).Done = true
		w.events = []*results.Event{first, second, a, b, done, once}
		arrive := func(platform, token string) {
			w.ledger = append(w.ledger, simulator.Notification{Platform: platform, Token: token, Status: http.StatusOK})
		}
		arrive("apns", "a0")
		arrive("apns", "a2")
		for _, id := range orders[1].ids {
			arrive("apns", id)
		}
		arrive("gcm", "r0")
		w.ledger = append(w.ledger, simulator.Notification{Platform: "apns", Token: "a1", Status: http.StatusBadRequest, Reason: "BadDeviceToken"})
		return w
	}
	tests := []struct {
		name                     string
		spoil                    func(*world)
		missing, unplaced, twice int
		faults                   int
	}{
		{"nothing", func(*world) {}, 0, 0, 0, 0},
		{"a recipient never arrived", func(w *world) { w.ledger[1].Token = "zz" }, 1, 0, 0, 1},
		{"one was refused and reported as sent", func(w *world) { w.ledger[0].Reason = "BadDeviceToken" }, 1, 0, 0, 1},
		{"a failed one was accepted", func(w *world) {
			w.ledger = append(w.ledger, simulator.Notification{Platform: "apns", Token: "a1", Status: 200})
		}, 0, 0, 0, 1},
		{"one arrived twice", func(w *world) { w.ledger = append(w.ledger, w.ledger[1]) }, 0, 0, 1, 0},
		{"one arrived twice at most once", func(w *world) {
			w.ledger = append(w.ledger, simulator.Notification{Platform: "gcm", Token: "r0", Status: 200})
		}, 0, 0, 1, 1},
		{"an uncertain one arrived", func(w *world) {
			w.ledger = append(w.ledger, simulator.Notification{Platform: "gcm", Token: "r1", Status: 200})
		}, 0, 0, 0, 0},
		{"the last round is not told", func(w *world) { w.events = slices.Delete(w.events, 1, 2) }, 0, 1, 0, 3},
		{"a segment is not told", func(w *world) { w.events = slices.Delete(w.events, 3, 4) }, 0, 500, 0, 20},
		{"an event is there twice", func(w *world) { w.events = append(w.events, w.events[2]) }, 0, 0, 0, 1},
		{"a round too many", func(w *world) {
			w.events = append(w.events, total(event(orders[1], results.KindSegment, 0, 2, 1, 1, 1), results.Totals{}))
		}, 0, 0, 0, 1},
		{"two places", func(w *world) {
			w.events[1].Recipients, w.events[1].Totals.Failures = 2, w.events[1].Totals.Failures+1
			w.events[1].Failures = []results.Failure{{Index: 1, Token: "a1"}}
		}, 0, 1, 0, 4},
		{"no job_done", func(w *world) { w.events = slices.Delete(w.events, 4, 5) }, 0, 0, 0, 1},
		{"wrong totals", func(w *world) { w.events[4].Totals.Sent-- }, 0, 0, 0, 2},
		{"a dead letter", func(w *world) { w.events[5].Kind = results.KindDead }, 1, 2, 0, 6},
		{"an event of nobody's job", func(w *world) { w.events[1].Job = "other"; w.events[1].SetID() }, 0, 1, 0, 4},
		{"uncertain though it may be sent again", func(w *world) {
			w.events[3].Sent--
			w.events[3].Uncertain = []results.Uncertain{{Index: 1400, Token: "0578"}}
			w.events[3].Totals.Sent, w.events[3].Totals.Uncertain = 499, 1
			w.events[4].Totals.Sent, w.events[4].Totals.Uncertain = 1499, 1
		}, 0, 0, 0, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := sound()
			test.spoil(w)
			b := balance(orders, w.events, w.ledger, 1<<20)
			if b.recipients != 1505 || b.missing != test.missing || b.unplaced != test.unplaced || len(b.twice) != test.twice || len(b.faults) != test.faults {
				t.Errorf("%d recipients, %d missing, %d unplaced, %d twice, %d faults: %q", b.recipients, b.missing, b.unplaced, len(b.twice), len(b.faults), b.faults)
			}
		})
	}
}
