package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
)

// The most that a worker has in flight: segments of up to 1,000 recipients, and deliveries of one.
const (
	segmentsAtOnce   = 4
	deliveriesAtOnce = 64
	inFlight         = segmentsAtOnce*jobs.MaxSegmentRecipients + deliveriesAtOnce
)

// crashPoints are the moments in the life of a delivery at which its worker is killed.
func crashPoints() []string {
	return []string{"after-pull", "mid-send", "sent", "committed", "continued", "acked"}
}

// afterCommit says whether what was in flight at the point has its event, so that it may not be sent a second time.
func afterCommit(point string) bool {
	return point == "committed" || point == "continued" || point == "acked"
}

// audience makes orders for recipients that nobody else has.
type audience struct{ name string }

// order makes a job of n recipients.
func (a audience) order(platform jobs.Platform, app, id string, n int, fields map[string]any) *order {
	o := &order{platform: platform, lane: jobs.LaneNormal, app: app, id: a.name + "-" + id, ids: make([]string, n)}
	for i := range o.ids {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", o.key(), i))
		o.ids[i] = hex.EncodeToString(sum[:])
		if platform == jobs.GCM {
			o.ids[i] = app + "-" + o.ids[i]
		}
	}
	job := map[string]any{"id": o.id, "app": app, "ids": o.ids, "message": "Hello"}
	if platform == jobs.GCM {
		job["message"] = map[string]any{"k": "v"}
	}
	maps.Copy(job, fields)
	o.report = job["on_uncertain"] == "report"
	body, err := json.Marshal(job)
	if err != nil {
		panic(err) // it consists of texts
	}
	o.body = string(body)
	return o
}

// mixed makes n jobs of changing sizes for both platforms and all protocols; every fourth is sent at most once.
func (a audience) mixed(n int, sizes ...int) []*order {
	kinds := []struct {
		platform jobs.Platform
		app      string
	}{{jobs.APNS, "default"}, {jobs.GCM, "default"}, {jobs.APNS, "legacy"}, {jobs.GCM, "legacy"}, {jobs.APNS, "default"}}
	orders := make([]*order, n)
	for i := range orders {
		fields := map[string]any{"campaign": a.name}
		if i%4 == 3 {
			fields["on_uncertain"] = "report"
		}
		kind := kinds[i%len(kinds)]
		orders[i] = a.order(kind.platform, kind.app, fmt.Sprintf("%03d", i), sizes[i%len(sizes)], fields)
	}
	return orders
}

// verdict is what a crash came to: one row of the table.
type verdict struct {
	books *books
	// limit is how many recipients may have been sent to twice.
	limit int
	// takeover is the time from the death until another worker had finished all that the dead one held; 0 if that was nothing.
	takeover time.Duration
}

// String implements fmt.Stringer.
func (v *verdict) String() string {
	return fmt.Sprintf("%d recipients, %d missing, %d unplaced, %d sent twice (at most %d), %d uncertain, taken over after %s", v.books.recipients,
		v.books.missing, v.books.unplaced, len(v.books.twice), v.limit, len(v.books.uncertain), v.takeover.Round(10*time.Millisecond))
}

// judge holds the books after a death against the guarantees. flying are the recipients that were in flight at the death: those whose
// job asks for at most once have to be uncertain, the others may have been sent to twice. nil means that nothing was.
func (s *theatre) judge(v *verdict, flying map[recipient]bool) {
	s.t.Helper()
	s.sound(v)
	if flying == nil && len(v.books.uncertain) > 0 {
		s.t.Errorf("%d recipients are uncertain, and nothing was in flight", len(v.books.uncertain))
	}
	reports := map[string]bool{}
	for _, o := range s.orders {
		reports[o.key()] = o.report
	}
	silent, stray := 0, 0
	for r := range flying {
		switch {
		case !reports[r.job]:
			v.limit++
		case !v.books.uncertain[r]:
			silent++
		}
	}
	for r := range v.books.twice {
		if !flying[r] {
			stray++
		}
	}
	if silent > 0 {
		s.t.Errorf("%d recipients were in flight, must not be sent to again, and are not uncertain", silent)
	}
	if stray > 0 {
		s.t.Errorf("%d recipients were sent to twice, %d of them without having been in flight at the death", len(v.books.twice), stray)
	}
	s.t.Log(v)
}

// atMost judges a run in which nobody could say what was in flight.
func (s *theatre) atMost(limit int) *verdict {
	s.t.Helper()
	v := &verdict{}
	s.hold(v, limit)
	return v
}

// hold is atMost for a verdict that was begun.
func (s *theatre) hold(v *verdict, limit int) {
	s.t.Helper()
	s.sound(v)
	v.limit = min(limit, v.books.recipients)
	if n := len(v.books.twice); n > v.limit {
		s.t.Errorf("%d recipients were sent to twice, at most %d may be", n, v.limit)
	}
	s.t.Log(v)
}

// sound demands what has to hold whatever happened.
func (s *theatre) sound(v *verdict) {
	s.t.Helper()
	v.books = s.balance()
	b := v.books
	if b.missing > 0 || b.unplaced > 0 {
		s.t.Errorf("%d recipients are missing at the provider, %d have not exactly one final place", b.missing, b.unplaced)
	}
	if len(b.faults) > 0 {
		s.t.Errorf("the books do not balance:\n%s\nand %d more", strings.Join(b.faults, "\n"), b.more)
	}
}

// first starts the worker that dies. After a commit nobody may be sent to twice: there it does one thing at a time, so that nothing
// else is in flight.
func (s *theatre) first(d death) *mortal {
	s.t.Helper()
	if afterCommit(d.at) {
		return s.mortal("first", d, []string{"VOLLEY_MAX_DELIVERIES=1"}, "--max-segments", "1")
	}
	return s.mortal("first", d, nil)
}

// crash lets a worker take the orders, die where it is told to, and another one take over.
func (s *theatre) crash(d death) *verdict {
	s.t.Helper()
	first := s.first(d)
	published := s.publishing()
	at, left := first.death()
	second := s.worker("second")
	v := &verdict{}
	if s.gone(left); len(left.Held) > 0 {
		v.takeover = time.Since(at)
	}
	if err := <-published; err != nil {
		s.t.Fatal(err)
	}
	s.settle()
	s.judge(v, left.sending(d))
	s.end(second)
	return v
}

// The six points, with a job of one segment and with jobs of several: whatever the worker was doing when it was killed, the next
// one goes on, nobody is lost, and only who was in flight is sent to twice.
func TestKilledWorker(t *testing.T) {
	simulated := startProviders(t)
	for _, point := range crashPoints() {
		t.Run(point, func(t *testing.T) {
			t.Run("small jobs", func(t *testing.T) {
				t.Parallel()
				s := openTheatre(t, simulated, startServer(t).url())
				s.orders = audience{"small-" + point}.mixed(40, 1, 7, 30, 2, 100, 1, 1)
				s.crash(death{at: point, after: 6})
			})
			t.Run("jobs of several segments", func(t *testing.T) {
				t.Parallel()
				s := openTheatre(t, simulated, startServer(t).url())
				a := audience{"large-" + point}
				s.orders = []*order{
					a.order(jobs.APNS, "default", "resend", 2300, nil),
					a.order(jobs.APNS, "default", "report", 2300, map[string]any{"on_uncertain": "report"}),
				}
				s.crash(death{at: point, after: 4})
			})
		})
	}
}
