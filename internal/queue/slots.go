package queue

// Slots is how many deliveries a worker handles at once. All its pulls share one. It is safe for concurrent use.
type Slots struct {
	free  chan struct{}
	bytes int
}

// NewSlots makes n slots, at least one, of which each delivery takes one.
func NewSlots(n int) *Slots { return NewByteSlots(n, 0) }

// NewByteSlots makes n slots, at least one. A delivery with more than so many bytes takes several, so that the slots bound the memory;
// 0 is no matter how many.
func NewByteSlots(n, bytes int) *Slots {
	s := &Slots{free: make(chan struct{}, max(n, 1)), bytes: bytes}
	for range cap(s.free) {
		s.free <- struct{}{}
	}
	return s
}

// Size is how many slots there are.
func (s *Slots) Size() int { return cap(s.free) }

// Taken is how many slots are in use now, or reserved by a pull that is on its way.
func (s *Slots) Taken() int { return cap(s.free) - len(s.free) }

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
