package apns

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2/hpack"

	"github.com/volleypush/volley/sender"
)

// These tests watch how many requests are in the air at once, from the provider's side.

// TestFirstOneThenMany: a connection carries one request until its answer came, then as many as the provider allows
// (apns-http2 §12: one stream until a valid token was seen).
func TestFirstOneThenMany(t *testing.T) { onEngines(t, testFirstOneThenMany) }

func testFirstOneThenMany(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings() // no limit said: net/http would take 100 before and 1,000 after
		first := f.take(1)
		// Everything the client had begun by now would arrive before the answer to this PING.
		if extra := f.untilPong(); extra > 0 {
			t.Errorf("%d requests beside the first", extra)
		}
		f.settings(streams(7))
		f.answer(first[0].stream, 200, "")
		begun := f.take(7)
		if extra := f.untilPong(); extra > 0 {
			t.Errorf("%d requests over the limit of 7", extra)
		}
		for _, r := range begun {
			f.answer(r.stream, 200, "")
		}
		for r, ok := f.next(); ok; r, ok = f.next() {
			f.answer(r.stream, 200, "")
		}
	})
	out := deliver(t, s.clientOn(t, e, nil), &Request{Tokens: tokens(40)})
	if diff := cmp.Diff(map[string]int{"": 40}, names(out)); diff != "" {
		t.Error(diff)
	}
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestNoSecondConnectionBeforeTheFirstIsProven: whoever waits then may fit on the first.
func TestNoSecondConnectionBeforeTheFirstIsProven(t *testing.T) {
	onEngines(t, testNoSecondConnectionBeforeTheFirstIsProven)
}

func testNoSecondConnectionBeforeTheFirstIsProven(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings()
		first := f.take(1)
		f.untilPong()
		if n := f.server.accepted.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
		f.answer(first[0].stream, 200, "")
		for r, ok := f.next(); ok; r, ok = f.next() {
			f.answer(r.stream, 200, "")
		}
	})
	c := s.clientOn(t, e, func(c *Config) { c.Connections = 3 })
	out := deliver(t, c, &Request{Tokens: tokens(40)})
	if diff := cmp.Diff(map[string]int{"": 40}, names(out)); diff != "" {
		t.Error(diff)
	}
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections for what fits on one", n)
	}
}

// TestLimitGoesDownAndUp: to one after a refusal, as Apple was seen to do, to nothing, and back.
func TestLimitGoesDownAndUp(t *testing.T) { onEngines(t, testLimitGoesDownAndUp) }

func testLimitGoesDownAndUp(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(5))
		for _, r := range f.take(1) {
			f.answer(r.stream, 200, "")
		}
		begun := f.take(5)
		f.settings(streams(1))
		for _, r := range begun {
			f.answer(r.stream, 400, `{"reason":"BadDeviceToken"}`)
		}
		one := f.take(1)
		if extra := f.untilPong(); extra > 0 {
			t.Errorf("%d requests over the limit of 1", extra)
		}
		f.settings(streams(0))
		f.answer(one[0].stream, 200, "")
		if extra := f.untilPong(); extra > 0 {
			t.Errorf("%d requests over the limit of 0", extra)
		}
		f.settings(streams(50))
		for r, ok := f.next(); ok; r, ok = f.next() {
			f.answer(r.stream, 200, "")
		}
	})
	out := deliver(t, s.clientOn(t, e, nil), &Request{Tokens: tokens(40)})
	if diff := cmp.Diff(map[string]int{"": 35, "BadDeviceToken": 5}, names(out)); diff != "" {
		t.Error(diff)
	}
}

// TestFirstLimitIsNothing: it means wait, on the one connection that there is.
func TestFirstLimitIsNothing(t *testing.T) { onEngines(t, testFirstLimitIsNothing) }

func testFirstLimitIsNothing(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(0))
		f.decoder = hpack.NewDecoder(4096, nil)
		if extra := f.untilPong(); extra > 0 {
			t.Errorf("%d requests over the limit of 0", extra)
		}
		f.decoder = nil
		f.settings(streams(3))
		for r, ok := f.next(); ok; r, ok = f.next() {
			f.answer(r.stream, 200, "")
		}
	})
	out := deliver(t, s.clientOn(t, e, func(c *Config) { c.Connections = 4 }), &Request{Tokens: tokens(20)})
	if diff := cmp.Diff(map[string]int{"": 20}, names(out)); diff != "" {
		t.Error(diff)
	}
	if n := s.accepted.Load(); n > 4 {
		t.Errorf("%d connections", n)
	}
}

