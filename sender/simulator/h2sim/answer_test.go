package h2sim

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
)

func TestKindsOfAnswers(t *testing.T) {
	cancel, internal := http2.ErrCodeCancel, http2.ErrCodeInternal
	tests := []struct {
		name   string
		answer Response
		want   []string
	}{
		{"empty", Response{Status: 200}, []string{"1: 200"}},
		{"body", Response{Status: 400, Body: []byte("no")}, []string{"1: 400", `1: "no"`}},
		{"trailers", Response{Status: 200, Body: []byte("x"), Trailer: Fields{{Name: "a", Value: "b"}}}, []string{"1: 200", `1: "x"`, "1: trailers"}},
		{"only trailers", Response{Status: 200, Trailer: Fields{{Name: "a", Value: "b"}}}, []string{"1: 200", "1: trailers"}},
		{"informational", Response{Status: 200, Informational: []int{100, 103}}, []string{"1: 100", "1: 103", "1: 200"}},
		{"reset", Response{Reset: &cancel}, []string{"1: CANCEL"}},
		{"reset in the middle", Response{Status: 200, Body: []byte("12345678"), Trailer: Fields{{Name: "a", Value: "b"}}, Reset: &internal}, []string{"1: 200", `1: "1234"`, "1: INTERNAL_ERROR"}},
		{"reset after the header", Response{Status: 200, Reset: &internal}, []string{"1: 200", "1: INTERNAL_ERROR"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := dial(t, Config{Handler: fixed(test.answer)})
			for _, id := range []uint32{1, 3} { // and the connection goes on
				c.post(id, "{}")
				got := c.story(id)
				for i := range got {
					got[i] = strings.Replace(got[i], number(int(id))+":", "1:", 1)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("stream %d (-want +got):\n%s", id, diff)
				}
			}
		})
	}
}

