package gcm

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// Frame types, flags and error codes of HTTP/2 (RFC 9113 §6, §7).
const (
	frameData, frameHeaders, frameReset, frameSettings, framePing, frameGoAway = 0, 1, 3, 4, 6, 7

	flagEndStream, flagAck, flagEndHeaders = 1, 1, 4

	errNo, errProtocol, errInternal, errRefused = 0, 1, 2, 7
)

// rawServer speaks HTTP/2 frame by frame, for what net/http's server never does.
type rawServer struct {
	listener net.Listener
	cert     *server
	conns    atomic.Int32
	streams  atomic.Int32 // whole requests
	most     atomic.Int32 // most requests open at once on a connection, from HEADERS to the answer
	wait     sync.WaitGroup
	mu       sync.Mutex
	open     []net.Conn
}

// rawConn is one connection of a rawServer; the server's own goroutine writes to it.
type rawConn struct {
	net.Conn
	reader *bufio.Reader
	// number counts the server's connections from 1.
	number int32
}

func (c *rawConn) frame(kind, flags byte, stream uint32, payload []byte) {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	b = binary.BigEndian.AppendUint32(b, stream)
	_, _ = c.Write(append(b, payload...))
}

// next reads a frame.
func (c *rawConn) next() (kind, flags byte, stream uint32, payload []byte, err error) {
	var head [9]byte
	if _, err = io.ReadFull(c.reader, head[:]); err != nil {
		return
	}
	payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	_, err = io.ReadFull(c.reader, payload)
	return head[3], head[4], binary.BigEndian.Uint32(head[5:]), payload, err
}

// answer sends a 200 with a body of FCM v1.
func (c *rawConn) answer(stream uint32) {
	c.frame(frameHeaders, flagEndHeaders, stream, []byte{0x88}) // :status 200
	c.frame(frameData, flagEndStream, stream, []byte(`{"name":"projects/demo/messages/1"}`))
}

func (c *rawConn) reset(stream, code uint32) {
	c.frame(frameReset, 0, stream, binary.BigEndian.AppendUint32(nil, code))
}

func (c *rawConn) goAway(last uint32, debug string) {
	payload := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), errNo)
	c.frame(frameGoAway, 0, 0, append(payload, debug...))
}

// newRawServer calls request for every whole request, and greet, if not nil, for every connection after the server's SETTINGS. limit is
// SETTINGS_MAX_CONCURRENT_STREAMS.
func newRawServer(t *testing.T, limit uint32, greet func(c *rawConn), request func(c *rawConn, stream uint32)) *rawServer {
	t.Helper()
	s := &rawServer{cert: newServer(t, func(http.ResponseWriter, *http.Request, []byte) {})}
	config := &tls.Config{Certificates: s.cert.TLS.Certificates, NextProtos: []string{"h2"}}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	s.listener = listener
	s.wait.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.open = append(s.open, conn)
			s.mu.Unlock()
			s.wait.Go(func() { s.serve(conn, limit, greet, request) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		s.mu.Lock()
		for _, c := range s.open {
			_ = c.Close()
		}
		s.mu.Unlock()
		s.wait.Wait()
	})
	return s
}

func (s *rawServer) serve(conn net.Conn, limit uint32, greet func(*rawConn), request func(*rawConn, uint32)) {
	defer func() { _ = conn.Close() }()
	c := &rawConn{Conn: conn, reader: bufio.NewReader(conn)}
	if _, err := c.reader.Discard(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")); err != nil {
		return
	}
	c.number = s.conns.Add(1)
	c.frame(frameSettings, 0, 0, binary.BigEndian.AppendUint32([]byte{0, 3}, limit))
	if greet != nil {
		greet(c)
	}
	var started, done int32
	for {
		kind, flags, stream, payload, err := c.next()
		if err != nil {
			return
		}
		switch {
		case kind == frameSettings && flags&flagAck == 0:
			c.frame(frameSettings, flagAck, 0, nil)
		case kind == framePing && flags&flagAck == 0:
			c.frame(framePing, flagAck, 0, payload)
		case kind == frameHeaders:
			started++
			s.most.Store(max(s.most.Load(), started-done))
		case kind == frameData && flags&flagEndStream != 0:
			s.streams.Add(1)
			request(c, stream)
			done++
		}
	}
}

// client makes a V1 client for the server.
func (s *rawServer) client(t *testing.T, change func(*Config)) *Client {
	t.Helper()
	return s.clientOn(t, EnginePipelined, change)
}

// clientOn is client with one of the engines.
func (s *rawServer) clientOn(t *testing.T, e Engine, change func(*Config)) *Client {
	t.Helper()
	config := Config{
		Engine:   e,
		Endpoint: "https://" + s.listener.Addr().String(), RootCAs: s.cert.roots(), ProjectID: "demo",
		TokenSource: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "access-1"}), RequestTimeout: 10 * time.Second,
	}
	if change != nil {
		change(&config)
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
