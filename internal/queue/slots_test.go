package queue

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/volleypush/volley/jobs"
)

// got is what a seat was granted so far; 0 for nothing.
func got(granted <-chan int) int {
	select {
	case n := <-granted:
		return n
	default:
		return 0
	}
}

func TestSlots(t *testing.T) {
	if s := NewSlots(SlotOptions{}); s.Size() != 1 {
		t.Errorf("%d slots", s.Size())
	}
	s := NewSlots(SlotOptions{Size: 5})
	one := s.Seat(Turn{})
	if n := got(one.ask(8)); n != 5 || s.Taken() != 5 {
		t.Errorf("%d granted, %d taken", n, s.Taken())
	}
	two := s.Seat(Turn{Lane: jobs.LaneBulk})
	if n := got(two.ask(1)); n != 0 {
		t.Errorf("%d granted of nothing", n)
	}
	one.give(3)
	if n := got(two.granted); n != 1 || s.Taken() != 3 {
		t.Errorf("%d granted, %d taken", n, s.Taken())
	}
	// A grant that nobody took goes back.
	one.ask(1)
	one.cancel()
	if s.Taken() != 3 {
		t.Errorf("%d taken", s.Taken())
	}
	one.give(2)
	two.give(1)
	one.Leave()
	two.Leave()
	if s.Taken() != 0 || len(s.apps) != 0 || len(s.waiting) != 0 {
		t.Errorf("%d taken, %d apps, %d waiting", s.Taken(), len(s.apps), len(s.waiting))
	}
}

// One slot goes round: to the apps by their weights, whatever number of pulls they have, and within an app to the lanes by theirs.
func TestSlotsTakeTurns(t *testing.T) {
	s := NewSlots(SlotOptions{Size: 1})
	seats := map[string]*Seat{
		"a": s.Seat(Turn{App: "a"}), "a2": s.Seat(Turn{App: "a"}), "b": s.Seat(Turn{App: "b"}),
		"c high": s.Seat(Turn{App: "c", Lane: jobs.LaneHigh}), "c normal": s.Seat(Turn{App: "c"}), "c bulk": s.Seat(Turn{App: "c", Lane: jobs.LaneBulk}),
	}
	s.Weigh("b", 3)
	s.Weigh("c", 5)
	served := map[string]int{}
	for _, seat := range seats {
		seat.ask(1)
	}
	for range 9000 {
		for name, seat := range seats {
			if n := got(seat.granted); n > 0 {
				served[name]++
				seat.ask(1) // has more to do
				seat.give(n)
				break
			}
		}
	}
	apps := map[string]int{"a": served["a"] + served["a2"], "b": served["b"], "c": served["c high"] + served["c normal"] + served["c bulk"]}
	for name, want := range map[string]int{"a": 1000, "b": 3000, "c": 5000} {
		if apps[name] < want*97/100 || apps[name] > want*103/100 {
			t.Errorf("app %s was served %d times of 9000, want %d", name, apps[name], want)
		}
	}
	for name, want := range map[string]int{"c high": 5000 * 16 / 21, "c normal": 5000 * 4 / 21, "c bulk": 5000 / 21} {
		if served[name] < want*93/100 || served[name] > want*107/100 {
			t.Errorf("lane %s was served %d times, want %d", name, served[name], want)
		}
	}
}

// Who was away while others were served has no claim to what they got, and none against it either.
func TestSlotsForgetWhoWasAway(t *testing.T) {
	s := NewSlots(SlotOptions{Size: 1})
	busy, away := s.Seat(Turn{App: "busy"}), s.Seat(Turn{App: "away"})
	for range 1000 {
		busy.give(got(busy.ask(1)))
	}
	n := got(busy.ask(1))
	order := ""
	away.ask(1)
	for range 6 {
		busy.ask(1)
		busy.give(n)
		if n = got(away.granted); n > 0 {
			order += "a"
			away.ask(1)
			away.give(n)
		}
		if n = got(busy.granted); n > 0 {
			order += "b"
		}
	}
	if order != "abababababab" {
		t.Errorf("served in the order %s", order)
	}
}

