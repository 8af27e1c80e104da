package pipeline

import (
	"sync"
	"time"

	"github.com/volleypush/volley/jobs"
)

// All apps of a platform and lane share one subject, and so the deliveries that a worker takes from it at once. An app whose provider
// answers slowly would come to hold all of them, and everybody behind it would wait as long as its provider does. So what is beyond its share
// is put aside, onto its own queue, where apps take turns. An app whose deliveries pass quickly keeps none from others, however many it
// has, nor does one beside which nobody else has anything: putting those aside would cost more than sending them. So one that becomes slow
// while it has more than its share, or before anybody else comes, keeps the others waiting once, until these are sent or given up.

const (
	// DeliveryBytes is how large a message of PUSH_JOBS may be that counts as one of max_deliveries: far more than a job of one recipient, and
	// less than one of a hundred.
	DeliveryBytes = 4 << 10
	// slowPass is how long the deliveries of an app may take on average before they are slow.
	slowPass = 250 * time.Millisecond
	// firstPass is after what time what has passed since says how many pass.
	firstPass = 20 * time.Millisecond
	// othersStay is how long somebody else counts who has sent something.
	othersStay = 10 * time.Minute
)

// weight is for how many of max_deliveries a delivery counts.
func weight(d Delivery) int { return 1 + len(d.Body)/DeliveryBytes }

// shares are what each app that this worker has holds of the deliveries of PUSH_JOBS. It is safe for concurrent use.
type shares struct {
	mu   sync.Mutex
	apps map[sideKey]*share
}

// share is one app's. Weights are of deliveries.
type share struct {
	held int
	// passed is what was sent since begun, before what was sent in slowPass before that. Times in which nothing was held don't count.
	begun          time.Time
	passed, before int
	// came is when it entered last.
	came time.Time
}

// enter takes a share for a delivery whose sending begins; false if it would be beyond the most that one app may hold, and its deliveries are
// slow. Whoever entered leaves.
func (s *shares) enter(key sideKey, weight, most int, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.apps[key]
	if one == nil {
		if s.apps == nil {
			s.apps = make(map[sideKey]*share)
		}
		one = &share{}
		s.apps[key] = one
	}
	if one.held == 0 {
		one.begun, one.passed = now, 0
	}
	// By Little's law what is held passes slower than slowPass if it is more than what passed in that time.
	if one.turn(now); one.held+weight > most && one.held > one.pass(now) && s.others(one, now) {
		return false
	}
	one.held += weight
	one.came = now
	return true
}

// others says whether somebody else has sent lately.
func (s *shares) others(but *share, now time.Time) bool {
	for _, one := range s.apps {
		if one != but && now.Sub(one.came) < othersStay {
			return true
		}
	}
	return false
}

func (s *shares) leave(key sideKey, weight int, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.apps[key]
	one.turn(now)
	one.passed += weight
	one.held -= weight
}

// pass is how much passes in slowPass, as far as is known.
func (s *share) pass(now time.Time) int {
	if took := now.Sub(s.begun); took >= firstPass {
		return max(s.before, scaled(s.passed, took))
	}
	return s.before
}

// scaled is what passes in slowPass if so much passed in another time.
func scaled(passed int, took time.Duration) int {
	return int(float64(passed) * float64(slowPass) / float64(took))
}

// turn begins a new time when the last one is over.
func (s *share) turn(now time.Time) {
	took := now.Sub(s.begun)
	if took < slowPass {
		return
	}
	s.before = scaled(s.passed, took)
	s.begun, s.passed = now, 0
}

// share takes the app's share for deliveries of PUSH_JOBS with this weight that are about to be sent; false if they should be put aside. Work of an app
// with a rate has a bound already. leave is called when the provider has answered, and may be once more:
// a broker that stores events slowly would only have more to store if jobs were put aside for that.
func (c *Core) share(h held, weight int) (leave func(), ok bool) {
	nothing := func() {}
	if h.Stream != jobs.StreamJobs || c.MaxDeliveries == 0 || h.app.Rated() {
		return nothing, true
	}
	key := sideKey{h.seg.Job.Platform, h.seg.Job.App}
	if !c.shares.enter(key, weight, max(c.MaxDeliveries/2, 1), c.Clock.Now()) {
		return nil, false
	}
	left := false
	return func() {
		if !left {
			left = true
			c.shares.leave(key, weight, c.Clock.Now())
		}
	}, true
}
