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

// count tells how many outcomes have each class and reason.
func count(out []sender.Outcome) map[string]int {
	n := map[string]int{}
	for _, o := range out {
		key := o.Class.String()
		if o.Reason != nil {
			key += " " + o.Reason.Name
		}
		n[key]++
	}
	return n
}

func TestGoAwayAboveTheStreamGoesOutOnceMore(t *testing.T) {
	s := newRawServer(t, 1000, nil, func(c *rawConn, stream uint32) {
		if c.number == 1 {
			c.goAway(0, "")
			return
		}
		c.answer(stream)
	})
	out := deliver(t, t.Context(), s.client(t, nil), "abc")
	if out[0].Class != sender.Accepted || s.conns.Load() != 2 || s.streams.Load() != 2 {
		t.Errorf("%v, %d connections, %d requests", count(out), s.conns.Load(), s.streams.Load())
	}
}

// net/http's own pool opens thousands of connections here.
func TestServerThatRefusesPolitelyMeetsNoStorm(t *testing.T) {
	s := newRawServer(t, 1000, nil, func(c *rawConn, _ uint32) {
		c.goAway(0, "go away")
		_ = c.Close()
	})
	out := deliver(t, t.Context(), s.client(t, nil), ids(50)...)
	n := count(out)
	if n["unsent ConnectionFailed"]+n["unsent RequestRefused"] != 50 {
		t.Error(n)
	}
	if s.conns.Load() > maxLosses+1 {
		t.Errorf("%d connections", s.conns.Load())
	}
}

func TestConnectionThatEndsBeforeAnyRequest(t *testing.T) {
	for name, limit := range map[string]uint32{"GOAWAY": 1000, "no streams": 0} {
		t.Run(name, func(t *testing.T) {
			s := newRawServer(t, limit, func(c *rawConn) {
				if limit > 0 {
					c.goAway(0, "")
				}
			}, func(*rawConn, uint32) {})
			out := deliver(t, t.Context(), s.client(t, func(c *Config) { c.RequestTimeout = 100 * time.Millisecond }), ids(20)...)
			for _, o := range out {
				if o.Class != sender.Unsent && o.Class != sender.Uncertain {
					t.Fatal(count(out))
				}
			}
			if s.conns.Load() > maxLosses+1 {
				t.Errorf("%d connections", s.conns.Load())
			}
		})
	}
}

func TestRefusedStreamIsUnsent(t *testing.T) {
	s := newRawServer(t, 1000, nil, func(c *rawConn, stream uint32) { c.reset(stream, errRefused) })
	out := deliver(t, t.Context(), s.client(t, nil), "abc")
	if count(out)["unsent RequestRefused"] != 1 || s.conns.Load() != 1 || s.streams.Load() != 2 {
		t.Errorf("%v, %d connections, %d requests", count(out), s.conns.Load(), s.streams.Load())
	}
}

// Whatever else happens after the whole request was read, it is never sent again and never called unsent.
func TestLostAnswersAreUncertain(t *testing.T) {
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
			out := deliver(t, t.Context(), s.client(t, nil), "abc")
			if count(out)["uncertain AnswerLost"] != 1 || s.streams.Load() != 1 {
				t.Errorf("%v after %d requests", count(out), s.streams.Load())
			}
		})
	}
}

func TestSilentServerTimesOutAndItsConnectionIsLeft(t *testing.T) {
	s := newRawServer(t, 1000, nil, func(c *rawConn, stream uint32) {
		if c.number > 1 {
			c.answer(stream)
		}
	})
	c := s.client(t, nil)
	out := make([]sender.Outcome, 1)
	request := &Request{Tokens: []string{"abc"}, Message: prepare(t, c, &Message{Data: "x"}), ErrorTimeout: 50 * time.Millisecond}
	c.Deliver(t.Context(), request, out)
	if count(out)["uncertain AnswerTimeout"] != 1 {
		t.Error(count(out))
	}
	if out = deliver(t, t.Context(), c, "def"); out[0].Class != sender.Accepted || s.conns.Load() != 2 {
		t.Errorf("%v on connection %d", count(out), s.conns.Load())
	}
}

// A server that allows one request at a time never sees two, from its first frame on.
func TestServersLimitIsObeyed(t *testing.T) {
	s := newRawServer(t, 1, nil, func(c *rawConn, stream uint32) { c.answer(stream) })
	out := deliver(t, t.Context(), s.client(t, func(c *Config) { c.Connections = 1 }), ids(200)...)
	if count(out)["accepted"] != 200 || s.conns.Load() != 1 || s.most.Load() != 1 {
		t.Errorf("%v on %d connections, %d at once", count(out), s.conns.Load(), s.most.Load())
	}
}

func TestCancelledContext(t *testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	s := newServer(t, func(w http.ResponseWriter, r *http.Request, _ []byte) {
		close(began)
		<-end
	})
	defer close(end)
	c := newClient(t, s, V1, nil)
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

// brokenConn stops writing when told.
type brokenConn struct {
	net.Conn
	broken *atomic.Bool
}

func (c brokenConn) Write(b []byte) (int, error) {
	if c.broken.Load() {
		return 0, errors.New("cable cut")
	}
	return c.Conn.Write(b)
}

// A request that could not be written is unsent, on either version of HTTP.
func TestFailureBeforeTheWrite(t *testing.T) {
	for _, version := range []string{"HTTP/2", "HTTP/1.1"} {
		t.Run(version, func(t *testing.T) {
			s := startServer(t, version == "HTTP/2", echo(func(string) string { return `{"message_id":"1"}` }))
			var broken atomic.Bool
			c := newClient(t, s, Legacy, func(c *Config) {
				c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
					conn, err := new(net.Dialer).DialContext(ctx, network, addr)
					return brokenConn{conn, &broken}, err
				}
			})
			if out := deliver(t, t.Context(), c, "a"); out[0].Class != sender.Accepted {
				t.Fatal(count(out))
			}
			broken.Store(true)
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

func TestHTTP1(t *testing.T) {
	s := newHTTP1Server(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		if r.URL.Path != legacyPath {
			accept(w)
			return
		}
		echo(func(string) string { return `{"message_id":"1"}` })(w, r, body)
	})
	for _, p := range []Protocol{V1, Legacy} {
		if n := count(deliver(t, t.Context(), newClient(t, s, p, nil), ids(100)...)); n["accepted"] != 100 {
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

func TestCloseAndSendAgain(t *testing.T) {
	began, end := make(chan struct{}, 1), make(chan struct{})
	s := newServer(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		if fcmToken(body) == "waits" {
			began <- struct{}{}
			<-end
		}
		accept(w)
	})
	defer close(end)
	c := newClient(t, s, V1, nil)
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

func TestAnswersAreCapped(t *testing.T) {
	pad := func(text string, size int) string { return text + strings.Repeat(" ", size-len(text)) }
	for _, row := range []struct {
		p      Protocol
		size   int
		answer string
		want   sender.Class
	}{
		{V1, maxFCMAnswer, `{"name":"n"}`, sender.Accepted}, {V1, maxFCMAnswer + 1, `{"name":"n"}`, sender.Uncertain},
		{Legacy, maxLegacyAnswer, `{"message_id":1}`, sender.Accepted}, {Legacy, maxLegacyAnswer + 1, `{"message_id":1}`, sender.Uncertain},
	} {
		s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			_, _ = io.WriteString(w, pad(row.answer, row.size))
		})
		if out := deliver(t, t.Context(), newClient(t, s, row.p, nil), "a"); out[0].Class != row.want {
			t.Errorf("%s %d bytes: %v", row.p, row.size, count(out))
		}
	}
}
