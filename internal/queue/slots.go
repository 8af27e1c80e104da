package queue

// Slots is how many deliveries a worker handles at once. All its pulls share one. It is safe for concurrent use.
type Slots struct{ free chan struct{} }

// NewSlots makes n slots, at least one.
func NewSlots(n int) *Slots {
	s := &Slots{free: make(chan struct{}, max(n, 1))}
	for range cap(s.free) {
		s.free <- struct{}{}
	}
	return s
}

// Size is how many slots there are.
func (s *Slots) Size() int { return cap(s.free) }

// Taken is how many slots are in use now, or reserved by a pull that is on its way.
func (s *Slots) Taken() int { return cap(s.free) - len(s.free) }

// takeFree takes every slot that is free now. Who waits for one (by receiving from free) is served before.
func (s *Slots) takeFree() int {
	for n := 0; ; n++ {
		select {
		case <-s.free:
		default:
			return n
		}
	}
}

// give frees n slots.
func (s *Slots) give(n int) {
	for range n {
		s.free <- struct{}{}
	}
}
