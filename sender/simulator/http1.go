package simulator

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/volleypush/volley/sender/simulator/h2sim"
)

// http1 serves the connections that chose HTTP/1.1, with net/http. They are no matter of benchmarks, and what HTTP/2 knows
// of faults of streams has no counterpart there.
type http1 struct {
	endpoint *Endpoint
	server   *http.Server
	queue    *queue
	served   chan struct{}
}

func newHTTP1(e *Endpoint) *http1 {
	h := &http1{endpoint: e, queue: &queue{conns: make(chan net.Conn), closed: make(chan struct{}), addr: e.addr}, served: make(chan struct{})}
	h.server = &http.Server{
		Handler:           http.HandlerFunc(h.answer),
		ErrorLog:          log.New(io.Discard, "", 0),
		ReadHeaderTimeout: headerTimeout,
		Protocols:         new(http.Protocols),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if own, ok := c.(*http1Conn); ok {
				return context.WithValue(ctx, http1Key{}, own)
			}
			return ctx
		},
	}
	h.server.Protocols.SetHTTP1(true)
	go func() {
		defer close(h.served)
		_ = h.server.Serve(h.queue) // it ends with ErrServerClosed, by close
	}()
	return h
}

// close ends all connections and waits for the server; the endpoint waits for the connections.
func (h *http1) close() error {
	err := h.server.Close()
	<-h.served
	return err
}

type http1Key struct{}

// http1Conn is a connection in net/http's hands. Its end is when net/http closes it and no handler is at work on it.
type http1Conn struct {
	net.Conn
	handler h2sim.Handler
	once    sync.Once
	over    chan struct{}

	mu    sync.Mutex
	ended bool
	busy  sync.WaitGroup
}

// enter counts a handler, unless the connection is over.
func (c *http1Conn) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.busy.Add(1)
	}
	return !c.ended
}

// Close implements net.Conn.
func (c *http1Conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { close(c.over) })
	return err
}

// serve hands a connection over and returns at its end.
func (h *http1) serve(l *Connection) {
	c := &http1Conn{Conn: l.secured, handler: h.endpoint.options.Connect(l), over: make(chan struct{})}
	select {
	case h.queue.conns <- c:
	case <-h.queue.closed:
		_ = c.Close()
	}
	<-c.over
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.busy.Wait()
}

// answer puts a request into the form of HTTP/2, and the answer back.
func (h *http1) answer(w http.ResponseWriter, r *http.Request) {
	c, ok := r.Context().Value(http1Key{}).(*http1Conn)
	if !ok || !c.enter() {
		panic(http.ErrAbortHandler) // the connection is being cut, no answer may be given any more
	}
	defer c.busy.Done()
	limit := h.endpoint.options.MaxBody
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(limit)+1))
	if err != nil {
		panic(http.ErrAbortHandler) // the client broke off: the service never had the whole request
	}
	h.endpoint.stats.Requests.Add(1)
	response := c.handler.Answer(&h2sim.Request{
		Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Authority: r.Host, Header: fieldsOf(r.Header),
		Body: body[:min(len(body), limit)], Oversize: len(body) > limit,
	})
	if wait(r.Context(), &response) != nil || response.Reset != nil && response.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	for _, status := range response.Informational {
		w.WriteHeader(status)
	}
	for _, field := range response.Header {
		w.Header().Set(field.Name, field.Value)
	}
	for _, field := range response.Trailer {
		w.Header().Set(http.TrailerPrefix+field.Name, field.Value)
	}
	w.WriteHeader(response.Status)
	if response.Reset != nil {
		_, _ = w.Write(response.Body[:len(response.Body)/2])
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(response.Body) // the client has gone
}

// wait lets the answer's time pass. Its error is that the client has gone, or the simulator is closing.
func wait(ctx context.Context, r *h2sim.Response) error {
	if !r.Never && r.Latency <= 0 {
		return nil
	}
	var due <-chan time.Time
	if !r.Never {
		timer := time.NewTimer(r.Latency)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-due:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// queue is a listener of connections that were accepted elsewhere.
type queue struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	addr   net.Addr
}

// Accept implements net.Listener.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.closed:
		return nil, errors.New("closed")
	}
}

// Close implements net.Listener.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}

// Addr implements net.Listener.
func (q *queue) Addr() net.Addr { return q.addr }
