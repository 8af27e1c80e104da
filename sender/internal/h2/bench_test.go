package h2

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"testing"

	"golang.org/x/net/http2"
)

// lean is the other end of a benchmark: it answers each whole request with status 200, what one read brought in one write.
func lean(conn net.Conn) {
	defer conn.Close()
	in, out := make([]byte, 0, 128<<10), []byte{0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 3, 0xe8, 0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0, 0, 0}
	skip, body := len(http2.ClientPreface), 0
	for {
		if _, err := conn.Write(out); err != nil {
			return
		}
		out = out[:0]
		n, err := conn.Read(in[len(in):cap(in)])
		if err != nil {
			return
		}
		in = in[:len(in)+n]
		at := min(skip, len(in))
		skip -= at
		for len(in)-at >= frameHeader {
			length := int(in[at])<<16 | int(in[at+1])<<8 | int(in[at+2])
			if len(in)-at < frameHeader+length {
				break
			}
			switch kind, flags := in[at+3], in[at+4]; {
			case kind == 0:
				body += length
				if flags&1 != 0 {
					out = appendFrameHeader(out, 1, http2.FrameHeaders, 5, binary.BigEndian.Uint32(in[at+5:]))
					out = append(out, 0x88)
				}
			case kind == 4 && flags&1 == 0:
				out = append(out, 0, 0, 0, 4, 1, 0, 0, 0, 0)
			case kind == 6 && flags&1 == 0:
				out = append(appendFrameHeader(out, 8, http2.FramePing, 1, 0), in[at+frameHeader:at+frameHeader+8]...)
			}
			at += frameHeader + length
		}
		in = in[:copy(in, in[at:])]
		if body > 1<<20 {
			out = binary.BigEndian.AppendUint32(append(out, 0, 0, 4, 8, 0, 0, 0, 0, 0), uint32(body))
			body = 0
		}
	}
}

// refill keeps a connection full.
type refill struct {
	mu       sync.Mutex
	c        *Conn
	requests []Request
	left     int // to be begun
	flying   int
	done     chan struct{}
}

func (r *refill) Changed() {}

func (r *refill) Settled(answers []Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flying -= len(answers); r.flying == 0 && r.left == 0 {
		r.done <- struct{}{}
	}
	r.begin()
}

func (r *refill) begin() {
	n := r.c.Begin(r.requests[:min(r.left, len(r.requests))])
	r.left -= n
	r.flying += n
}

func (r *refill) run(n int) {
	r.mu.Lock()
	r.left = n
	r.begin()
	r.mu.Unlock()
	<-r.done
}

// full opens a connection over TLS to a lean server in this process.
func full(tb testing.TB) *refill {
	tb.Helper()
	authority, certificate := identity(tb)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = listener.Close() })
	go func() {
		if conn, err := listener.Accept(); err == nil {
			lean(conn)
		}
	}()
	return open(tb, listener.Addr().String(), authority.Pool())
}

func open(tb testing.TB, address string, roots *x509.CertPool) *refill {
	tb.Helper()
	raw, err := net.Dial("tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	r := &refill{done: make(chan struct{}, 1)}
	if r.c, err = Open(tb.Context(), raw, &tls.Config{RootCAs: roots, ServerName: "localhost"}, Config{Handler: r, Keep: [keepFields]string{"x-id"}}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.c.Close)
	template := *plain
	template.Batch = 100
	for i := range 1000 {
		r.requests = append(r.requests, Request{
			Template: &template, Path: fmt.Sprintf("%064x", i), Own: "123e4567-e89b-12d3-a456-426614174000", Owner: r, Index: i,
		})
	}
	return r
}

// BenchmarkRequests is one request with everything that both ends of a connection do for it, in one process. `worker bench`
// has the other end in a process of its own.
func BenchmarkRequests(b *testing.B) {
	r := full(b)
	r.run(2000)
	b.ReportAllocs()
	b.ResetTimer()
	r.run(b.N)
}

// TestNothingIsAllocatedForARequest: what crypto/tls allocates for a record is shared by the hundred requests in it.
func TestNothingIsAllocatedForARequest(t *testing.T) {
	r := full(t)
	r.run(20_000)
	const n = 20_000
	if per := testing.AllocsPerRun(3, func() { r.run(n) }) / n; per > 0.1 {
		t.Errorf("%.2f allocations per request", per)
	}
}
