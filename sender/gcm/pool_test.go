package gcm

import (
	"context"
	"encoding/binary"
	"net"
	"strings"
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
	onEngines(t, testGoAwayAboveTheStreamGoesOutOnceMore)
}

func testGoAwayAboveTheStreamGoesOutOnceMore(t *testing.T, e Engine) {
	s := newRawServer(t, 1000, nil, func(c *rawConn, stream uint32) {
		if c.number == 1 {
			c.goAway(0, "")
			return
		}
		c.answer(stream)
	})
	out := deliver(t, t.Context(), s.clientOn(t, e, nil), "abc")
	if out[0].Class != sender.Accepted || s.conns.Load() != 2 || s.streams.Load() != 2 {
		t.Errorf("%v, %d connections, %d requests", count(out), s.conns.Load(), s.streams.Load())
	}
}

// net/http's own pool opens thousands of connections here.
func TestServerThatRefusesPolitelyMeetsNoStorm(t *testing.T) {
	onEngines(t, testServerThatRefusesPolitelyMeetsNoStorm)
}

func testServerThatRefusesPolitelyMeetsNoStorm(t *testing.T, e Engine) {
	s := newRawServer(t, 1000, nil, func(c *rawConn, _ uint32) {
		c.goAway(0, "go away")
		_ = c.Close()
	})
	out := deliver(t, t.Context(), s.clientOn(t, e, nil), ids(50)...)
	n := count(out)
	if n["unsent ConnectionFailed"]+n["unsent RequestRefused"] != 50 {
		t.Error(n)
	}
	if s.conns.Load() > maxLosses+1 {
		t.Errorf("%d connections", s.conns.Load())
	}
}

func TestConnectionThatEndsBeforeAnyRequest(t *testing.T) {
	onEngines(t, testConnectionThatEndsBeforeAnyRequest)
}

func testConnectionThatEndsBeforeAnyRequest(t *testing.T, e Engine) {
	for name, limit := range map[string]uint32{"GOAWAY": 1000, "no streams": 0} {
		if e == EnginePipelined && limit == 0 {
			continue // it is waited for: TestFirstLimitIsNothing
		}
		t.Run(name, func(t *testing.T) {
			var c *Client
			s := newRawServer(t, limit, func(r *rawConn) {
				if limit > 0 {
					r.goAway(0, "")
				}
				// The client has read all this when it answers the ping, or has hung up.
				r.frame(framePing, 0, 0, make([]byte, 8))
				for kind, flags := byte(0), byte(0); kind != framePing || flags != flagAck; {
					var err error
					if kind, flags, _, _, err = r.next(); err != nil {
						break
					}
				}
				c.pool.mu.Unlock()
			}, func(*rawConn, uint32) {})
			c = s.clientOn(t, e, func(config *Config) {
				config.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
					c.pool.mu.Lock() // so that no request is granted before
					return new(net.Dialer).DialContext(ctx, network, addr)
				}
			})
			out := deliver(t, t.Context(), c, ids(20)...)
			if n := count(out); n["unsent ConnectionFailed"] != 20 {
				t.Fatal(n)
			}
			if got := out[0].Reason.Description; !strings.HasSuffix(got, errStillborn.Error()) {
				t.Error(got)
			}
			if s.conns.Load() > 5 {
				t.Errorf("%d connections", s.conns.Load())
			}
		})
	}
}

// A limit of 0 means wait, on the one connection that there is.
func TestFirstLimitIsNothing(t *testing.T) {
	var done atomic.Bool
	s := newRawServer(t, 0, func(r *rawConn) {
		r.frame(framePing, 0, 0, make([]byte, 8))
		for kind := byte(0); kind != framePing; {
			var err error
			if kind, _, _, _, err = r.next(); err != nil {
				if !done.Load() { // a connection that came too late to be needed is closed with the client
					t.Error("it did not wait on its connection:", err)
				}
				return
			}
			if kind == frameHeaders {
				t.Error("a request over the limit of 0")
				return
			}
		}
		r.frame(frameSettings, 0, 0, binary.BigEndian.AppendUint32([]byte{0, 3}, 5))
	}, func(c *rawConn, stream uint32) { c.answer(stream) })
	out := deliver(t, t.Context(), s.client(t, nil), ids(50)...)
	done.Store(true)
	if n := count(out); n["accepted"] != 50 || s.most.Load() > 5 {
		t.Errorf("%v, %d at once", n, s.most.Load())
	}
	if n := s.conns.Load(); n > DefaultConnections {
		t.Errorf("%d connections", n)
	}
}

