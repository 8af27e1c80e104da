package apns

import (
	"encoding/binary"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// wire watches the HTTP/2 frames of one connection from below net/http, which knows what they say and does not tell: the
// last stream id and the debug data of a GOAWAY, which stream was reset with which code, and the id of a stream that was
// just opened, how many streams are allowed. Without it "never processed" and "outcome unknown" could be told apart by
// matching error texts only, and the reason of a refused certificate, which Apple sends in a GOAWAY and nowhere else, would
// be lost (apns-http2 §13, §15).
type wire struct {
	net.Conn          // the TLS connection
	raw      net.Conn // below it
	start    time.Time
	in, out  frameScanner
	changed  func() // called when the provider said something that matters, or the connection is over

	lastRead   atomic.Int64  // nanoseconds since start
	lastOpened atomic.Uint32 // the stream whose HEADERS were written last
	limit      atomic.Uint32 // concurrent streams that the provider allows, as far as net/http knows of it
	settled    atomic.Bool   // the provider's first SETTINGS are here and hold
	ready      chan struct{} // closed when they are, or never will be
	readyOnce  sync.Once
	over       atomic.Bool // nothing more can be read
	alert      atomic.Bool // the peer ended TLS because of our certificate

	mu       sync.Mutex
	gone     *goAway
	refused  map[uint32]struct{}
	promised []uint32 // limits that net/http has not acknowledged yet, oldest first
	raised   func()   // called when net/http has acknowledged a higher limit; may be nil

	closeOnce sync.Once
	closeErr  error
}

// goAway is what the provider said when it asked us to leave.
type goAway struct {
	lastStream uint32
	debug      []byte
}

// Frame types and the error code that matter here, RFC 9113 §6 and §7.
const (
	frameHeaders   = 0x1
	frameRSTStream = 0x3
	frameSettings  = 0x4
	frameGoAway    = 0x7

	codeRefusedStream = 0x7

	flagAck                     = 0x1
	settingMaxConcurrentStreams = 0x3
	settingSize                 = 6
	// unlimitedStreams is what is allowed when the provider's SETTINGS do not say, as net/http takes it.
	unlimitedStreams = 1000

	frameHeaderSize = 9
	prefaceSize     = 24
	// maxCapture is how much of a frame's payload is kept: debug data of a GOAWAY beyond that says nothing more.
	maxCapture = 1 << 10
	// maxRefused bounds how many resets are remembered that nobody asked about yet; more than a provider allows streams.
	maxRefused = 1 << 14
)

func newWire(tlsConn, raw net.Conn, changed func()) *wire {
	w := &wire{Conn: tlsConn, raw: raw, start: time.Now(), changed: changed, ready: make(chan struct{}), refused: make(map[uint32]struct{})}
	w.in.frame = w.received
	w.out.frame = w.sent
	w.out.skip = prefaceSize // the client's side begins with a preface that is no frame
	return w
}

func (w *wire) now() int64 { return int64(time.Since(w.start)) }

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.lastRead.Store(w.now())
		w.in.feed(p[:n])
	}
	if err != nil {
		w.alert.Store(isCertificateAlert(err))
		w.over.Store(true)
		w.tell()
	}
	return n, err
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	w.out.feed(p)
	return w.Conn.Write(p)
}

// Close implements net.Conn. Closing TLS says goodbye to the peer, which can hang if the peer does not read; then the
// socket below is closed.
func (w *wire) Close() error {
	w.closeOnce.Do(func() {
		const patience = 250 * time.Millisecond
		timer := time.AfterFunc(patience, func() { _ = w.raw.Close() })
		defer timer.Stop()
		w.over.Store(true)
		w.closeErr = w.Conn.Close()
	})
	return w.closeErr
}

// received sees each frame of the provider.
func (w *wire) received(kind, flags byte, stream uint32, payload []byte) {
	switch {
	case kind == frameSettings && flags&flagAck == 0:
		w.promise(payload)
	case kind == frameRSTStream && len(payload) >= 4 && binary.BigEndian.Uint32(payload) == codeRefusedStream:
		w.mu.Lock()
		if len(w.refused) < maxRefused {
			w.refused[stream] = struct{}{}
		}
		w.mu.Unlock()
	case kind == frameGoAway && len(payload) >= 8:
		w.mu.Lock()
		// A graceful end sends 2^31-1 first and the real id later; the last word counts. The debug data may be in either.
		next := &goAway{lastStream: binary.BigEndian.Uint32(payload) &^ (1 << 31), debug: append([]byte(nil), payload[8:]...)}
		if w.gone != nil && len(next.debug) == 0 {
			next.debug = w.gone.debug
		}
		w.gone = next
		w.mu.Unlock()
		w.tell()
	}
}