// An answer that takes time holds up nobody, and one that nobody waits for any more is dropped.
func TestLatency(t *testing.T) {
	c := dial(t, Config{Handler: handler{answer: func(r *Request) Response {
		latency, err := time.ParseDuration(string(r.Body))
		if err != nil {
			return Response{Never: true}
		}
		return Response{Status: 200, Latency: latency}
	}}})
	c.post(1, "1h")
	c.post(3, "50ms")
	c.post(5, "0s")
	c.post(7, "never")
	if diff := cmp.Diff([]string{"5: 200", "3: 200"}, c.story(5, 3)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	for _, id := range []uint32{1, 7} {
		c.try(c.framer.WriteRSTStream(id, http2.ErrCodeCancel))
	}
	c.post(9, "1h") // its timer is running when the connection ends
	c.pong()
	c.server.mu.Lock()
	open := len(c.server.streams)
	c.server.mu.Unlock()
	if open != 1 {
		t.Errorf("%d streams are open, want the last one", open)
	}
}

func TestEarlyAnswer(t *testing.T) {
	var late atomic.Int32
	c := dial(t, Config{Window: 8, Handler: handler{
		answer: func(*Request) Response { late.Add(1); return Response{Status: 200} },
		early: func(r *Request) (Response, bool) {
			if r.Body != nil {
				t.Error("an early request has a body")
			}
			return Response{Status: 413, Body: []byte("too much")}, r.Header.Get("x-early") != ""
		},
	}})
	for !await[*http2.SettingsFrame](c).IsAck() {
	}
	c.headers(1, false, fields("x-early", "1")...)
	if diff := cmp.Diff([]string{"1: 413", `1: "too much"`}, c.story(1)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if f := await[*http2.RSTStreamFrame](c); f.StreamID != 1 || f.ErrCode != http2.ErrCodeNo {
		t.Errorf("then came %v", f)
	}
	c.data(1, false, "12345678") // it may have been on its way
	c.data(1, true, "")
	c.headers(3, false, fields()...)
	c.data(3, true, "x")
	c.headers(5, true, fields("x-early", "1")...) // nothing is early about a request that is whole
	if diff := cmp.Diff([]string{"3: 200", "5: 200"}, c.story(3, 5)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if late.Load() != 2 || c.server.config.Stats.Mistakes.Load() != 0 {
		t.Errorf("%d answers, %d mistakes", late.Load(), c.server.config.Stats.Mistakes.Load())
	}
}

// A request whose answer was begun early must not be answered again when its body comes.
func TestEarlyAnswerThatTakesTime(t *testing.T) {
	c := dial(t, Config{Handler: handler{
		answer: func(*Request) Response { return Response{Status: 500} },
		early:  func(*Request) (Response, bool) { return Response{Status: 200, Latency: 20 * time.Millisecond}, true },
	}})
	c.post(1, "x")
	if diff := cmp.Diff([]string{"1: 200"}, c.story(1)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.pong()
	if got := c.server.config.Stats.Requests.Load(); got != 0 {
		t.Errorf("%d requests are counted that were answered before they were complete", got)
	}
}

func TestOversize(t *testing.T) {
	c := dial(t, Config{MaxBody: 10, Handler: handler{answer: func(r *Request) Response {
		if r.Oversize {
			return Response{Status: 413, Body: []byte(string(r.Body) + "|")}
		}
		return Response{Status: 200, Body: r.Body}
	}}})
	c.post(1, "1234567890")
	if diff := cmp.Diff([]string{"1: 200", `1: "1234567890"`}, c.story(1)); diff != "" {
		t.Errorf("at the limit (-want +got):\n%s", diff)
	}
	c.post(3, "1234567890x")
	if diff := cmp.Diff([]string{"3: 413", `3: "1234567890|"`}, c.story(3)); diff != "" {
		t.Errorf("one byte more (-want +got):\n%s", diff)
	}
	c.headers(5, false, fields()...)
	c.data(5, false, "12345")
	c.data(5, false, "678901")
	if diff := cmp.Diff([]string{"5: 413", `5: "1234567890|"`, "5: NO_ERROR"}, c.story(5, 5)); diff != "" {
		t.Errorf("before the end (-want +got):\n%s", diff)
	}
	c.data(5, false, "more")
	c.data(5, true, "and more")
	c.pong()
}

func TestLongHeaders(t *testing.T) {
	const limit = 1000
	c := dial(t, Config{Handler: fixed(Response{Status: 200}), MaxHeaderBytes: limit})
	size := 0
	for _, s := range fields() {
		size += len(s)
	}
	const overhead = 32 // of a field, RFC 9113 §6.5.2
	size += len(fields()) / 2 * overhead
	filler := limit - size - overhead - len("x-filler")
	c.headers(1, true, fields("x-filler", strings.Repeat("x", filler))...)
	c.headers(3, true, fields("x-filler", strings.Repeat("x", filler+1))...)
	c.headers(5, false, fields("x-filler", strings.Repeat("x", 50_000))[:6]...)
	c.data(5, true, "")
	if diff := cmp.Diff([]string{"1: 200", "3: 431", "5: 200"}, c.story(1, 3, 5)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLast(t *testing.T) {
	var taken atomic.Int32
	c := dial(t, Config{Handler: handler{answer: func(*Request) Response {
		taken.Add(1)
		return Response{Status: 403, Last: true}
	}}})
	c.post(1, "x")
	if diff := cmp.Diff([]string{"1: 403"}, c.story(1)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.post(3, "x")
	c.try(c.framer.WritePing(false, [8]byte{}))
	until(t, func() bool { return taken.Load() == 2 })
	silent(c)
}

// until polls for a fact.
func until(t *testing.T, fact func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !fact(); {
		if time.Now().After(deadline) {
			t.Fatal("it does not come true")
		}
		<-time.After(time.Millisecond)
	}
}

// silent says that nothing comes for a moment.
func silent(c *client) {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.conn.Read(make([]byte, 100)); n > 0 || err == nil || !strings.Contains(err.Error(), "timeout") {
		c.t.Errorf("%d bytes came, %v", n, err)
	}
}