// A limit of 0 that stays is not waited for for ever.
func TestNoStreamInTime(t *testing.T) {
	s := newRawServer(t, 0, nil, func(*rawConn, uint32) {})
	out := deliver(t, t.Context(), s.client(t, func(c *Config) { c.RequestTimeout = 300 * time.Millisecond }), ids(20)...)
	if n := count(out); n["unsent ConnectionFailed"] != 20 || s.conns.Load() != 1 {
		t.Errorf("%v on %d connections", n, s.conns.Load())
	}
}

// A server that takes requests and says nothing is noticed once: the first request is uncertain, all others go back at once.
func TestStalledServerIsNoticedOnce(t *testing.T) {
	s := newRawServer(t, 1000, nil, func(*rawConn, uint32) {})
	began := time.Now()
	out := deliver(t, t.Context(), s.client(t, func(c *Config) { c.RequestTimeout = 500 * time.Millisecond }), ids(20)...)
	if n := count(out); n["uncertain AnswerTimeout"] != 1 || n["unsent ConnectionFailed"] != 19 || s.conns.Load() != 1 {
		t.Errorf("%v on %d connections", n, s.conns.Load())
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

// One that stalls after it has worked, too: what is in the air is uncertain, the rest goes back.
func TestServerThatStallsLater(t *testing.T) {
	s := newRawServer(t, 10, nil, func(c *rawConn, stream uint32) {
		if stream < 40 {
			c.answer(stream)
		}
	})
	out := deliver(t, t.Context(), s.client(t, func(c *Config) { c.RequestTimeout, c.Connections = 100*time.Millisecond, 1 }), ids(100)...)
	if n := count(out); n["accepted"] != 20 || n["uncertain AnswerTimeout"] != 10 || n["unsent ConnectionFailed"] != 70 || s.conns.Load() != 1 {
		t.Errorf("%v on %d connections", n, s.conns.Load())
	}
}

// A server that allows one request at a time never sees two, from its first frame on.
func TestServersLimitIsObeyed(t *testing.T) { onEngines(t, testServersLimitIsObeyed) }

func testServersLimitIsObeyed(t *testing.T, e Engine) {
	s := newRawServer(t, 1, nil, func(c *rawConn, stream uint32) { c.answer(stream) })
	out := deliver(t, t.Context(), s.clientOn(t, e, func(c *Config) { c.Connections = 1 }), ids(200)...)
	if count(out)["accepted"] != 200 || s.conns.Load() != 1 || s.most.Load() != 1 {
		t.Errorf("%v on %d connections, %d at once", count(out), s.conns.Load(), s.most.Load())
	}
}

// A connection that is full by the server's own limit makes the next request take another one.
func TestFullConnectionIsLeftAlone(t *testing.T) { onEngines(t, testFullConnectionIsLeftAlone) }

func testFullConnectionIsLeftAlone(t *testing.T, e Engine) {
	second := make(chan struct{})
	s := newRawServer(t, 1, nil, func(c *rawConn, stream uint32) {
		if c.number == 2 {
			close(second)
		} else if stream > 1 { // answered when the other connection is in use
			select {
			case <-second:
			case <-t.Context().Done():
			}
		}
		c.answer(stream)
	})
	out := deliver(t, t.Context(), s.clientOn(t, e, func(c *Config) { c.Connections = 2 }), ids(3)...)
	if count(out)["accepted"] != 3 || s.conns.Load() != 2 {
		t.Errorf("%v on %d connections", count(out), s.conns.Load())
	}
}

// doneAtOnce is a context that ends between the check and the wait.
type doneAtOnce struct {
	context.Context
	done chan struct{}
}

func (c doneAtOnce) Done() <-chan struct{} { return c.done }

func TestSlotGrantedTooLateIsGivenBack(t *testing.T) { onEngines(t, testSlotGrantedTooLateIsGivenBack) }

func testSlotGrantedTooLateIsGivenBack(t *testing.T, e Engine) {
	s := newRawServer(t, 1000, nil, func(c *rawConn, stream uint32) { c.answer(stream) })
	c := s.clientOn(t, e, nil)
	deliver(t, t.Context(), c, "abc")
	ctx := doneAtOnce{t.Context(), make(chan struct{})}
	close(ctx.done)
	for range 50 {
		if conn, _ := c.pool.acquire(ctx); conn != nil {
			c.pool.release(conn, true)
		}
	}
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	if n := c.pool.conns[0].running; n != 0 {
		t.Errorf("%d slots are lost", n)
	}
}
