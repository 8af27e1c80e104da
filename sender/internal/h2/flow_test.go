package h2

import (
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// TestBodiesWaitForWindows: a body goes out as the windows of its stream and of the connection allow, never further, and
// whole in the end.
func TestBodiesWaitForWindows(t *testing.T) {
	const long = 40_001
	template := &Template{Authority: "a", Path: "/", Before: []byte(strings.Repeat("x", long-1))}
	c, p, h := connect(t, Config{}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	begin(t, c, "a", template, 2)
	got := map[uint32]int{}
	data := func(want int) *http2.DataFrame {
		t.Helper()
		f := until[*http2.DataFrame](p)
		if got[f.StreamID] += len(f.Data()); len(f.Data()) != want || f.StreamEnded() != (got[f.StreamID] == long) {
			t.Fatalf("stream %d: %d bytes, want %d; end: %t at %d", f.StreamID, len(f.Data()), want, f.StreamEnded(), got[f.StreamID])
		}
		return f
	}
	data(10)
	data(10)
	// One stream alone.
	p.must(p.WriteWindowUpdate(3, 5))
	if f := data(5); f.StreamID != 3 {
		t.Errorf("stream %d was widened", f.StreamID)
	}
	// A smaller window for all streams: both owe now, and get nothing until that is paid.
	p.must(p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
	p.must(p.WriteWindowUpdate(1, 10))
	p.must(p.WriteWindowUpdate(3, 10))
	p.pong()
	// A larger one, and then the connection's window ends it: 65,535 - 25.
	p.must(p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 60_000}))
	for _, want := range []int{16384, 16384, long - 10 - 2*16384, 16384, 65_535 - 25 - (long - 10) - 16384} {
		data(want)
	}
	if n := c.Free(); n != 0 {
		t.Errorf("%d more may begin on a connection whose window is used up", n)
	}
	p.must(p.WriteWindowUpdate(0, 1<<20))
	data(long - got[3])
	p.ok(1)
	p.ok(3)
	if counts := h.fates(t, 2); counts[Answered] != 2 {
		t.Error(counts)
	}
	if n := c.Free(); n == 0 {
		t.Error("nothing more may begin")
	}
}

// TestOnlyOneBodyWaitsForTheConnection: others stay in the queue, where they are certainly unsent.
func TestOnlyOneBodyWaitsForTheConnection(t *testing.T) {
	template := &Template{Authority: "a", Path: "/", Before: []byte(strings.Repeat("x", 30_000))}
	c, p, h := connect(t, Config{})
	begin(t, c, "a", template, 5)
	headers, body := 0, 0
	for body < defaultWindow {
		f, err := p.frame()
		p.must(err)
		switch f := f.(type) {
		case *http2.HeadersFrame:
			headers++
		case *http2.DataFrame:
			body += len(f.Data())
		}
	}
	p.pong()
	if headers != 3 || body != defaultWindow {
		t.Errorf("%d streams are open with %d bytes sent", headers, body)
	}
	_ = p.Close()
	over(t, c)
	if counts := h.fates(t, 5); counts[Lost] != 2 || counts[Unsent] != 3 {
		t.Error(counts)
	}
}

// TestLimitOfStreams: down, to nothing and up again; what is queued waits for its turn.
func TestLimitOfStreams(t *testing.T) {
	limit := func(n uint32) http2.Setting { return http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: n} }
	c, p, h := connect(t, Config{}, limit(3))
	begin(t, c, "a", plain, 3)
	if n := c.Begin([]Request{{Template: plain}}); n != 0 || c.Free() != 0 {
		t.Errorf("%d over the limit", n)
	}
	var open []uint32
	for range 3 {
		open = append(open, p.request().stream)
	}
	p.must(p.WriteSettings(limit(1)))
	p.pong()
	p.ok(open[0])
	p.ok(open[1])
	h.fates(t, 2)
	if n := c.Free(); n != 0 {
		t.Errorf("%d may begin beside the one that is open", n)
	}
	p.must(p.WriteSettings(limit(0)))
	p.ok(open[2])
	h.fates(t, 1)
	p.pong()
	if n := c.Free(); n != 0 {
		t.Errorf("%d may begin with a limit of 0", n)
	}
	p.must(p.WriteSettings(limit(2)))
	p.pong()
	if n := c.Free(); n != 2 {
		t.Errorf("%d may begin", n)
	}
	p.must(p.WriteSettings(limit(1<<32 - 1)))
	p.pong()
	if n := c.Free(); n != 1000 {
		t.Errorf("%d may begin without a limit", n)
	}
}

// TestLimitFallsWhileRequestsAreQueued: they stay in the queue until there is room.
func TestLimitFallsWhileRequestsAreQueued(t *testing.T) {
	c, _, _ := connect(t, Config{})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peer.streams = 2
	for i := range 5 {
		c.queue = append(c.queue, Request{Template: plain, Index: i})
	}
	c.fill(nil)
	if c.slots.open != 2 || c.waiting() != 3 {
		t.Errorf("%d open, %d wait", c.slots.open, c.waiting())
	}
	c.peer.streams = 4
	c.fill(nil)
	if c.slots.open != 4 || c.waiting() != 1 {
		t.Errorf("%d open, %d wait", c.slots.open, c.waiting())
	}
}

// TestOurWindowsAreWidened: an endless supply of answers, and one answer in ever so many pieces of padding, go on.
func TestOurWindowsAreWidened(t *testing.T) {
	c, p, h := connect(t, Config{})
	begin(t, c, "a", plain, 1)
	r := p.request()
	p.must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: r.stream, BlockFragment: p.head(":status", "200"), EndHeaders: true}))
	for range streamWindow/2/256 + 1 {
		p.must(p.WriteDataPadded(r.stream, false, nil, make([]byte, 255)))
	}
	if f := until[*http2.WindowUpdateFrame](p); f.StreamID != r.stream || f.Increment <= streamWindow/2 {
		t.Fatal(f)
	}
	p.must(p.WriteData(r.stream, true, []byte("end")))
	if a := h.next(t); string(a.Body) != "end" {
		t.Errorf("%+v", a)
	}
	// Bodies of streams that are over count for the connection's window all the same.
	for sent := 0; sent <= connWindow/2; sent += maxFrame {
		p.must(p.WriteData(r.stream, false, make([]byte, maxFrame)))
	}
	if f := until[*http2.WindowUpdateFrame](p); f.StreamID != 0 || f.Increment <= connWindow/2 {
		t.Error(f)
	}
}

// TestBatch: a write holds as many requests as the smallest batch in it allows.
func TestBatch(t *testing.T) {
	c, _, _ := connect(t, Config{})
	c.mu.Lock()
	defer c.mu.Unlock()
	small, large := *plain, *plain
	small.Batch, large.Batch = 10, 25
	for range 20 {
		c.queue = append(c.queue, Request{Template: &large})
	}
	for range 20 {
		c.queue = append(c.queue, Request{Template: &small})
	}
	var got []int
	for before := 0; c.waiting() > 0; before = c.slots.open {
		c.fill(nil)
		got = append(got, c.slots.open-before)
	}
	if len(got) != 3 || got[0] != 20 || got[1] != 10 || got[2] != 10 {
		t.Errorf("requests per write: %v", got)
	}
}
