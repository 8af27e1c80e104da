package h2

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestGoAwayTwice: first with the largest id, then with the real one. What is above it was not processed, at once; what is
// below is answered; nothing more begins.
func TestGoAwayTwice(t *testing.T) {
	c, p, h := connect(t, Config{})
	begin(t, c, "a", plain, 4)
	for range 4 {
		p.request()
	}
	p.must(p.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil))
	p.pong()
	if n := c.Begin([]Request{{Template: plain}}); n != 0 || c.Free() != 0 {
		t.Error("a request is begun on a connection that is left")
	}
	p.must(p.WriteGoAway(3, http2.ErrCodeNo, []byte(strings.Repeat("d", 2000))))
	if counts := h.fates(t, 2); counts[LeftOut] != 2 {
		t.Error(counts)
	}
	p.must(p.WriteGoAway(7, http2.ErrCodeNo, nil)) // raising it is not allowed, and changes nothing
	p.ok(1)
	if a := h.next(t); a.Fate != Answered {
		t.Error(a)
	}
	var gone *GoAway
	if err := c.Err(); !errors.As(err, &gone) || gone.Last != 3 || len(gone.Debug) != maxDebug {
		t.Errorf("%v: last stream %d, %d bytes of debug data", err, gone.Last, len(gone.Debug))
	}
	_ = p.Close()
	over(t, c)
	if a := h.next(t); a.Fate != Lost {
		t.Error(a)
	}
	if err := c.Err(); !errors.As(err, &gone) {
		t.Errorf("the reason is replaced by %v", err)
	}
}

func TestGoAwayHandsUpItsDebugData(t *testing.T) {
	c, p, h := connect(t, Config{})
	p.must(p.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, []byte(strings.Repeat("d", maxDebug+1))))
	select {
	case <-h.changes: // of the SETTINGS, perhaps
	case <-time.After(patience):
	}
	p.pong()
	gone, ok := errors.AsType[*GoAway](c.Err())
	if !ok || len(gone.Debug) != maxDebug || gone.Code != http2.ErrCodeEnhanceYourCalm || strings.Contains(gone.Error(), "ddd") {
		t.Errorf("%+v", gone)
	}
}

// TestQueuedRequestsAreLeftOut: they were never written, and share the fate of those that a GOAWAY excludes.
func TestQueuedRequestsAreLeftOut(t *testing.T) {
	c, p, h := connect(t, Config{})
	c.mu.Lock()
	for i := range 3 {
		c.queue = append(c.queue, Request{Template: plain, Index: i})
	}
	c.peer.streams = 0
	c.mu.Unlock()
	p.must(p.WriteGoAway(0, http2.ErrCodeNo, nil))
	if counts := h.fates(t, 3); counts[LeftOut] != 3 {
		t.Error(counts)
	}
}

// TestStreamIDsRunOut: the connection takes nothing more, and finishes what it has.
func TestStreamIDsRunOut(t *testing.T) {
	c, p, h := connect(t, Config{})
	c.mu.Lock()
	c.next = lastID - 2
	c.mu.Unlock()
	begin(t, c, "a", plain, 2)
	for range 2 {
		p.ok(p.request().stream)
	}
	if counts := h.fates(t, 2); counts[Answered] != 2 {
		t.Error(counts)
	}
	if c.Free() != 0 || !errors.Is(c.Err(), ErrExhausted) {
		t.Errorf("%d may begin, %v", c.Free(), c.Err())
	}
}

// TestSlowStreamKeepsItsPlace: ids whose place is still taken are left out.
func TestSlowStreamKeepsItsPlace(t *testing.T) {
	c, p, h := connect(t, Config{}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 2})
	slow := one(t, c, p)
	for range 2 * minRing {
		r := one(t, c, p)
		if r.stream == slow.stream {
			t.Fatal("its stream is taken by another")
		}
		p.ok(r.stream)
		if a := h.next(t); a.Fate != Answered {
			t.Fatal(a)
		}
	}
	p.answer(slow.stream, "x", ":status", "500")
	if a := h.next(t); a.Status != 500 {
		t.Error(a)
	}
}

