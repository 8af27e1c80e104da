package apns

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGoAwayOnAFreshConnection: whatever the text, nothing was taken, and nothing is dialled again in this call.
func TestGoAwayOnAFreshConnection(t *testing.T) { onEngines(t, testGoAwayOnAFreshConnection) }

func testGoAwayOnAFreshConnection(t *testing.T, e Engine) {
	for _, debug := range []string{"", "Maximum active streams violated for this endpoint.", `{"reason":"Shutdown"}`, `{"reason":`, `{"reason":"NotBegun"}`} {
		s := script(t, nil, func(f *frames, _ int) {
			f.settings()
			f.take(1)
			f.goAway(0, debug)
		})
		out := deliver(t, s.clientOn(t, e, nil), &Request{Tokens: tokens(5)})
		if diff := cmp.Diff(map[string]int{GoAway: 5}, names(out)); diff != "" {
			t.Errorf("%s: %s", debug, diff)
		}
		if n := s.accepted.Load(); n != 1 {
			t.Errorf("%s: %d connections", debug, n)
		}
	}
}

// TestGoAwayInTheMiddle: above the last id nothing was taken; at or below it an answer may come, and if the connection
// dies first nobody knows. What was not begun goes over a new connection.
func TestGoAwayInTheMiddle(t *testing.T) { onEngines(t, testGoAwayInTheMiddle) }

func testGoAwayInTheMiddle(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, number int) {
		f.settings(streams(6))
		for _, r := range f.take(1) {
			f.answer(r.stream, 200, "")
		}
		if number > 1 {
			for _, r := range f.take(3) {
				f.answer(r.stream, 200, "")
			}
			f.linger()
			return
		}
		begun := f.take(6)            // streams 3 to 13
		f.goAway(begun[3].stream, "") // 9
		f.answer(begun[0].stream, 200, "")
		f.answer(begun[1].stream, 410, `{"reason":"Unregistered","timestamp":1795430000123}`)
	})
	out := deliver(t, s.clientOn(t, e, nil), &Request{Tokens: tokens(11)})
	want := map[string]int{"": 1 + 1 + 4, "Unregistered": 1, AnswerLost: 2, GoAway: 2}
	if diff := cmp.Diff(want, names(out)); diff != "" {
		t.Error(diff)
	}
	if n := s.accepted.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

// TestGracefulShutdown: the first GOAWAY names the largest id, the second the real one; everything is answered, and only
// what comes later uses a new connection.
func TestGracefulShutdown(t *testing.T) { onEngines(t, testGracefulShutdown) }

func testGracefulShutdown(t *testing.T, e Engine) {
	announced := make(chan struct{})
	s := script(t, nil, func(f *frames, number int) {
		f.settings(streams(10))
		for _, r := range f.take(1) {
			f.answer(r.stream, 200, "")
		}
		if number == 1 {
			begun := f.take(4)
			f.goAway(1<<31-1, "")
			close(announced)
			f.goAway(begun[len(begun)-1].stream, "")
			for _, r := range begun {
				f.answer(r.stream, 200, "")
			}
		}
		f.linger()
	})
	c := s.clientOn(t, e, nil)
	out := deliver(t, c, &Request{Tokens: tokens(5)})
	<-announced
	out = append(out, deliver(t, c, &Request{Tokens: tokens(1)})...)
	if diff := cmp.Diff(map[string]int{"": 6}, names(out)); diff != "" {
		t.Error(diff)
	}
	if n := s.accepted.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

// TestGoAwayWhileIdle: net/http keeps calling such a connection open; the next call must not wait for it.
func TestGoAwayWhileIdle(t *testing.T) { onEngines(t, testGoAwayWhileIdle) }

func testGoAwayWhileIdle(t *testing.T, e Engine) {
	told := make(chan struct{}, 2)
	s := script(t, nil, func(f *frames, number int) {
		f.settings()
		for _, r := range f.take(1) {
			f.answer(r.stream, 200, "")
		}
		if number == 1 {
			f.goAway(1, "")
			f.linger() // our client closes a drained connection
		} else {
			f.linger()
		}
		told <- struct{}{}
	})
	c := s.clientOn(t, e, nil)
	first := deliver(t, c, &Request{Tokens: tokens(1)})
	<-told
	second := deliver(t, c, &Request{Tokens: tokens(1)})
	if diff := cmp.Diff(map[string]int{"": 2}, names(append(first, second...))); diff != "" {
		t.Error(diff)
	}
}
