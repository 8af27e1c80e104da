package gcm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/volleypush/volley/sender"
)

func TestRefusedStreamIsUnsent(t *testing.T) { onEngines(t, testRefusedStreamIsUnsent) }

func testRefusedStreamIsUnsent(t *testing.T, e Engine) {
	s := newRawServer(t, 1000, nil, func(c *rawConn, stream uint32) { c.reset(stream, errRefused) })
	out := deliver(t, t.Context(), s.clientOn(t, e, nil), "abc")
	if count(out)["unsent RequestRefused"] != 1 || s.conns.Load() != 1 || s.streams.Load() != 2 {
		t.Errorf("%v, %d connections, %d requests", count(out), s.conns.Load(), s.streams.Load())
	}
}

// Whatever else happens after the whole request was read, it is never sent again and never called unsent.
func TestLostAnswersAreUncertain(t *testing.T) { onEngines(t, testLostAnswersAreUncertain) }

func testLostAnswersAreUncertain(t *testing.T, e Engine) {
	for name, end := range map[string]func(c *rawConn, stream uint32){
		"closed":            func(c *rawConn, _ uint32) { _ = c.Close() },
		"reset":             func(c *rawConn, stream uint32) { c.reset(stream, errInternal) },
		"protocol error":    func(c *rawConn, stream uint32) { c.reset(stream, errProtocol) },
		"GOAWAY and closed": func(c *rawConn, stream uint32) { c.goAway(stream, ""); _ = c.Close() },
		"half an answer": func(c *rawConn, stream uint32) {
			c.frame(frameHeaders, flagEndHeaders, stream, []byte{0x88})
			c.frame(frameData, 0, stream, []byte(`{"name":`))
			_ = c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newRawServer(t, 1000, nil, end)
			out := deliver(t, t.Context(), s.clientOn(t, e, nil), "abc")
			if count(out)["uncertain AnswerLost"] != 1 || s.streams.Load() != 1 {
				t.Errorf("%v after %d requests", count(out), s.streams.Load())
			}
		})
	}
}

func TestSilentServerTimesOutAndItsConnectionIsLeft(t *testing.T) {
	onEngines(t, testSilentServerTimesOutAndItsConnectionIsLeft)
}

func testSilentServerTimesOutAndItsConnectionIsLeft(t *testing.T, e Engine) {
	s := newRawServer(t, 1000, nil, func(c *rawConn, stream uint32) {
		if c.number > 1 {
			c.answer(stream)
		}
	})
	c := s.clientOn(t, e, nil)
	out := make([]sender.Outcome, 1)
	request := &Request{Tokens: []string{"abc"}, Message: prepare(t, c, &Message{Data: "x"}), ErrorTimeout: 400 * time.Millisecond}
	c.Deliver(t.Context(), request, out)
	if count(out)["uncertain AnswerTimeout"] != 1 {
		t.Error(count(out))
	}
	if out = deliver(t, t.Context(), c, "def"); out[0].Class != sender.Accepted || s.conns.Load() != 2 {
		t.Errorf("%v on connection %d", count(out), s.conns.Load())
	}
}

// stuckConn blocks in Write once told, until it is closed.
type stuckConn struct {
	net.Conn
	stuck   *atomic.Bool
	reached chan struct{}
	end     chan struct{}
}

func (c stuckConn) Write(b []byte) (int, error) {
	if c.stuck.Load() {
		select {
		case c.reached <- struct{}{}:
		default:
		}
		<-c.end
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

// Nobody waits for a connection that takes no bytes; what it certainly did not take is unsent.
func TestCancelledBeforeTheWrite(t *testing.T) { onEngines(t, testCancelledBeforeTheWrite) }

func testCancelledBeforeTheWrite(t *testing.T, e Engine) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { accept(w) })
	var stuck atomic.Bool
	reached, end := make(chan struct{}, 1), make(chan struct{})
	c := newClientOn(t, s, e, func(c *Config) {
		c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			return stuckConn{conn, &stuck, reached, end}, err
		}
	})
	deliver(t, t.Context(), c, "abc")
	stuck.Store(true)
	defer close(end)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-reached; cancel() }()
	want := "unsent Cancelled"
	if e == EnginePipelined {
		want = "uncertain AnswerLost" // the write is under way, and nobody waits to see how far it gets
	}
	if n := count(deliver(t, ctx, c, "abc")); n[want] != 1 {
		t.Error(n)
	}
}