// TestRingGrowsUnderOpenStreams: none of them is lost by that.
func TestRingGrowsUnderOpenStreams(t *testing.T) {
	c, p, h := connect(t, Config{}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 20})
	begin(t, c, "a", plain, 20)
	var open []uint32
	for range 20 {
		open = append(open, p.request().stream)
	}
	p.must(p.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 900}))
	for _, id := range open {
		p.ok(id)
	}
	if counts := h.fates(t, 20); counts[Answered] != 20 {
		t.Error(counts)
	}
}

// TestCancel: what is written is withdrawn and reset, what waits for a window or in the queue is unsent, what belongs to
// others goes on.
func TestCancel(t *testing.T) {
	c, p, h := connect(t, Config{}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 10})
	long := &Template{Authority: "a", Path: "/", Before: []byte(strings.Repeat("x", 60_000))}
	begin(t, c, "ours", plain, 2)
	begin(t, c, "theirs", plain, 1)
	for range 3 {
		p.request()
	}
	begin(t, c, "ours", long, 3) // the second waits for the connection's window, the third in the queue
	p.request()
	until[*http2.DataFrame](p)
	p.pong()
	counts := map[Fate]int{}
	for _, a := range c.Cancel("ours", 0, nil) {
		counts[a.Fate]++
		if a.Owner != "ours" || a.Fate == Withdrawn && a.Waited <= 0 {
			t.Errorf("%+v", a)
		}
	}
	if counts[Withdrawn] != 3 || counts[Unsent] != 2 {
		t.Error(counts)
	}
	for range 4 {
		if f := until[*http2.RSTStreamFrame](p); f.ErrCode != http2.ErrCodeCancel {
			t.Error(f)
		}
	}
	if young := c.Cancel("theirs", time.Hour, nil); len(young) != 0 {
		t.Errorf("given up before its time: %+v", young)
	}
	if again := c.Cancel("ours", 0, nil); len(again) != 0 {
		t.Errorf("told again: %+v", again)
	}
	p.ok(1) // too late
	p.ok(5)
	if a := h.next(t); a.Owner != "theirs" || a.Fate != Answered {
		t.Error(a)
	}
	if n := c.Free(); n != 10 {
		t.Errorf("%d may begin", n)
	}
}

// TestSilent: whether anything came since a request was begun.
func TestSilent(t *testing.T) {
	c, p, h := connect(t, Config{})
	p.pong()
	p.pong() // with the first one our SETTINGS are acknowledged, too
	first := one(t, c, p)
	if a := c.Cancel("a", 0, nil); len(a) != 1 || !a[0].Silent {
		t.Errorf("%+v", a)
	}
	_ = one(t, c, p)
	p.ok(first.stream)
	p.pong()
	if a := c.Cancel("a", 0, nil); len(a) != 1 || a[0].Silent {
		t.Errorf("%+v", a)
	}
	h.fates(t, 0)
}

// cutConn takes so many bytes and then fails.
type cutConn struct {
	net.Conn
	left *atomic.Int64
}

func (c cutConn) Write(b []byte) (int, error) {
	left := c.left.Add(-int64(len(b)))
	if left >= 0 {
		return c.Conn.Write(b)
	}
	n, _ := c.Conn.Write(b[:max(0, len(b)+int(left))])
	return n, errors.New("cable cut")
}

// TestWhatWasNotWrittenWholeIsUnsent: a request whose last byte did not go out can't have been processed; one that is whole
// on the network may.
func TestWhatWasNotWrittenWholeIsUnsent(t *testing.T) {
	for _, cut := range []int64{0, 1, 250, 251, 700, 1000} {
		var left atomic.Int64
		left.Store(1 << 20)
		c, p, h := connectOver(t, Config{}, func(raw net.Conn) net.Conn { return cutConn{raw, &left} })
		p.pong()
		left.Store(cut)
		begin(t, c, "a", plain, 30)
		whole := 0
		for {
			f, err := p.frame()
			if err != nil {
				break
			}
			if d, ok := f.(*http2.DataFrame); ok && d.StreamEnded() {
				whole++
			}
		}
		over(t, c)
		counts := h.fates(t, 30)
		if counts[Lost] != whole || counts[Lost]+counts[Unsent] != 30 {
			t.Errorf("cut after %d bytes: %d requests arrived, %v", cut, whole, counts)
		}
	}
}