func (w *wire) tell() {
	w.readyOnce.Do(func() { close(w.ready) })
	w.changed()
}

// promise notes what the provider's SETTINGS allow. Less holds at once, more only when net/http has acknowledged it: until
// then a request begun under the new limit would wait inside net/http for one that net/http already has, and be forgotten.
func (w *wire) promise(payload []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := w.limit.Load()
	if n := len(w.promised); n > 0 {
		next = w.promised[n-1]
	} else if !w.settled.Load() {
		next = unlimitedStreams
	}
	for ; len(payload) >= settingSize; payload = payload[settingSize:] {
		if binary.BigEndian.Uint16(payload) == settingMaxConcurrentStreams {
			next = binary.BigEndian.Uint32(payload[2:])
		}
	}
	w.promised = append(w.promised, next)
	w.limit.Store(min(w.limit.Load(), next))
}

// keep makes the oldest promise hold.
func (w *wire) keep() {
	w.mu.Lock()
	if len(w.promised) == 0 {
		w.mu.Unlock()
		return
	}
	limit, raised := slices.Min(w.promised), w.raised
	w.promised = w.promised[1:]
	if limit <= w.limit.Swap(limit) {
		raised = nil
	}
	w.settled.Store(true)
	w.mu.Unlock()
	w.tell()
	if raised != nil {
		raised()
	}
}

// onRaise has f called, without blocking, each time net/http has acknowledged a higher limit from now on.
func (w *wire) onRaise(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.raised = f
}

// sent sees each of our frames before it is written.
func (w *wire) sent(kind, flags byte, stream uint32, _ []byte) {
	switch {
	case kind == frameHeaders:
		w.lastOpened.Store(stream)
	case kind == frameSettings && flags&flagAck != 0:
		w.keep()
	}
}

// leave returns what the provider's GOAWAY said, nil if there was none.
func (w *wire) leave() *goAway {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gone
}

// wasRefused says whether the stream was reset with REFUSED_STREAM.
func (w *wire) wasRefused(stream uint32) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, refused := w.refused[stream]
	delete(w.refused, stream)
	return refused
}

// frameScanner follows one direction of a connection and calls frame once per frame, with at most maxCapture bytes of its
// payload for the kinds that are of interest and none for the others. It is used by one goroutine at a time.
type frameScanner struct {
	frame   func(kind, flags byte, stream uint32, payload []byte)
	skip    int // bytes to pass over before the next frame header or, inside a frame, of its payload
	header  [frameHeaderSize]byte
	have    int // bytes of header so far
	capture []byte
	want    int // bytes still to capture
}

func (s *frameScanner) feed(p []byte) {
	for len(p) > 0 {
		switch {
		case s.want > 0:
			n := min(s.want, len(p))
			s.capture = append(s.capture, p[:n]...)
			p, s.want = p[n:], s.want-n
			if s.want == 0 {
				s.emit()
			}
		case s.skip > 0:
			n := min(s.skip, len(p))
			p, s.skip = p[n:], s.skip-n
		default:
			n := copy(s.header[s.have:], p)
			p, s.have = p[n:], s.have+n
			if s.have == frameHeaderSize {
				s.begin()
			}
		}
	}
}

// begin is called with a complete frame header.
func (s *frameScanner) begin() {
	s.have = 0
	length := int(s.header[0])<<16 | int(s.header[1])<<8 | int(s.header[2])
	s.capture = s.capture[:0]
	if kind := s.header[3]; kind == frameGoAway || kind == frameRSTStream || kind == frameSettings {
		s.want = min(length, maxCapture)
	}
	s.skip = length - s.want
	if s.want == 0 {
		s.emit()
	}
}

func (s *frameScanner) emit() {
	s.frame(s.header[3], s.header[4], binary.BigEndian.Uint32(s.header[5:])&^(1<<31), s.capture)
}
