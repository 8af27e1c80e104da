package h2

import (
	"errors"
	"io"
	"net"
	"slices"
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
	if err := c.Err(); !errors.As(err, &gone) || gone.Last != 3 {
		t.Errorf("%v", err)
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

// TestMistakes: what a peer must not do ends the connection, with the code that RFC 9113 names; what was written is lost.
func TestMistakes(t *testing.T) {
	raw := func(kind http2.FrameType, flags http2.Flags, id uint32, payload ...byte) func(*server) {
		return func(p *server) { _ = p.WriteRawFrame(kind, flags, id, payload) }
	}
	setting := func(id http2.SettingID, value uint32) func(*server) {
		return func(p *server) { _ = p.WriteSettings(http2.Setting{ID: id, Val: value}) }
	}
	head := []byte{0x88}
	for name, test := range map[string]struct {
		play func(*server)
		code http2.ErrCode
	}{
		"DATA on stream 0":           {raw(http2.FrameData, 0, 0, 1), http2.ErrCodeProtocol},
		"DATA on an idle stream":     {raw(http2.FrameData, 0, 99, 1), http2.ErrCodeProtocol},
		"DATA on an even stream":     {raw(http2.FrameData, 0, 2, 1), http2.ErrCodeProtocol},
		"padding longer than all":    {raw(http2.FrameData, 8, 1, 9, 1), http2.ErrCodeProtocol},
		"padding missing":            {raw(http2.FrameData, 8, 1), http2.ErrCodeFrameSize},
		"HEADERS on stream 0":        {raw(http2.FrameHeaders, 5, 0, head...), http2.ErrCodeProtocol},
		"HEADERS on an idle stream":  {raw(http2.FrameHeaders, 5, 99, head...), http2.ErrCodeProtocol},
		"HEADERS on an even stream":  {raw(http2.FrameHeaders, 5, 2, head...), http2.ErrCodeProtocol},
		"HEADERS that can't be read": {raw(http2.FrameHeaders, 5, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), http2.ErrCodeCompression},
		"HEADERS cut off":            {raw(http2.FrameHeaders, 5, 1, 0x88, 0x00, 0x05, 'a'), http2.ErrCodeCompression},
		"table over our limit":       {raw(http2.FrameHeaders, 5, 1, 0x3f, 0xff, 0xff, 0x03, 0x88), http2.ErrCodeCompression},
		"CONTINUATION of nothing":    {raw(http2.FrameContinuation, 4, 1, head...), http2.ErrCodeProtocol},
		"block interrupted": {func(p *server) {
			_ = p.WriteRawFrame(http2.FrameHeaders, 0, 1, nil)
			_ = p.WriteData(3, true, nil)
		}, http2.ErrCodeProtocol},
		"block of another stream": {func(p *server) {
			_ = p.WriteRawFrame(http2.FrameHeaders, 0, 1, nil)
			_ = p.WriteContinuation(3, true, head)
		}, http2.ErrCodeProtocol},
		"block interrupted by an answer": {func(p *server) {
			_ = p.WriteRawFrame(http2.FrameHeaders, 0, 1, nil)
			_ = p.WriteRawFrame(http2.FrameHeaders, 5, 3, head)
		}, http2.ErrCodeProtocol},
		"PRIORITY too short":     {raw(http2.FramePriority, 0, 1, 1), http2.ErrCodeFrameSize},
		"RST_STREAM on 0":        {raw(http2.FrameRSTStream, 0, 0, 0, 0, 0, 0), http2.ErrCodeProtocol},
		"RST_STREAM idle":        {raw(http2.FrameRSTStream, 0, 99, 0, 0, 0, 0), http2.ErrCodeProtocol},
		"RST_STREAM short":       {raw(http2.FrameRSTStream, 0, 1, 0), http2.ErrCodeFrameSize},
		"SETTINGS on a stream":   {raw(http2.FrameSettings, 0, 1), http2.ErrCodeProtocol},
		"SETTINGS odd":           {raw(http2.FrameSettings, 0, 0, 1), http2.ErrCodeFrameSize},
		"SETTINGS ACK with text": {raw(http2.FrameSettings, 1, 0, 1, 2, 3, 4, 5, 6), http2.ErrCodeFrameSize},
		"push setting":           {setting(http2.SettingEnablePush, 1), http2.ErrCodeProtocol},
		"push setting 2":         {setting(http2.SettingEnablePush, 2), http2.ErrCodeProtocol},
		"window setting":         {setting(http2.SettingInitialWindowSize, 1<<31), http2.ErrCodeFlowControl},
		"frame size setting":     {setting(http2.SettingMaxFrameSize, 1), http2.ErrCodeProtocol},
		"PUSH_PROMISE":           {raw(http2.FramePushPromise, 4, 1, 0, 0, 0, 2, 0x82), http2.ErrCodeProtocol},
		"PING on a stream":       {raw(http2.FramePing, 0, 1, make([]byte, 8)...), http2.ErrCodeProtocol},
		"PING short":             {raw(http2.FramePing, 0, 0, 1), http2.ErrCodeFrameSize},
		"GOAWAY on a stream":     {raw(http2.FrameGoAway, 0, 1, make([]byte, 8)...), http2.ErrCodeProtocol},
		"GOAWAY short":           {raw(http2.FrameGoAway, 0, 0, 1), http2.ErrCodeFrameSize},
		"WINDOW_UPDATE of 0":     {raw(http2.FrameWindowUpdate, 0, 0, 0, 0, 0, 0), http2.ErrCodeProtocol},
		"WINDOW_UPDATE short":    {raw(http2.FrameWindowUpdate, 0, 0, 1), http2.ErrCodeFrameSize},
		"WINDOW_UPDATE too wide": {raw(http2.FrameWindowUpdate, 0, 0, 0x7f, 0xff, 0xff, 0xff), http2.ErrCodeFlowControl},
		"WINDOW_UPDATE idle":     {raw(http2.FrameWindowUpdate, 0, 99, 0, 0, 0, 1), http2.ErrCodeProtocol},
		"windows of all streams": {func(p *server) {
			_ = p.WriteWindowUpdate(1, maxWindow-defaultWindow)
			_ = p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: maxWindow})
		}, http2.ErrCodeFlowControl},
		"long frame": {raw(http2.FrameData, 0, 1, make([]byte, maxFrame+1)...), http2.ErrCodeFrameSize},
		"flood of CONTINUATION": {func(p *server) {
			_ = p.WriteRawFrame(http2.FrameHeaders, 1, 1, head)
			field := appendText(appendText([]byte{0}, "x"), strings.Repeat("x", 1000))
			for range maxBlock/1000 + 1 {
				_ = p.WriteContinuation(1, false, field)
			}
		}, http2.ErrCodeEnhanceYourCalm},
	} {
		t.Run(name, func(t *testing.T) {
			c, p, h := connect(t, Config{})
			begin(t, c, "a", plain, 2)
			p.request()
			p.request()
			test.play(p)
			if f := until[*http2.GoAwayFrame](p); f.ErrCode != test.code {
				t.Errorf("%s, want %s; %v", f.ErrCode, test.code, c.Err())
			}
			over(t, c)
			mistake, ok := errors.AsType[*PeerError](c.Err())
			if !ok || mistake.Code != test.code || mistake.Rule == "" {
				t.Errorf("%v", c.Err())
			}
			if counts := h.fates(t, 2); counts[Lost] != 2 {
				t.Error(counts)
			}
		})
	}
}