// TestNoStreamInTime: a limit of 0 means wait, but not for ever.
func TestNoStreamInTime(t *testing.T) { onEngines(t, testNoStreamInTime) }

func testNoStreamInTime(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(0))
		f.linger()
	})
	c := s.clientOn(t, e, func(c *Config) { c.RequestTimeout = 80 * time.Millisecond })
	out := deliver(t, c, &Request{Tokens: tokens(10)})
	counts := names(out)
	if counts[NotBegun]+counts[ConnectionLost] != 10 {
		t.Errorf("%v", counts)
	}
}

// TestSmallCallPassesALargeOne: with all streams taken by a large call, the next free one belongs to the small call.
func TestSmallCallPassesALargeOne(t *testing.T) { onEngines(t, testSmallCallPassesALargeOne) }

func testSmallCallPassesALargeOne(t *testing.T, e Engine) {
	const limit, large = 4, 200
	var before atomic.Int32
	full, small := make(chan struct{}), make(chan struct{})
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(limit))
		for _, r := range f.take(1) {
			f.answer(r.stream, 200, "")
		}
		waiting := f.take(limit)
		close(full)
		<-small
		for arrived, answered := 1+limit, 0; len(waiting) > 0; answered++ {
			if waiting[0].head[":path"] == "/3/device/aa" {
				before.Store(int32(answered))
			}
			f.answer(waiting[0].stream, 200, "")
			if waiting = waiting[1:]; arrived < large+1 {
				waiting = append(waiting, f.take(1)...)
				arrived++
			}
		}
		f.linger()
	})
	c := s.clientOn(t, e, nil)
	done := make(chan []sender.Outcome, 1)
	go func() { done <- deliver(t, c, &Request{Tokens: tokens(large)}) }()
	<-full
	passed := make(chan []sender.Outcome, 1)
	go func() { passed <- deliver(t, c, &Request{Tokens: []string{"aa"}}) }()
	waitFor(t, "the small call waits for a stream", func() bool {
		c.pool.mu.Lock()
		defer c.pool.mu.Unlock()
		return len(c.pool.waiting) == 2
	})
	close(small)
	if diff := cmp.Diff(map[string]int{"": 1}, names(<-passed)); diff != "" {
		t.Error(diff)
	}
	if n := before.Load(); n > 2*limit {
		t.Errorf("the small call waited for %d answers of the large one", n)
	}
	if diff := cmp.Diff(map[string]int{"": large}, names(<-done)); diff != "" {
		t.Error(diff)
	}
}

// TestSeveralCallsAtOnce: many calls share one connection, and each gets its own answers.
func TestSeveralCallsAtOnce(t *testing.T) { onEngines(t, testSeveralCallsAtOnce) }

func testSeveralCallsAtOnce(t *testing.T, e Engine) {
	s := simulateOn(t, e, nil)
	results := make(chan map[string]int)
	for i := range 20 {
		go func() {
			ids := tokens(25)
			ids[i] = "nope"
			results <- names(deliver(t, s.Client, &Request{Tokens: ids, BatchSize: 1 + i}))
		}()
	}
	for range 20 {
		if diff := cmp.Diff(map[string]int{"": 24, MalformedToken: 1}, <-results); diff != "" {
			t.Error(diff)
		}
	}
}

// TestMoreConnectionsWhenOneIsFull: another is opened only when the streams of the others are taken, one at a time.
func TestMoreConnectionsWhenOneIsFull(t *testing.T) { onEngines(t, testMoreConnectionsWhenOneIsFull) }

func testMoreConnectionsWhenOneIsFull(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(2))
		for _, r := range f.take(1) {
			f.answer(r.stream, 200, "")
		}
		// Both streams are held until two more connections exist.
		begun := f.take(2)
		for _, r := range begun {
			f.answer(r.stream, 200, "")
		}
		for r, ok := f.next(); ok; r, ok = f.next() {
			f.answer(r.stream, 200, "")
		}
	})
	c := s.clientOn(t, e, func(c *Config) { c.Connections = 3 })
	out := deliver(t, c, &Request{Tokens: tokens(1)})
	if n := s.accepted.Load(); n != 1 || out[0].Class != sender.Accepted {
		t.Fatalf("%d connections for one notification", n)
	}
	out = deliver(t, c, &Request{Tokens: tokens(300)})
	if diff := cmp.Diff(map[string]int{"": 300}, names(out)); diff != "" {
		t.Error(diff)
	}
	if n := s.accepted.Load(); n > 3 {
		t.Errorf("%d connections", n)
	}
}

