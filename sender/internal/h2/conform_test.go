package h2

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/volleypush/volley/sender/simulator"
)

// The conformance suite: the same requests, over this engine and over net/http, to servers that nobody wrote for us, with the
// same outcomes demanded of both. Here it runs against Go's own server; peers_test.go has the servers that must be installed.

// probe is one request and what must become of it.
type probe struct {
	name, path, body string
	times            int // 1 if 0
	want             outcome
}

// outcome is what became of a request.
type outcome struct {
	Lost   bool // no complete answer, and it may have been processed
	Status int
	ID     string // field x-id
	Body   string
}

// client sends requests to a server that may leave, as long as each is certainly not processed twice.
type client interface {
	send(t *testing.T, requests []Request) []outcome
}

// conform runs the probes on both clients. width is how many requests net/http has in the air: before SETTINGS come it believes
// that it may have 100.
func conform(t *testing.T, address string, roots *x509.CertPool, width int, probes []probe) {
	t.Helper()
	for name, c := range map[string]client{"pipelined": &piped{address: address, roots: roots}, "nethttp": newOracle(t, address, roots, width)} {
		for _, p := range probes {
			t.Run(name+"/"+p.name, func(t *testing.T) {
				template := &Template{Authority: address, Path: p.path, Fields: []Field{{"x-echo", "e-1"}, {"content-type", "application/json"}}, Before: []byte(p.body)}
				requests := make([]Request, max(p.times, 1))
				for i := range requests {
					requests[i] = Request{Template: template, Path: fmt.Sprintf("?%d", i), Index: i}
				}
				for i, got := range c.send(t, requests) {
					if got != p.want {
						got.Body, p.want.Body = clip(got.Body), clip(p.want.Body)
						t.Fatalf("request %d: %+v, want %+v", i, got, p.want)
					}
				}
			})
		}
	}
}

func clip(s string) string { return s[:min(len(s), 200)] }

// piped is this engine, with as much of a pool as the suite needs: one connection after another.
type piped struct {
	address string
	roots   *x509.CertPool
}

// open opens a connection; nil if the server was just leaving.
func (c *piped) open(t *testing.T) (*Conn, *told) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", c.address)
	if err != nil {
		t.Fatal(err)
	}
	h := newTold()
	conn, err := Open(ctx, raw, &tls.Config{RootCAs: c.roots, ServerName: "localhost"}, Config{Handler: h, Keep: [keepFields]string{"x-id"}, MaxBody: 1 << 20})
	if err != nil {
		t.Log(err)
		return nil, nil
	}
	return conn, h
}

func (c *piped) send(t *testing.T, requests []Request) []outcome {
	out := make([]outcome, len(requests))
	waiting := slices.Clone(requests)
	for dials := 0; len(waiting) > 0; dials++ {
		if dials > len(requests)+3 {
			t.Fatalf("%d requests are left after %d connections", len(waiting), dials)
		}
		conn, h := c.open(t)
		if conn == nil {
			continue
		}
		waiting = c.sendOn(t, conn, h, waiting, out)
		conn.Close()
	}
	return out
}

// sendOn sends on one connection and returns what it certainly did not process.
func (c *piped) sendOn(t *testing.T, conn *Conn, h *told, waiting []Request, out []outcome) (again []Request) {
	byIndex := make(map[int]Request)
	for flying := 0; flying > 0 || len(waiting) > 0 && conn.Err() == nil; {
		n := conn.Begin(waiting)
		for _, r := range waiting[:n] {
			byIndex[r.Index] = r
		}
		waiting = waiting[n:]
		if flying += n; flying == 0 {
			select {
			case <-h.changes:
			case <-time.After(patience):
				t.Fatal("no stream becomes free")
			}
			continue
		}
		a := h.next(t)
		flying--
		switch a.Fate {
		case Answered:
			out[a.Index] = outcome{Status: a.Status, ID: a.Kept[0].String(), Body: string(a.Body)}
		case Lost, Withdrawn:
			out[a.Index] = outcome{Lost: true}
		default:
			again = append(again, byIndex[a.Index])
		}
	}
	return append(again, waiting...)
}

// oracle is net/http.
type oracle struct {
	http    *http.Client
	address string
	width   int
}

func newOracle(t *testing.T, address string, roots *x509.CertPool, width int) *oracle {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}, DisableCompression: true, Protocols: new(http.Protocols), MaxConnsPerHost: 1,
	}
	transport.Protocols.SetHTTP2(true)
	var mu sync.Mutex
	var open []net.Conn
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			open = append(open, conn)
		}
		return conn, err
	}
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range open { // the transport itself forgets those that the server is leaving
			_ = conn.Close()
		}
	})
	return &oracle{&http.Client{Transport: transport, Timeout: patience}, address, width}
}

func (o *oracle) send(t *testing.T, requests []Request) []outcome {
	out := make([]outcome, len(requests))
	var wg sync.WaitGroup
	gate := make(chan struct{}, o.width)
	for i := range requests {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			out[i] = o.one(t, &requests[i])
		})
	}
	wg.Wait()
	return out
}

func (o *oracle) one(t *testing.T, r *Request) outcome {
	text := r.appendText(nil)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+o.address+r.Template.Path+r.Path, bytes.NewReader(text))
	if err != nil {
		t.Error(err)
		return outcome{}
	}
	for _, f := range r.Fields {
		request.Header.Set(f.Name, f.Value)
	}
	response, err := o.http.Do(request)
	if err != nil {
		return outcome{Lost: true}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return outcome{Lost: true}
	}
	return outcome{Status: response.StatusCode, ID: response.Header.Get("X-Id"), Body: string(body)}
}

