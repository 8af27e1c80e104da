package queue

import (
	"sync"

	"github.com/volleypush/volley/jobs"
)

// Slots is how many deliveries a worker handles at once. Its pulls share them and take turns: first the apps, then the lanes of an app, each
// by its weight. An app that has waited goes before one that has been served, so nobody's backlog keeps others waiting for more than a turn.
// It is safe for concurrent use.
type Slots struct {
	bytes   int // that one slot is for; 0 is no matter how many
	size    int
	reserve int // of size: for the lane high

	mu      sync.Mutex
	taken   int
	plain   int // of taken: not by the lane high
	served  float64
	apps    map[string]*account
	weights map[string]int
	waiting []*Seat // in the order in which they came
}

// SlotOptions say how many there are and what for.
type SlotOptions struct {
	// Size is how many, at least one. Reserve of them, at most Size-1, are for the lane high only.
	Size, Reserve int
	// Bytes is how many bytes of a message a slot is for: a larger one takes several, so that the slots bound the memory; 0 is no matter
	// how many.
	Bytes int
}

// NewSlots makes slots.
func NewSlots(o SlotOptions) *Slots {
	size := max(o.Size, 1)
	return &Slots{size: size, reserve: max(min(o.Reserve, size-1), 0), bytes: o.Bytes, apps: make(map[string]*account), weights: make(map[string]int)}
}

// Weigh sets how much of the turns an app gets when others have work too: one with 3 gets three times as much as one with 1, which is what
// an app has that nobody weighed.
func (s *Slots) Weigh(app string, weight int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.weights[app] = weight
}

// Turn says whose turns a pull takes part in.
type Turn struct {
	// App shares the slots with the other apps; see Slots.Weigh.
	App string
	// Lane shares the turns of its app with the other lanes; "" is the normal one.
	Lane jobs.Lane
}

// laneWeights say how the turns of an app are divided between lanes that all have something to do.
var laneWeights = map[jobs.Lane]float64{jobs.LaneHigh: 16, jobs.LaneNormal: 4, jobs.LaneBulk: 1}

// account is an app's part in the turns.
type account struct {
	seats int
	taken int
	// pass grows with each slot by the inverse of the weight: who has the least is next.
	pass   float64
	served float64 // the same for its lanes
}

// Seat is the place of one pull in the turns. Its methods are for the pull's goroutine; give may be called by any.
type Seat struct {
	slots *Slots
	app   *account
	name  string
	lane  jobs.Lane
	pass  float64
	want  int
	// granted brings how many slots the seat has got.
	granted chan int
}

// Seat takes a seat. Leave it at the end.
func (s *Slots) Seat(t Turn) *Seat {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[t.App]
	if a == nil {
		a = &account{pass: s.served}
		s.apps[t.App] = a
	}
	a.seats++
	lane := t.Lane
	if laneWeights[lane] == 0 {
		lane = jobs.LaneNormal
	}
	return &Seat{slots: s, app: a, name: t.App, lane: lane, granted: make(chan int, 1)}
}

// Leave gives the seat up. The slots it has got are still to be given back.
func (t *Seat) Leave() {
	t.cancel()
	s := t.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.app.seats--; t.app.seats == 0 && s.apps[t.name] == t.app {
		delete(s.apps, t.name)
	}
	s.serve() // others may take more now
}

// Size is how many slots there are.
func (s *Slots) Size() int { return s.size }

// Taken is how many slots are in use now, or reserved by a pull that is on its way.
func (s *Slots) Taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// cost is how many slots a message of so many bytes takes.
func (s *Slots) cost(bytes int) int {
	if s.bytes == 0 {
		return 1
	}
	return max(1, (bytes+s.bytes-1)/s.bytes)
}

// room is how many bytes so many slots are for, but always enough for one message of the largest size; 0 is no bound.
func (s *Slots) room(slots, largest int) int {
	if s.bytes == 0 {
		return 0
	}
	return max(slots*s.bytes, largest)
}

// ask begins to wait for slots: one at least, and want at most. What it gets comes over granted.
func (t *Seat) ask(want int) <-chan int {
	s := t.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.want == 0 && len(t.granted) == 0 {
		// Who was away has no claim to what others got meanwhile.
		t.app.pass, t.pass = max(t.app.pass, s.served), max(t.pass, t.app.served)
		s.waiting = append(s.waiting, t)
	}
	t.want = max(want, 1)
	s.serve()
	return t.granted
}

// add takes slots beyond what there is: for deliveries that came larger than what was free when they were asked for. Nobody gets any until
// as many have been given back.
func (t *Seat) add(n int) {
	s := t.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(t, n)
}

// cancel ends the waiting. What was granted meanwhile goes back.
func (t *Seat) cancel() {
	s := t.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaveLine(t)
	select {
	case n := <-t.granted:
		s.put(t, n)
	default:
	}
	s.serve()
}

// give gives back slots that the seat has got.
func (t *Seat) give(n int) {
	if n == 0 {
		return
	}
	s := t.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(t, n)
	s.serve()
}

func (s *Slots) take(t *Seat, n int) {
	s.taken += n
	t.app.taken += n
	if t.lane != jobs.LaneHigh {
		s.plain += n
	}
}

func (s *Slots) put(t *Seat, n int) {
	s.taken -= n
	t.app.taken -= n
	if t.lane != jobs.LaneHigh {
		s.plain -= n
	}
}

func (s *Slots) leaveLine(t *Seat) {
	for i, other := range s.waiting {
		if other == t {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			break
		}
	}
	t.want = 0
}

// serve grants what is free. The caller holds mu.
func (s *Slots) serve() {
	for len(s.waiting) > 0 {
		next := s.next()
		if next == nil {
			return
		}
		// Everybody who waits gets a part of what there is; who comes first gets no more than that.
		n := min(next.want, max(1, s.open(next)/len(s.waiting)))
		s.leaveLine(next)
		s.take(next, n)
		s.served, next.app.served = next.app.pass, next.pass
		next.app.pass += float64(n) / float64(max(s.weights[next.name], 1))
		next.pass += float64(n) / laneWeights[next.lane]
		next.granted <- n
	}
}

// next is who is next; nil if nobody that waits may have a slot.
func (s *Slots) next() *Seat {
	var best *Seat
	for _, t := range s.waiting {
		if s.open(t) <= 0 {
			continue
		}
		if best == nil || t.app.pass < best.app.pass || t.app == best.app && t.pass < best.pass {
			best = t
		}
	}
	return best
}

// open is how many slots the seat may have now. An app leaves a quarter to the others, if there are any: those whose messages come while it
// waits for its provider find a place.
func (s *Slots) open(t *Seat) int {
	open := s.size - s.taken
	if t.lane != jobs.LaneHigh {
		open = min(open, s.size-s.reserve-s.plain)
	}
	if len(s.apps) > 1 {
		open = min(open, max(s.size*3/4, 1)-t.app.taken)
	}
	return open
}
