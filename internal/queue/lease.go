package queue

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// beatsPerWait is how many heartbeats an ack wait has if nothing else is set: one each 5 s for 30 s.
	beatsPerWait = 6
	// minBeatsPerWait is the fewest: a heartbeat may be lost without the delivery going to somebody else.
	minBeatsPerWait = 3
)

var bodyProgress = []byte("+WPI")

// lease is our right to a delivery. It begins when the pull was asked for, because the broker may have handed the delivery
// over right then and we may have been stopped since. A heartbeat renews it from the moment the heartbeat was sent, if the
// server we are connected to confirmed it before the lease was over. Once over, it stays over.
type lease struct {
	reply string
	wait  time.Duration
	last  atomic.Pointer[time.Time]

	// Neighbours in the ring of leases; guarded by its lock. Nobody's once it is dropped.
	before, after *lease
}

// holds says whether the broker can't have given the delivery to somebody else by now. Both clocks must agree: the monotonic one
// stands still while a virtual machine sleeps, the other one jumps.
func (l *lease) holds(now time.Time) bool {
	last := *l.last.Load()
	return now.Sub(last) < l.wait && now.Round(0).Sub(last.Round(0)) < l.wait
}

// leases keeps every delivery of a connection alive, with one ticker.
type leases struct {
	nc  *nats.Conn
	now func() time.Time

	// heartbeat is the time between two, as it is set; 0 means beatsPerWait of them in an ack wait.
	heartbeat time.Duration

	mu      sync.Mutex
	held    lease // the ring of all, which begins and ends here
	every   time.Duration
	changed chan struct{} // has room for one

	// turned is when the ticker came round last.
	turned atomic.Pointer[time.Time]
}

func newLeases(nc *nats.Conn, now func() time.Time, heartbeat time.Duration) *leases {
	l := &leases{
		nc: nc, now: now, heartbeat: heartbeat,
		every: or(heartbeat, DefaultAckWait/beatsPerWait), changed: make(chan struct{}, 1),
	}
	l.held.before, l.held.after = &l.held, &l.held
	return l
}

// serve makes the ticker fast enough for durables with this ack wait.
func (l *leases) serve(wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	every := wait / beatsPerWait
	if l.heartbeat > 0 {
		every = min(l.heartbeat, wait/minBeatsPerWait)
	}
	if every < l.every {
		l.every = every
		select {
		case l.changed <- struct{}{}:
		default:
		}
	}
}

// take begins to keep a delivery alive whose pull was asked for at since, which may be shared and must not change.
func (l *leases) take(reply string, wait time.Duration, since *time.Time) *lease {
	one := &lease{reply: reply, wait: wait}
	one.last.Store(since)
	l.mu.Lock()
	defer l.mu.Unlock()
	one.before, one.after = l.held.before, &l.held
	one.before.after, one.after.before = one, one
	return one
}

// drop stops keeping it alive. Once more does nothing.
func (l *leases) drop(one *lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one.before == nil {
		return
	}
	one.before.after, one.after.before = one.after, one.before
	one.before, one.after = nil, nil
}

// all are those that are kept alive now, the oldest first.
func (l *leases) all() (all []*lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for one := l.held.after; one != &l.held; one = one.after {
		all = append(all, one)
	}
	return all
}

func (l *leases) run(done <-chan struct{}) {
	for {
		l.turn()
		l.mu.Lock()
		every := l.every
		l.mu.Unlock()
		tick := time.NewTimer(every)
		select {
		case <-tick.C:
			l.beat(every)
		case <-l.changed:
			tick.Stop()
		case <-done:
			tick.Stop()
			return
		}
	}
}

// beat sends one heartbeat for each delivery and waits until the server has read them all.
func (l *leases) beat(patience time.Duration) {
	all := l.all()
	if len(all) == 0 {
		return
	}
	sent := l.now()
	for _, one := range all {
		if !one.holds(sent) {
			continue // somebody else may have it: it is not ours to keep from others
		}
		if l.nc.Publish(one.reply, bodyProgress) != nil {
			return // no connection
		}
	}
	if l.nc.FlushTimeout(patience) != nil {
		return
	}
	confirmed := l.now()
	for _, one := range all {
		if one.holds(confirmed) {
			one.last.Store(&sent)
		}
	}
}
