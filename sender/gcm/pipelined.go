package gcm

import (
	"context"
	"crypto/tls"
	"net"
	"slices"

	"github.com/volleypush/volley/sender/internal/h2"
)

// The fields of an answer that say something.
const keptRetryAfter = 0

// pipe is a connection over the engine of sender/internal/h2: messages are written ahead in batches, and one read may bring hundreds of
// answers.
type pipe struct {
	pool *pool
	conn *conn
	h2   *h2.Conn
}

// openPipe opens a pipelined connection.
func (p *pool) openPipe(ctx context.Context) (*conn, error) {
	raw, err := p.config.Dial(ctx, "tcp", p.address)
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(p.address) // made by JoinHostPort, or by url.Parse
	c := &pipe{pool: p, conn: &conn{}}
	c.conn.carrier = c
	config := h2.Config{
		Handler: c, Keep: [3]string{keptRetryAfter: "retry-after"}, MaxStreams: p.config.Streams, MaxBody: maxFCMAnswer,
		// Google's front ends take idle connections that are pinged often for abuse.
		IdlePing: pingAfter,
	}
	c.h2, err = h2.Open(ctx, raw, &tls.Config{RootCAs: p.config.RootCAs, MinVersion: tls.VersionTLS12, ServerName: host}, config)
	if err != nil {
		return nil, err
	}
	return c.conn, nil
}

func (c *pipe) capacity() int { return c.h2.Capacity() }

func (c *pipe) over() bool { return c.h2.Err() != nil }

// close lets the connection end by itself: what is in the air on it is told to its handler, which needs the pool's mutex.
func (c *pipe) close() {
	go c.h2.Close()
	c.pool.ending = append(slices.DeleteFunc(c.pool.ending, isClosed), c.h2.Done())
}

func isClosed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// Changed implements h2.Handler. It is rare, and the reader goes on meanwhile.
func (c *pipe) Changed() {
	go func() {
		c.pool.mu.Lock()
		defer c.pool.mu.Unlock()
		c.pool.serve()
	}()
}

// Settled implements h2.Handler. Answers of the same delivery usually come one after another. The streams are given to
// others last: an answer may be a reason to begin nothing more.
func (c *pipe) Settled(answers []h2.Answer) {
	answered := slices.ContainsFunc(answers, func(a h2.Answer) bool { return a.Fate == h2.Answered })
	c.pool.mu.Lock()
	c.conn.running -= len(answers)
	c.conn.warm = c.conn.warm || answered
	cold := !c.conn.warm
	c.pool.mu.Unlock()
	for rest := answers; len(rest) > 0; {
		l := rest[0].Owner.(*leg)
		n := slices.IndexFunc(rest, func(a h2.Answer) bool { return a.Owner != l })
		if n < 0 {
			n = len(rest)
		}
		l.flow.landed(l, rest[:n], cold)
		rest = rest[n:]
	}
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	c.pool.serve()
}