// TestFailedDialBesideAWorkingConnection: the call goes on over the connection that works, and no dial follows another.
func TestFailedDialBesideAWorkingConnection(t *testing.T) {
	onEngines(t, testFailedDialBesideAWorkingConnection)
}

func testFailedDialBesideAWorkingConnection(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(1))
		for r, ok := f.next(); ok; r, ok = f.next() {
			f.answer(r.stream, 200, "")
		}
	})
	var dials atomic.Int32
	c := s.clientOn(t, e, func(c *Config) {
		c.Connections = 5
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if dials.Add(1) > 1 {
				return nil, errors.New("no route")
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	})
	for range 3 {
		out := deliver(t, c, &Request{Tokens: tokens(50)})
		if diff := cmp.Diff(map[string]int{"": 50}, names(out)); diff != "" {
			t.Error(diff)
		}
	}
	if n := dials.Load(); n != 2 {
		t.Errorf("%d dials", n)
	}
}

// TestFreeStreamsAreShared: two calls that wait for the same connection get half of it each.
func TestFreeStreamsAreShared(t *testing.T) { onEngines(t, testFreeStreamsAreShared) }

func testFreeStreamsAreShared(t *testing.T, e Engine) {
	const limit = 10
	bySize := make(chan map[int]int, 1)
	open := make(chan struct{})
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(limit))
		first := f.take(1)
		<-open
		f.answer(first[0].stream, 200, "")
		begun := f.take(limit)
		counts := make(map[int]int)
		for _, r := range begun {
			counts[len(r.body)]++
		}
		bySize <- counts
		for _, r := range begun {
			f.answer(r.stream, 200, "")
		}
		for r, ok := f.next(); ok; r, ok = f.next() {
			f.answer(r.stream, 200, "")
		}
	})
	c := s.clientOn(t, e, nil)
	done := make(chan map[string]int, 2)
	for _, payload := range []string{`{}`, `{"a":1}`} {
		go func() { done <- names(deliver(t, c, &Request{Tokens: tokens(40), Payload: []byte(payload)})) }()
	}
	waitFor(t, "both calls wait", func() bool {
		c.pool.mu.Lock()
		defer c.pool.mu.Unlock()
		return len(c.pool.waiting) == 2
	})
	close(open)
	if diff := cmp.Diff(map[int]int{len(`{}`): limit / 2, len(`{"a":1}`): limit / 2}, <-bySize); diff != "" {
		t.Error(diff)
	}
	for range 2 {
		if diff := cmp.Diff(map[string]int{"": 40}, <-done); diff != "" {
			t.Error(diff)
		}
	}
}

// TestRankIsTheOrderOfTheAnswers: whoever judges the provider by its last answers must know which they are.
func TestRankIsTheOrderOfTheAnswers(t *testing.T) {
	const n = 7
	client := make(chan *Client, 1)
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(n))
		first := f.take(1)
		f.answer(first[0].stream, 200, "")
		rest := f.take(n - 1)
		slices.Reverse(rest)
		c := <-client
		for i, r := range rest {
			f.answer(r.stream, 400+i, "")
			waitFor(t, "the answer is counted", func() bool {
				c.pool.mu.Lock()
				defer c.pool.mu.Unlock()
				return len(c.pool.members) == 0 || c.pool.members[0].flying == n-2-i // closed after the last
			})
		}
		f.linger()
	})
	c := s.client(t, nil)
	client <- c
	out := deliver(t, c, &Request{Tokens: append(tokens(n), "no token")})
	for i, o := range out {
		want := uint32(1)
		switch {
		case i == n:
			want = 0
		case o.Status != 200:
			want = uint32(o.Status - 400 + 2)
		}
		if o.Rank != want {
			t.Errorf("recipient %d with status %d has rank %d, want %d", i, o.Status, o.Rank, want)
		}
	}
}

// waitFor polls a fact until it holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("never: " + what)
		}
	}
}
