package h2

// slot is an open stream.
type slot struct {
	id    uint32 // 0 if the slot is free
	index int
	owner any
	begun int64 // when Begin took it, on the socket's clock
	// end is where the request ends in all that is written on the connection; unfinished as long as its body waits.
	end    uint64
	window int64  // how much body the peer still takes
	rest   []byte // of the body, if it waits for a window
	// partial is what came of the answer so far; nil as long as nothing did.
	partial *partial
}

const unfinished = ^uint64(0)

// partial is an answer that comes in several frames.
type partial struct {
	status  int
	length  int64 // content-length, -1 if none
	got     int64 // bytes of body so far
	owed    int   // of them, and of padding, for which the window was not widened yet
	kept    [keepFields]Value
	store   []byte // what kept points to, where that is not the decoder's own
	body    []byte
	interim int // informational answers so far
}

// slots finds open streams by their id. Ids only grow, so a slot is taken by the id's place in a ring; an id whose place is
// still taken by one that has waited for very long is left out, which RFC 9113 §5.1.1 allows.
type slots struct {
	ring []slot
	open int
}

// minRing is the least number of places; a power of two, as all of them.
const minRing = 64

// grow makes room for n open streams at a time, with as many to spare.
func (t *slots) grow(n int) {
	size := max(minRing, len(t.ring))
	for size < 2*n {
		size *= 2
	}
	if size == len(t.ring) {
		return
	}
	old := t.ring
	t.ring = make([]slot, size)
	for i := range old {
		if old[i].id != 0 {
			*t.place(old[i].id) = old[i]
		}
	}
}

func (t *slots) place(id uint32) *slot { return &t.ring[int(id>>1)&(len(t.ring)-1)] }

// find returns the open stream of that id, nil if there is none.
func (t *slots) find(id uint32) *slot {
	if s := t.place(id); s.id == id && id != 0 {
		return s
	}
	return nil
}

// free ends a stream.
func (t *slots) free(s *slot) {
	*s = slot{}
	t.open--
}

// each calls f for each open stream, in no order. f may free it.
func (t *slots) each(f func(*slot)) {
	if t.open == 0 {
		return
	}
	for i := range t.ring {
		if t.ring[i].id != 0 {
			f(&t.ring[i])
		}
	}
}