// TestClose settles what is in the air and says goodbye.
func TestClose(t *testing.T) {
	c, p, h := connect(t, Config{})
	begin(t, c, "a", plain, 2)
	p.request()
	p.request()
	closed := make(chan struct{})
	go func() { c.Close(); close(closed) }()
	if f := until[*http2.GoAwayFrame](p); f.ErrCode != http2.ErrCodeNo {
		t.Error(f)
	}
	if _, err := p.frame(); !errors.Is(err, io.EOF) {
		t.Errorf("after the goodbye: %v", err)
	}
	<-closed
	if counts := h.fates(t, 2); counts[Lost] != 2 {
		t.Error(counts)
	}
	if c.Free() != 0 || c.Begin([]Request{{Template: plain}}) != 0 || !errors.Is(c.Err(), ErrClosed) {
		t.Errorf("%v", c.Err())
	}
	c.Close()
}

// TestCloseOfAPeerThatDoesNotRead does not hang.
func TestCloseOfAPeerThatDoesNotRead(t *testing.T) {
	c, _, h := connect(t, Config{})
	c.mu.Lock()
	c.peer.conn = 1 << 30
	c.mu.Unlock()
	huge := &Template{Authority: "a", Path: "/", Before: make([]byte, 60_000)}
	begin(t, c, "a", huge, 500)
	c.Close()
	counts := h.fates(t, 500)
	if counts[Unsent] == 0 || counts[Lost]+counts[Unsent] != 500 {
		t.Error(counts)
	}
}

// TestHalfOpen: a peer that is gone without a word is found by a PING, with requests in the air and without.
func TestHalfOpen(t *testing.T) {
	for name, begun := range map[string]int{"in the air": 3, "idle": 0} {
		const short = 20 * time.Millisecond
		c, p, h := connect(t, Config{PingAfter: short, PingTimeout: short, IdlePing: 2 * short})
		begin(t, c, "a", plain, begun)
		// Answered once, and no more.
		f := until[*http2.PingFrame](p)
		p.must(p.WritePing(true, f.Data))
		until[*http2.PingFrame](p)
		over(t, c)
		if !errors.Is(c.Err(), ErrSilent) {
			t.Errorf("%s: %v", name, c.Err())
		}
		if counts := h.fates(t, begun); counts[Lost] != begun {
			t.Errorf("%s: %v", name, counts)
		}
	}
}

// TestDefaultsFindAHalfOpenConnectionInTenSeconds, by their sum and the time between two looks.
func TestDefaultsFindAHalfOpenConnectionInTenSeconds(t *testing.T) {
	c := Config{}.withDefaults()
	if worst := c.PingAfter + c.PingTimeout + 2*looks(c); worst > 10*time.Second {
		t.Errorf("%s", worst)
	}
}

// stuckConn takes no bytes once it is told.
type stuckConn struct {
	net.Conn
	stuck *atomic.Bool
	end   chan struct{}
}

func (c stuckConn) Write(b []byte) (int, error) {
	if c.stuck.Load() {
		<-c.end
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

func (c stuckConn) Close() error {
	if c.stuck.CompareAndSwap(true, false) {
		close(c.end)
	}
	return c.Conn.Close()
}

// TestWriteThatHangs ends the connection, whatever the peer says meanwhile.
func TestWriteThatHangs(t *testing.T) {
	var stuck atomic.Bool
	c, p, h := connectOver(t, Config{WriteTimeout: 30 * time.Millisecond, PingAfter: 20 * time.Millisecond}, func(raw net.Conn) net.Conn {
		return stuckConn{raw, &stuck, make(chan struct{})}
	})
	p.pong()
	stuck.Store(true)
	begin(t, c, "a", plain, 3)
	over(t, c)
	if counts := h.fates(t, 3); counts[Unsent] != 3 || !errors.Is(c.Err(), ErrSilent) {
		t.Error(counts, c.Err())
	}
}
