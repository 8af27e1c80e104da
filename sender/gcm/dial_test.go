package gcm

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/volleypush/volley/sender"
)

func TestNothingIsDialledForACancelledContext(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { accept(w) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, p := range []Protocol{V1, Legacy} {
		c := newClient(t, s, p, func(c *Config) {
			c.Dial = func(context.Context, string, string) (net.Conn, error) {
				t.Error("dialled")
				return nil, errors.New("no")
			}
		})
		out := make([]sender.Outcome, 1)
		c.Deliver(ctx, &Request{Message: prepare(t, c, &Message{Topic: new("news")})}, out)
		if count(out)["unsent Cancelled"] != 1 {
			t.Error(count(out))
		}
	}
}

// A connection that is ready only after Close is not kept, and a request that came after Close gets one of its own.
func TestConnectionThatComesTooLate(t *testing.T) { onEngines(t, testConnectionThatComesTooLate) }

func testConnectionThatComesTooLate(t *testing.T, e Engine) {
	var c *Client
	s := newRawServer(t, 1000, func(r *rawConn) {
		if r.number == 1 { // what Close does, and a request after it
			c.pool.endLife()
			c.pool.life, c.pool.endLife = context.WithCancel(t.Context())
			c.pool.mu.Unlock()
		}
	}, func(r *rawConn, stream uint32) { r.answer(stream) })
	var dials atomic.Int32
	c = s.clientOn(t, e, func(config *Config) {
		config.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials.Add(1) == 1 {
				c.pool.mu.Lock()
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
	})
	if n := count(deliver(t, t.Context(), c, "abc")); n["accepted"] != 1 || dials.Load() != 2 {
		t.Errorf("%v after %d attempts to connect", n, dials.Load())
	}
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	if n := len(c.pool.conns); n != 1 {
		t.Errorf("%d connections are kept", n)
	}
}

// While one connection works, a failed attempt to add another is not repeated at once.
func TestFurtherConnectionFails(t *testing.T) { onEngines(t, testFurtherConnectionFails) }

func testFurtherConnectionFails(t *testing.T, e Engine) {
	s := newRawServer(t, 1, nil, func(c *rawConn, stream uint32) { c.answer(stream) })
	var dials atomic.Int32
	c := s.clientOn(t, e, func(c *Config) {
		c.Connections = 2
		c.Now = func() time.Time { return testNow }
		c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials.Add(1) > 1 {
				return nil, errors.New("no more")
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
	})
	if n := count(deliver(t, t.Context(), c, ids(200)...)); n["accepted"] != 200 || dials.Load() != 2 {
		t.Errorf("%v after %d attempts to connect", n, dials.Load())
	}
}

func TestCloseEndsAnAttemptToConnect(t *testing.T) { onEngines(t, testCloseEndsAnAttemptToConnect) }

func testCloseEndsAnAttemptToConnect(t *testing.T, e Engine) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { accept(w) })
	dialling := make(chan struct{}, 1)
	c := newClientOn(t, s, e, func(c *Config) {
		c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			dialling <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	done := make(chan []sender.Outcome)
	go func() { done <- deliver(t, t.Context(), c, "abc") }()
	<-dialling
	_ = c.Close()
	if n := count(<-done); n["unsent ConnectionFailed"] != 1 {
		t.Error(n)
	}
}

func TestNoConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	stranger := newServer(t, func(http.ResponseWriter, *http.Request, []byte) {})
	plainServer := plainListener(t)
	for _, row := range []struct {
		name, endpoint, want string
		foreign              bool
	}{
		{"refused", "https://" + listener.Addr().String(), "dial: connect: connection refused", false},
		{"unknown authority", stranger.URL, "unknown authority: check ca_file", true},
		{"other name", strings.Replace(stranger.URL, "127.0.0.1", "localhost", 1), "another name: check endpoint", false},
		{"no TLS", "https://" + plainServer, "does not speak TLS", false},
	} {
		for _, p := range []Protocol{V1, Legacy} {
			t.Run(row.name+" "+string(p), func(t *testing.T) {
				var dials atomic.Int32
				c := newClient(t, stranger, p, func(c *Config) {
					c.Endpoint = row.endpoint
					if row.foreign {
						c.RootCAs = nil
					}
					c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
						dials.Add(1)
						return new(net.Dialer).DialContext(ctx, network, addr)
					}
				})
				out := deliver(t, t.Context(), c, ids(3000)...)
				if n := count(out); n["unsent ConnectionFailed"] != 3000 {
					t.Fatal(n)
				}
				if got := out[0].Reason.Description; !strings.Contains(got, row.want) {
					t.Error(got)
				}
				if out[0].Reason != out[2999].Reason {
					t.Error("one cause has several rows")
				}
				if dials.Load() > 5 {
					t.Errorf("%d attempts to connect", dials.Load())
				}
			})
		}
	}
}

// plainListener answers every connection in plain text.
func plainListener(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			_ = conn.Close()
		}
	})
	t.Cleanup(func() { _ = listener.Close(); wait.Wait() })
	return listener.Addr().String()
}

func TestCloseAndSendAgain(t *testing.T) { onEngines(t, testCloseAndSendAgain) }

func testCloseAndSendAgain(t *testing.T, e Engine) {
	began, end := make(chan struct{}, 1), make(chan struct{})
	s := newServer(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		if fcmToken(body) == "waits" {
			began <- struct{}{}
			<-end
		}
		accept(w)
	})
	defer close(end)
	c := newClientOn(t, s, e, nil)
	done := make(chan []sender.Outcome)
	go func() { done <- deliver(t, t.Context(), c, "waits") }()
	<-began
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if out := <-done; count(out)["uncertain AnswerLost"] != 1 {
		t.Error(count(out))
	}
	if out := deliver(t, t.Context(), c, "a", "b"); count(out)["accepted"] != 2 {
		t.Error(count(out))
	}
}