func TestCancelledContext(t *testing.T) { onEngines(t, testCancelledContext) }

func testCancelledContext(t *testing.T, e Engine) {
	began, end := make(chan struct{}), make(chan struct{})
	s := newServer(t, func(w http.ResponseWriter, r *http.Request, _ []byte) {
		close(began)
		<-end
	})
	defer close(end)
	c := newClientOn(t, s, e, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-began
		cancel()
	}()
	out := deliver(t, ctx, c, ids(30)...)
	// The first request has the new connection for itself; the others wait for its answer.
	if n := count(out); n["uncertain AnswerLost"] != 1 || n["unsent Cancelled"] != 29 {
		t.Error(n)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	for _, p := range []Protocol{V1, Legacy} {
		if n := count(deliver(t, ctx, newClient(t, s, p, nil), ids(3000)...)); n["unsent Cancelled"] != 3000 {
			t.Error(p, n)
		}
	}
}

// brokenConn writes a number of times and then no more.
type brokenConn struct {
	net.Conn
	left *atomic.Int32
}

func (c brokenConn) Write(b []byte) (int, error) {
	if c.left.Add(-1) < 0 {
		return 0, errors.New("cable cut")
	}
	return c.Conn.Write(b)
}

// A request that could not be written as a whole is unsent, on either version of HTTP: neither its headers alone nor a part of its
// body make the server process it.
func TestFailureBeforeTheWrite(t *testing.T) {
	for _, version := range []string{"HTTP/2", "HTTP/1.1"} {
		for writes := range int32(2) {
			t.Run(fmt.Sprint(version, " after ", writes), func(t *testing.T) {
				s := startServer(t, version == "HTTP/2", echo(func(string) string { return `{"message_id":"1"}` }))
				var left atomic.Int32
				left.Store(1000)
				c := newClient(t, s, Legacy, func(c *Config) {
					c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
						conn, err := new(net.Dialer).DialContext(ctx, network, addr)
						return brokenConn{conn, &left}, err
					}
				})
				if out := deliver(t, t.Context(), c, "a"); out[0].Class != sender.Accepted {
					t.Fatal(count(out))
				}
				left.Store(writes)
				out := deliver(t, t.Context(), c, "a", "b")
				if n := count(out); n["unsent RequestRefused"]+n["unsent ConnectionFailed"] != 2 {
					t.Error(n)
				}
				if n := len(s.requests()); n != 1 {
					t.Errorf("%d requests arrived", n)
				}
			})
		}
	}
}

func TestHTTP1(t *testing.T) {
	s := newHTTP1Server(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		if r.URL.Path != legacyPath {
			accept(w)
			return
		}
		echo(func(string) string { return `{"message_id":"1"}` })(w, r, body)
	})
	for _, p := range []Protocol{V1, Legacy} {
		c := newClient(t, s, p, func(c *Config) { c.Engine = EngineNetHTTP })
		if n := count(deliver(t, t.Context(), c, ids(100)...)); n["accepted"] != 100 {
			t.Error(p, n)
		}
	}
	for _, r := range s.requests() {
		if r.proto != 1 {
			t.Error("not HTTP/1.1")
		}
	}
}

func TestHTTP1AnswerLost(t *testing.T) {
	s := newHTTP1Server(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { panic(http.ErrAbortHandler) })
	out := deliver(t, t.Context(), newClient(t, s, Legacy, nil), "a", "b")
	if n := count(out); n["uncertain AnswerLost"] != 2 || len(s.requests()) != 1 {
		t.Error(n, len(s.requests()))
	}
}

func TestAnswersAreCapped(t *testing.T) {
	pad := func(text string, size int) string { return text + strings.Repeat(" ", size-len(text)) }
	for _, row := range []struct {
		p      Protocol
		size   int
		answer string
		want   sender.Class
	}{
		{V1, maxFCMAnswer, `{"name":"n"}`, sender.Accepted},
		{V1, maxFCMAnswer + 1, `{"name":"n"}`, sender.Uncertain},
		{Legacy, maxLegacyAnswer, `{"message_id":1}`, sender.Accepted},
		{Legacy, maxLegacyAnswer + 1, `{"message_id":1}`, sender.Uncertain},
	} {
		s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			_, _ = io.WriteString(w, pad(row.answer, row.size))
		})
		if out := deliver(t, t.Context(), newClient(t, s, row.p, nil), "a"); out[0].Class != row.want {
			t.Errorf("%s %d bytes: %v", row.p, row.size, count(out))
		}
	}
}