// A part of the slots is for the lane high, and an app leaves a part to others if there are any.
func TestSlotsAreKept(t *testing.T) {
	s := NewSlots(SlotOptions{Size: 8, Reserve: 2})
	bulk, high := s.Seat(Turn{App: "a", Lane: jobs.LaneBulk}), s.Seat(Turn{App: "a", Lane: jobs.LaneHigh})
	if n := got(bulk.ask(100)); n != 6 {
		t.Errorf("bulk has %d of 8 slots of which 2 are for the lane high", n)
	}
	if n := got(high.ask(100)); n != 2 {
		t.Errorf("high has %d", n)
	}
	high.give(2)
	bulk.give(6)
	other := s.Seat(Turn{App: "b"})
	if n := got(high.ask(100)); n != 6 {
		t.Errorf("an app has %d of 8 slots that it shares", n)
	}
	if n := got(other.ask(100)); n != 2 {
		t.Errorf("the other one has %d", n)
	}
	other.give(2)
	other.Leave()
	if n := got(high.ask(100)); n != 2 {
		t.Errorf("an app that is alone again has only %d more", n)
	}
}

// What came larger than it was asked for is made up for before anybody gets more.
func TestSlotsAreOverdrawn(t *testing.T) {
	s := NewSlots(SlotOptions{Size: 8})
	large, other := s.Seat(Turn{App: "a"}), s.Seat(Turn{App: "a", Lane: jobs.LaneBulk})
	if n := got(large.ask(2)); n != 2 {
		t.Fatalf("%d of 2", n)
	}
	large.add(9)
	if n := got(other.ask(1)); n != 0 {
		t.Errorf("%d of 8 slots, of which 11 are taken", n)
	}
	large.give(3)
	if n := got(other.granted); n != 0 {
		t.Errorf("%d of 8 slots, of which 8 are taken", n)
	}
	large.give(1)
	if n := got(other.granted); n != 1 {
		t.Errorf("%d of 8 slots, of which 7 are taken", n)
	}
}

// Whatever pulls do, slots are neither lost nor made, and none is free while somebody waits who may have it.
func TestSlotsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 12).Draw(t, "size")
		s := NewSlots(SlotOptions{Size: size, Reserve: rapid.IntRange(0, 12).Draw(t, "reserve")})
		var seats []*Seat
		held := map[*Seat]int{}
		for i := range rapid.IntRange(1, 6).Draw(t, "seats") {
			lane := rapid.SampledFrom(jobs.Lanes()).Draw(t, fmt.Sprint("lane ", i))
			seats = append(seats, s.Seat(Turn{App: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, fmt.Sprint("app ", i)), Lane: lane}))
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			seat := rapid.SampledFrom(seats).Draw(t, "seat")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				seat.ask(rapid.IntRange(1, 20).Draw(t, "want"))
			case 1:
				held[seat] += got(seat.granted)
			case 2:
				n := rapid.IntRange(0, held[seat]).Draw(t, "give")
				held[seat] -= n
				seat.give(n)
			case 3:
				seat.cancel()
			}
			sum := 0
			for _, seat := range seats {
				sum += held[seat]
				if len(seat.granted) > 0 {
					n := <-seat.granted
					sum += n
					seat.granted <- n
				}
			}
			if sum != s.Taken() || sum > size {
				t.Fatalf("%d held, %d taken of %d", sum, s.Taken(), size)
			}
			if next := s.next(); next != nil {
				t.Fatal("somebody waits for a slot that is free")
			}
		}
		for _, seat := range seats {
			seat.cancel()
			seat.give(held[seat])
			seat.Leave()
		}
		if s.Taken() != 0 || len(s.apps) != 0 {
			t.Fatalf("%d taken in the end", s.Taken())
		}
	})
}