// behaviour is the handler that servers with a programme have, in Go; peers_test.go has it in JavaScript.
func behaviour(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Set("X-Id", r.Header.Get("X-Echo"))
	switch r.URL.Path {
	case "/empty":
	case "/gone":
		w.WriteHeader(http.StatusGone)
		_, _ = io.WriteString(w, gone)
	case "/echo":
		_, _ = w.Write(body)
	case "/long":
		_, _ = io.WriteString(w, long)
	case "/hints":
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "ok")
	case "/trailers":
		w.Header().Set("Trailer", "X-Late")
		_, _ = io.WriteString(w, "ok")
		w.Header().Set("X-Late", "x")
	case "/cut":
		_, _ = io.WriteString(w, strings.Repeat("x", 5000))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "/reset":
		panic(http.ErrAbortHandler)
	}
}

const gone = `{"reason":"Unregistered","timestamp":1795430000123}`

var long = strings.Repeat("0123456789abcdef", 20_000) // more than a window of 65,535

// programmed are the probes of a server with a programme.
func programmed() []probe {
	return []probe{
		{name: "empty", path: "/empty", body: "{}", times: 500, want: outcome{Status: 200, ID: "e-1"}},
		{name: "no body", path: "/empty", times: 20, want: outcome{Status: 200, ID: "e-1"}},
		{name: "gone", path: "/gone", body: "{}", times: 200, want: outcome{Status: 410, ID: "e-1", Body: gone}},
		{name: "echo", path: "/echo", body: `{"a":"b"}`, times: 200, want: outcome{Status: 200, ID: "e-1", Body: `{"a":"b"}`}},
		{name: "long request", path: "/echo", body: long, times: 5, want: outcome{Status: 200, ID: "e-1", Body: long}},
		{name: "long answer", path: "/long", body: "{}", times: 5, want: outcome{Status: 200, ID: "e-1", Body: long}},
		{name: "early hints", path: "/hints", body: "{}", times: 20, want: outcome{Status: 200, ID: "e-1", Body: "ok"}},
		{name: "trailers", path: "/trailers", body: "{}", times: 20, want: outcome{Status: 200, ID: "e-1", Body: "ok"}},
		{name: "cut", path: "/cut", body: "{}", times: 5, want: outcome{Lost: true}},
		{name: "reset", path: "/reset", body: "{}", times: 5, want: outcome{Lost: true}},
		{name: "after all that", path: "/empty", body: "{}", want: outcome{Status: 200, ID: "e-1"}},
	}
}

// TestConformanceWithGo: Go's own server, with large and small windows and limits, and one that leaves again and again.
func TestConformanceWithGo(t *testing.T) {
	for name, config := range map[string]*http.HTTP2Config{
		"large": {},
		"small": {MaxConcurrentStreams: 3, MaxDecoderHeaderTableSize: 1, MaxReadFrameSize: 16 << 10, MaxReceiveBufferPerStream: 1 << 10, MaxReceiveBufferPerConnection: 64 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(behaviour))
			server.Config.HTTP2, server.EnableHTTP2 = config, true
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			roots := startWith(t, server)
			conform(t, server.Listener.Addr().String(), roots, map[string]int{"large": 20, "small": 1}[name], programmed())
		})
	}
}

// startWith starts a server with a certificate for localhost.
func startWith(t *testing.T, server *httptest.Server) *x509.CertPool {
	t.Helper()
	authority, certificate := identity(t)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return authority.Pool()
}

func identity(t testing.TB) (*simulator.Authority, tls.Certificate) {
	t.Helper()
	authority, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.ServerCertificate("localhost")
	if err != nil {
		t.Fatal(err)
	}
	return authority, certificate
}

// TestServerThatLeaves: Go's server shuts down in the middle, and each request is processed once, by it or by its successor.
func TestServerThatLeaves(t *testing.T) {
	authority, certificate := identity(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var mu sync.Mutex
	processed := map[string]int{}
	served, leave := 0, make(chan struct{}, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		processed[r.URL.RawQuery]++
		if served++; served%50 == 0 {
			select {
			case leave <- struct{}{}:
			default:
			}
		}
	})
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: patience}
			one := &once{conn: make(chan net.Conn, 1), done: done}
			one.conn <- tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}})
			wg.Go(func() { _ = server.Serve(one) })
			wg.Go(func() {
				select {
				case <-leave:
				case <-done:
				}
				_ = server.Shutdown(context.WithoutCancel(t.Context()))
				_ = raw.Close() // it may have come too late to be served
			})
		}
	})
	c := &piped{address: listener.Addr().String(), roots: authority.Pool()}
	template := &Template{Authority: "localhost", Path: "/", Before: []byte("{}")}
	requests := make([]Request, 1000)
	for i := range requests {
		requests[i] = Request{Template: template, Path: fmt.Sprintf("?%d", i), Index: i}
	}
	for i, got := range c.send(t, requests) {
		if got.Status != 200 {
			t.Fatalf("request %d: %+v", i, got)
		}
	}
	close(done)
	_ = listener.Close()
	wg.Wait()
	for query, n := range processed {
		if n != 1 {
			t.Errorf("request %s is processed %d times", query, n)
		}
	}
	if len(processed) != len(requests) {
		t.Errorf("%d of %d requests are processed", len(processed), len(requests))
	}
}

// once is a listener with one connection.
type once struct {
	conn chan net.Conn
	done chan struct{}
}

func (o *once) Accept() (net.Conn, error) {
	select {
	case conn := <-o.conn:
		return conn, nil
	case <-o.done:
		return nil, errors.New("no more")
	}
}
func (*once) Close() error   { return nil }
func (*once) Addr() net.Addr { return &net.TCPAddr{} }
