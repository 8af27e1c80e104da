package apns

import (
	"context"
	"net"
	"time"
)

const (
	// binaryWriteTimeout is how long one write may take (pushjack-surface §5.1: write wait).
	binaryWriteTimeout = 10 * time.Second
	// lastWords is how long a connection that can't be written any more is read for the packet that says why.
	lastWords = 2 * time.Second
)

// binaryConn is a TLS connection that can also be cut without a word.
type binaryConn interface {
	net.Conn
	NetConn() net.Conn
}

// session is one connection to the gateway, from its dial to its end. What is written on it is kept until the end says what
// became of it.
type session struct {
	gateway *gateway
	era     *era
	conn    binaryConn

	over   chan struct{} // closed when the gateway has spoken, or never will
	packet *packet       // set before over is closed, nil if it never spoke
	err    error         // why not

	barrier     bool // a barrier was written
	writeFailed bool

	// Guarded by the gateway's lock:
	written   []binaryFlight      // the identifier is the position, from 1
	calls     map[*binaryCall]int // how many of each call are in written, without those that have ended
	fullSince time.Time           // when the first call had all of its recipients written
	quit      chan struct{}       // closed when nobody wants to know the end any more
	left      bool
}

// run is the session's life.
func (s *session) run() {
	dialing, cancel := context.WithTimeout(s.era.ctx, s.gateway.dialTimeout)
	conn, err := s.gateway.dial(dialing)
	cancel()
	if err != nil {
		s.gateway.dialFailed(s, err)
		return
	}
	s.conn = conn
	defer context.AfterFunc(s.era.ctx, s.cut)()
	s.era.wg.Go(s.read)
	if s.fill() {
		if len(s.written) > 0 {
			s.seal()
		}
		s.gateway.sealed(s)
	}
	select {
	case <-s.over:
	case <-s.quit:
	}
	s.cut()
	<-s.over
	s.gateway.settle(s)
}

// read waits for the one thing that the gateway may say. After it nothing that is written counts, so a write that hangs ends.
func (s *session) read() {
	s.packet, s.err = readPacket(s.conn)
	close(s.over)
	s.cut()
}

func (s *session) cut() { _ = s.conn.NetConn().Close() }

// fill writes batches as long as there are some. It answers true if the session is as good as new after the last.
func (s *session) fill() bool {
	var buffer []byte
	for {
		select {
		case <-s.over:
			return false
		case <-s.quit:
			return false
		default:
		}
		batch := s.gateway.next(s)
		if len(batch) == 0 {
			return true
		}
		identifier := uint32(len(s.written) - len(batch)) //nolint:gosec // at most maxWritten
		ends := make([]int, len(batch))
		buffer = buffer[:0]
		for i, f := range batch {
			identifier++
			m := f.call.message
			m.payload = f.call.request.payload(f.recipient, m.payload)
			buffer = m.append(buffer, f.call.request.Tokens[f.recipient], identifier)
			ends[i] = len(buffer)
		}
		n, err := s.write(buffer)
		whole := 0
		for whole < len(ends) && ends[whole] <= n {
			whole++
		}
		s.gateway.wrote(s, batch, whole)
		if err != nil {
			s.writeFailed = true
			return false
		}
	}
}

// seal writes the barrier.
func (s *session) seal() {
	_, err := s.write(appendBarrier(nil, uint32(len(s.written)+1))) //nolint:gosec // at most maxWritten and one
	s.barrier = err == nil
}

// write writes at once what it is given. n counts what the gateway can read: TLS makes a record of each 16 KiB, and one that
// was not written to its end can't be deciphered. After an error the packet that may explain it is still read, not longer than for
// lastWords.
func (s *session) write(data []byte) (n int, err error) {
	_ = s.conn.SetWriteDeadline(time.Now().Add(binaryWriteTimeout))
	if n, err = s.conn.Write(data); err != nil {
		_ = s.conn.SetReadDeadline(time.Now().Add(lastWords))
	}
	return n, err
}

// forget takes out a call that has ended. The caller holds the gateway's lock; so for the next ones.
func (s *session) forget(c *binaryCall) {
	delete(s.calls, c)
	s.closeIfForgotten()
}

// closeIfForgotten ends a session whose end nobody waits for.
func (s *session) closeIfForgotten() {
	if s.gateway.filling == s {
		return
	}
	for _, n := range s.calls {
		if n > 0 {
			return
		}
	}
	s.leave()
}

func (s *session) leave() {
	if !s.left {
		s.left = true
		close(s.quit)
	}
}