// TestConnectionMustBeginWithSettings: anything else first is no HTTP/2.
func TestConnectionMustBeginWithSettings(t *testing.T) {
	for name, frame := range map[string][]byte{
		"PING":     append([]byte{0, 0, 8, 6, 0, 0, 0, 0, 0}, make([]byte, 8)...),
		"ACK":      {0, 0, 0, 4, 1, 0, 0, 0, 0},
		"HTTP/1.1": []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
	} {
		ours, theirs := tcpPair(t)
		socket := newSocket(ours)
		c := newConn(socket, socket, Config{Handler: newTold()})
		c.run()
		_, _ = theirs.Write(frame)
		over(t, c)
		if _, ok := errors.AsType[*PeerError](c.Err()); !ok {
			t.Errorf("%s: %v", name, c.Err())
		}
	}
}

// TestFloodOfQuestions: a peer that asks and does not read is left before its answers fill the memory.
func TestFloodOfQuestions(t *testing.T) {
	c, p, _ := connect(t, Config{})
	flood := slices.Repeat(append([]byte{0, 0, 8, 6, 0, 0, 0, 0, 0}, make([]byte, 8)...), 1000)
	for {
		if _, err := p.Write(flood); err != nil {
			break
		}
	}
	over(t, c)
	if mistake, ok := errors.AsType[*PeerError](c.Err()); ok && mistake.Code != http2.ErrCodeEnhanceYourCalm {
		t.Error(mistake)
	}
	if n := c.rare.Len(); n > 2*maxRare {
		t.Errorf("%d bytes waited", n)
	}
}

// TestHeaderBomb: a small block that decodes to very much costs no memory, and its stream.
func TestHeaderBomb(t *testing.T) {
	c, p, h := connect(t, Config{})
	r := one(t, c, p)
	// One large entry in the table, referred to a thousand times.
	bomb := p.head(":status", "200", "x", strings.Repeat("x", 4000))
	bomb = append(bomb, slices.Repeat([]byte{0xbe}, 10_000)...)
	p.must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: r.stream, BlockFragment: bomb, EndHeaders: true, EndStream: true}))
	if a := h.next(t); a.Fate != Lost {
		t.Error(a)
	}
	if f := until[*http2.RSTStreamFrame](p); f.ErrCode != http2.ErrCodeEnhanceYourCalm {
		t.Error(f)
	}
}
