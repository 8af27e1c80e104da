package h2sim

import (
	"bytes"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
)

// holding keeps the requests of a connection and hands them to the test.
type holding chan *Stream

func (h holding) arrived(s *Stream) bool {
	s.Keep()
	h <- s
	return false
}

func TestGoAwayAndDrain(t *testing.T) {
	held := make(holding, 10)
	c := dial(t, Config{Handler: echo(), Arrived: held.arrived})
	c.post(1, "a")
	c.post(3, "b")
	c.post(5, "c")
	first, second, third := <-held, <-held, <-held
	c.server.Take(first)
	if last := c.server.GoAway(3, http2.ErrCodeNo, []byte("bye")); last != 3 {
		t.Errorf("the last stream is %d", last)
	}
	c.post(7, "ignored")
	c.headers(9, false, fields()...)
	c.data(9, true, "ignored too")
	c.pong() // PINGs are still answered
	c.server.Stall(true)
	c.server.Take(second)
	c.server.Drain()
	c.pong()
	c.server.Stall(false)
	got := c.story(3, 99)
	if diff := cmp.Diff([]string{"3: 200", `3: "b"`, "end"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.server.Take(third) // too late, and harmless
	if c.server.config.Stats.Mistakes.Load() != 0 {
		t.Error("a stream that crossed the GOAWAY is counted as a mistake")
	}
}

// A request whose header came before the GOAWAY and whose end came after it was promised not to be processed as well.
func TestGoAwayBetweenHeaderAndBody(t *testing.T) {
	var taken, arrived atomic.Int32
	c := dial(t, Config{
		Handler: handler{answer: func(*Request) Response { taken.Add(1); return Response{Status: 200} }},
		Arrived: func(*Stream) bool { arrived.Add(1); return true },
	})
	c.headers(1, false, fields()...)
	c.headers(3, false, fields()...)
	c.pong()
	c.server.GoAway(1, http2.ErrCodeNo, nil)
	c.server.Drain() // it waits for what was left in and is not complete yet
	c.data(3, true, "x")
	c.pong()
	c.data(1, true, "x")
	if diff := cmp.Diff([]string{"1: 200", "end"}, c.story(1, 99)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if taken.Load() != 1 || arrived.Load() != 1 {
		t.Errorf("%d were taken, %d arrived", taken.Load(), arrived.Load())
	}
}

// Nor may one be processed that was held when the GOAWAY came.
func TestGoAwayWhileHeld(t *testing.T) {
	held := make(holding, 10)
	var taken atomic.Int32
	c := dial(t, Config{Arrived: held.arrived, Handler: handler{answer: func(*Request) Response { taken.Add(1); return Response{Status: 200} }}})
	c.post(1, "x")
	c.post(3, "x")
	first, second := <-held, <-held
	c.server.GoAway(1, http2.ErrCodeNo, nil)
	c.server.Take(second)
	c.server.Lose(second)
	c.server.Take(first)
	if diff := cmp.Diff([]string{"go away after 1: NO_ERROR ", "1: 200"}, c.story(1)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if taken.Load() != 1 {
		t.Errorf("%d were taken", taken.Load())
	}
}

// A draining connection ends when the client gives up the last stream, although nothing is written then.
func TestDrainEndsWithACancelledStream(t *testing.T) {
	c := dial(t, Config{Handler: fixed(Response{Never: true})})
	c.post(1, "x")
	c.pong()
	c.server.GoAway(1, http2.ErrCodeNo, nil)
	c.server.Drain()
	await[*http2.GoAwayFrame](c)
	c.try(c.framer.WriteRSTStream(1, http2.ErrCodeCancel))
	if got := c.story(99); len(got) != 1 || got[0] != "end" {
		t.Errorf("then came %q", got)
	}
}

func TestGoAwayNeverDeniesWhatWasTaken(t *testing.T) {
	c := dial(t, Config{Handler: fixed(Response{Status: 200})})
	c.post(1, "x")
	c.post(3, "x")
	c.story(1, 3)
	if last := c.server.GoAway(1, http2.ErrCodeProtocol, nil); last != 3 {
		t.Errorf("the last stream is %d, and 3 was answered", last)
	}
	if f := await[*http2.GoAwayFrame](c); f.LastStreamID != 3 || f.ErrCode != http2.ErrCodeProtocol {
		t.Errorf("the last stream is said to be %d, %s", f.LastStreamID, f.ErrCode)
	}
	c.server.Drain() // nothing is open
	c.ends()
}

func TestLoseAndRefuse(t *testing.T) {
	held := make(holding, 10)
	var taken atomic.Int32
	c := dial(t, Config{Arrived: held.arrived, Handler: handler{answer: func(*Request) Response { taken.Add(1); return Response{Status: 200} }}})
	c.post(1, "x")
	c.post(3, "x")
	c.post(5, "x")
	first, second, third := <-held, <-held, <-held
	c.server.Lose(first)
	c.server.Refuse(second, http2.ErrCodeRefusedStream)
	c.server.Take(second)
	c.server.Take(third)
	c.server.Take(third)
	if diff := cmp.Diff([]string{"3: REFUSED_STREAM", "5: 200"}, c.story(3, 5)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if taken.Load() != 2 {
		t.Errorf("%d were taken, want 2", taken.Load())
	}
	c.pong()
}

func TestHeldRequestKeepsItsBody(t *testing.T) {
	held := make(holding, 10)
	c := dial(t, Config{Handler: echo(), Arrived: held.arrived})
	c.post(1, "first")
	c.post(3, "other")
	first := <-held
	<-held
	c.server.Take(first)
	if diff := cmp.Diff([]string{"1: 200", `1: "first"`}, c.story(1)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStall(t *testing.T) {
	c := dial(t, Config{Handler: echo()})
	c.server.Stall(true)
	c.post(1, "a")
	c.post(3, "b")
	c.post(5, "c")
	c.try(c.framer.WriteRSTStream(3, http2.ErrCodeCancel))
	c.pong()
	c.server.Stall(false)
	c.post(7, "d")
	want := []string{"1: 200", `1: "a"`, "5: 200", `5: "c"`, "7: 200", `7: "d"`}
	if diff := cmp.Diff(want, c.story(1, 5, 7)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPing(t *testing.T) {
	c := dial(t, Config{Handler: echo()})
	var answered atomic.Bool
	c.server.Ping([8]byte{7}, func() { answered.Store(true) })
	f := await[*http2.PingFrame](c)
	c.try(c.framer.WritePing(true, [8]byte{8})) // another one's
	c.pong()
	if answered.Load() {
		t.Error("another answer was taken for it")
	}
	c.try(c.framer.WritePing(true, f.Data))
	c.pong()
	if !answered.Load() {
		t.Error("the answer was not noticed")
	}
}

func TestFinish(t *testing.T) {
	for name, taking := range map[string]bool{"taking": true, "ignoring": false} {
		t.Run(name, func(t *testing.T) {
			var taken atomic.Int32
			c := dial(t, Config{Handler: handler{answer: func(r *Request) Response {
				taken.Add(1)
				return Response{Status: 200, Body: bytes.Clone(r.Body)}
			}}})
			c.server.Stall(true)
			c.post(1, "before")
			c.pong()
			c.server.Stall(false)
			done := make(chan struct{})
			c.server.Finish(taking, func() { close(done) })
			c.server.Finish(taking, func() { t.Error("it is finished twice") })
			<-done
			if diff := cmp.Diff([]string{"1: 200", `1: "before"`}, c.story(1)); diff != "" {
				t.Errorf("what was answered before (-want +got):\n%s", diff)
			}
			c.post(3, "after")
			c.headers(5, true, fields()...)
			c.try(c.framer.WritePing(false, [8]byte{}))
			c.server.Write([]byte("not heard"))
			if taking {
				until(t, func() bool { return taken.Load() == 3 })
			}
			silent(c)
			if !taking && taken.Load() != 1 {
				t.Errorf("%d were taken", taken.Load())
			}
		})
	}
}

func TestWriteAndHangUp(t *testing.T) {
	c := dial(t, Config{Handler: echo()})
	c.pong()
	c.server.Write([]byte("HTTP/1.1"))
	c.server.HangUp()
	got, err := io.ReadAll(c.conn)
	if err != nil || !bytes.HasSuffix(got, []byte("HTTP/1.1")) {
		t.Errorf("%q came, %v", got, err)
	}
}

// A client that does not leave is left.
func TestHangUpDoesNotWaitForEver(t *testing.T) {
	c := dial(t, Config{Handler: echo()})
	c.pong()
	c.server.HangUp()
	select {
	case <-c.ended:
	case <-time.After(patience):
		t.Error("the connection goes on")
	}
}

func TestStreamLimit(t *testing.T) {
	held := make(holding, 100)
	c := dial(t, Config{Handler: echo(), MaxStreams: 1, Arrived: held.arrived})
	stats := c.server.config.Stats
	expect := func(refused, excess int64, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, c.story(make([]uint32, len(want))...)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if stats.Refused.Load() != refused || stats.Excess.Load() != excess {
			t.Errorf("%d refused and %d excess, want %d and %d", stats.Refused.Load(), stats.Excess.Load(), refused, excess)
		}
	}
	await[*http2.SettingsFrame](c) // acknowledged from here on
	c.pong()
	c.post(1, "x")
	c.post(3, "x")
	expect(1, 1, "3: REFUSED_STREAM")

	c.server.SetMaxStreams(3)
	c.post(5, "x") // before we can know that the client has read it
	c.pong()
	c.post(7, "x")
	c.post(9, "x")
	expect(2, 2, "9: REFUSED_STREAM")

	c.server.SetMaxStreams(0) // while three are open, which go on
	c.post(11, "x")
	if diff := cmp.Diff([]string{"11: REFUSED_STREAM"}, c.story(11)); diff != "" {
		t.Error(diff)
	}
	for range 3 {
		c.server.Take(<-held)
	}
	c.post(13, "x") // none is open; the client cannot have known, because story acknowledges nothing
	want := []string{"1: 200", `1: "x"`, "5: 200", `5: "x"`, "7: 200", `7: "x"`, "13: REFUSED_STREAM"}
	if diff := cmp.Diff(want, c.story(1, 5, 7, 13)); diff != "" {
		t.Error(diff)
	}
	if stats.Refused.Load() != 4 || stats.Excess.Load() != 3 {
		t.Errorf("%d refused and %d excess", stats.Refused.Load(), stats.Excess.Load())
	}
	c.try(c.framer.WriteSettingsAck())
	c.post(15, "x")
	if diff := cmp.Diff([]string{"15: REFUSED_STREAM"}, c.story(15)); diff != "" {
		t.Error(diff)
	}
	if stats.Excess.Load() != 4 {
		t.Errorf("%d excess: now it is known", stats.Excess.Load())
	}
	c.server.SetMaxStreams(2)
	c.pong()
	c.post(17, "x")
	c.server.Take(<-held)
	if diff := cmp.Diff([]string{"17: 200", `17: "x"`}, c.story(17)); diff != "" {
		t.Error(diff)
	}
}

// A limit that is underway and higher may be the one that the client goes by.
func TestExcessIsOverEveryLimitUnderway(t *testing.T) {
	c := dial(t, Config{Handler: fixed(Response{Never: true}), MaxStreams: 1})
	await[*http2.SettingsFrame](c)
	c.pong()
	c.server.SetMaxStreams(3)
	c.server.SetMaxStreams(1)
	for _, id := range []uint32{1, 3, 5, 7} {
		c.post(id, "x")
	}
	want := []string{"3: REFUSED_STREAM", "5: REFUSED_STREAM", "7: REFUSED_STREAM"}
	if diff := cmp.Diff(want, c.story(3, 5, 7)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if stats := c.server.config.Stats; stats.Refused.Load() != 3 || stats.Excess.Load() != 0 {
		t.Errorf("%d refused and %d excess", stats.Refused.Load(), stats.Excess.Load())
	}
}

func TestExcessEndsTheConnection(t *testing.T) {
	var ends atomic.Bool
	c := dial(t, Config{Handler: fixed(Response{Never: true}), MaxStreams: 1, Excess: func() (http2.ErrCode, string, bool) {
		return http2.ErrCodeRefusedStream, "too many", ends.Load()
	}})
	c.post(1, "x")
	c.post(3, "x") // before the client can know
	if diff := cmp.Diff([]string{"3: REFUSED_STREAM"}, c.story(3)); diff != "" {
		t.Error(diff)
	}
	ends.Store(true)
	c.post(5, "x")
	if diff := cmp.Diff([]string{"5: REFUSED_STREAM"}, c.story(5)); diff != "" {
		t.Error(diff)
	}
	c.try(c.framer.WriteSettingsAck())
	c.post(7, "x")
	if diff := cmp.Diff([]string{"go away after 1: REFUSED_STREAM too many", "end"}, c.story(7)); diff != "" {
		t.Error(diff)
	}
}

func TestCloseCuts(t *testing.T) {
	c := dial(t, Config{Handler: echo()})
	c.pong()
	if err := c.server.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.frame(); err == nil {
		t.Error("the client reads on")
	}
	<-c.ended
}
