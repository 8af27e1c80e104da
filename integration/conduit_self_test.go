package integration

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// echo answers every connection with what it says.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	return l.Addr().String()
}

// TestConduit holds the conduit to what it says of itself: a mild one would let every test behind it pass.
func TestConduit(t *testing.T) {
	t.Parallel()
	const said = 1000
	tests := []struct {
		name string
		do   func(*conduit)
		// back is how many bytes come back in all; late is how long the last of them takes, at least.
		back int
		late time.Duration
		// end is what the client reads behind them.
		end error
	}{
		{"nothing", func(*conduit) {}, said, 0, os.ErrDeadlineExceeded},
		{"a delay", func(r *conduit) { r.set(weather{delay: 60 * time.Millisecond}) }, said, 120 * time.Millisecond, os.ErrDeadlineExceeded},
		{"every piece lost", func(r *conduit) { r.set(weather{loss: 1}) }, said, 2 * retransmission, os.ErrDeadlineExceeded},
		{"a rate", func(r *conduit) { r.set(weather{rate: 10 * said}) }, said, 100 * time.Millisecond, os.ErrDeadlineExceeded},
		{"silence", func(r *conduit) { r.set(weather{stalled: true}) }, 0, 0, os.ErrDeadlineExceeded},
		{"a cut on the way back", func(r *conduit) { r.cut(said + 300) }, 300, 0, syscall.ECONNRESET},
		{"a cut on the way there", func(r *conduit) { r.cut(said - 1) }, 0, 0, syscall.ECONNRESET},
		{"half-open", (*conduit).forget, 0, 0, os.ErrDeadlineExceeded},
	}
	target := echo(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := startConduit(t, target)
			c, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			buffer := make([]byte, 2*said)
			buffer[0] = 1
			if _, err := c.Write(buffer[:1]); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, buffer[:1]); err != nil { // it is through to the other end
				t.Fatal(err)
			}
			test.do(r)
			began := time.Now()
			if _, err := c.Write(buffer[:said]); err != nil {
				t.Fatal(err)
			}
			got, took := 0, time.Duration(0)
			for err == nil {
				patience := 20 * time.Second
				if got == test.back { // more would be too much
					patience = 100 * time.Millisecond
				}
				_ = c.SetReadDeadline(time.Now().Add(patience))
				var n int
				n, err = c.Read(buffer)
				if got += n; n > 0 {
					took = time.Since(began)
				}
			}
			// A reset may take with it what the client has not read yet.
			if got > test.back || got < test.back && errors.Is(test.end, os.ErrDeadlineExceeded) {
				t.Errorf("%d bytes came back, not %d", got, test.back)
			}
			if took < test.late {
				t.Errorf("the last byte came back after %s, not after %s", took, test.late)
			}
			if !errors.Is(err, test.end) {
				t.Errorf("the connection ended with %v, not with %v", err, test.end)
			}
		})
	}
}
