package simulator

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"slices"
	"time"

	"golang.org/x/net/http2"

	"github.com/volleypush/volley/sender/simulator/h2sim"
)

// This file is what each kind of fault does to a connection, as fault.go describes it.

// strike lets the fault do its work. caught are the requests it holds.
func (l *Connection) strike(n *entry, caught []*h2sim.Stream) {
	f, h2 := n.fault, l.http2()
	slices.SortFunc(caught, func(a, b *h2sim.Stream) int { return int(a.ID()) - int(b.ID()) })
	if h2 == nil {
		l.strikeWire(n)
		return
	}
	switch f.Kind {
	case GoAway:
		l.goAway(f, caught)
	case GoAwayTwice:
		l.goAwayTwice(n, caught)
	case Reset:
		l.settle(f, caught)
		h2.Finish(false, l.gate.reset)
	case Close:
		l.settle(f, caught)
		h2.HangUp()
	case HalfClose:
		l.settle(f, caught)
		h2.Finish(f.Lose != "requests", func() { _, _ = l.secured.CloseWrite(), l.gate.CloseWrite() })
	case Garbage:
		l.settle(f, caught)
		l.garbage(f, caught)
	case Stall:
		h2.Stall(true)
		l.lasting(n, func() { h2.Stall(false) })
		l.take(caught)
	case BlackHole:
		l.blackHole(n, caught)
	case MaxStreams:
		l.maxStreams(n, caught)
	case Down:
		l.goDown(f)
	case RefuseStream, Window, TLSAlert: // not struck with requests in hand
	}
}

// strikeWire is strike for a connection without HTTP/2: not yet, or not at all.
func (l *Connection) strikeWire(n *entry) {
	stream := l.stream()
	if stream != nil && n.fault.endsTaking() {
		l.deaf.Store(true)
	}
	switch n.fault.Kind {
	case Reset:
		l.gate.reset()
	case Close:
		if stream != nil {
			_ = stream.CloseWrite()
		}
		l.gate.end()
	case HalfClose:
		if stream != nil {
			l.End()
		}
	case Stall:
		if stream != nil {
			l.gate.set(frozen)
			l.lasting(n, func() { l.gate.set(flowing) })
		}
	case Down:
		l.goDown(n.fault)
	case BlackHole:
		l.blackHole(n, nil)
	case Garbage:
		l.gate.inject(n.fault.noise())
		l.gate.end()
	default: // the rest needs HTTP/2
	}
}

// goDown posts the fault as a phase. The post waits until the endpoint is down, which needs no reader.
func (l *Connection) goDown(f *Fault) {
	_ = l.endpoint.options.Scripts.Post(Phase{Platform: l.endpoint.options.Platform, For: f.For, Fault: &Fault{Kind: Down}})
}

func (l *Connection) take(caught []*h2sim.Stream) {
	for _, s := range caught {
		l.h2.Take(s)
	}
}

// settle is for what gets no answer: taken all the same, or not.
func (l *Connection) settle(f *Fault, caught []*h2sim.Stream) {
	if f.Lose == "requests" {
		return
	}
	for _, s := range caught {
		l.h2.Lose(s)
	}
}

func (l *Connection) goAway(f *Fault, caught []*h2sim.Stream) {
	left := len(caught)
	switch f.LastStream {
	case "mid":
		left /= 2
	case "none":
		left = 0
	}
	last := uint32(0)
	if left > 0 {
		last = caught[left-1].ID()
	}
	last = l.h2.GoAway(last, errCode(f.Code, http2.ErrCodeNo), f.debugData())
	for left < len(caught) && caught[left].ID() <= last { // later ones were taken before
		left++
	}
	switch f.Then {
	case "close":
		l.settle(f, caught[:left])
		l.h2.HangUp()
	case "reset":
		l.settle(f, caught[:left])
		l.h2.Finish(false, l.gate.reset)
	case "stay":
		l.take(caught[:left])
	default:
		l.take(caught[:left])
		l.h2.Drain()
	}
}

// goAwayTwice sends the second GOAWAY when the client has answered a PING that was sent after the first, or has not done
// so for the fault's patience.
func (l *Connection) goAwayTwice(n *entry, caught []*h2sim.Stream) {
	f := n.fault
	for _, s := range caught {
		s.Keep()
	}
	l.h2.GoAway(math.MaxInt32, errCode(f.Code, http2.ErrCodeNo), f.debugData())
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.progressOf(n)
	once := make(chan struct{}, 1)
	second := func() {
		select {
		case once <- struct{}{}:
			l.goAway(f, caught)
		default:
		}
	}
	p.late, p.undo = time.AfterFunc(f.patience(), second), second
	l.h2.Ping([8]byte{'g', 'o', 'a', 'w', 'a', 'y'}, second)
}

func (f *Fault) patience() time.Duration {
	if f.Patience > 0 {
		return time.Duration(f.Patience)
	}
	return defaultPatience
}

func (l *Connection) blackHole(n *entry, caught []*h2sim.Stream) {
	h2 := l.http2()
	if n.fault.Lose == "nothing" {
		l.gate.set(frozen)
		l.lasting(n, func() { l.gate.set(flowing) })
		if h2 != nil {
			l.take(caught) // their answers wait in the wire
		}
		return
	}
	taking, f := true, unheard
	if n.fault.Lose == "requests" {
		taking, f = false, deaf
	}
	l.lasting(n, l.gate.reset)
	if h2 == nil {
		l.gate.set(f)
		return
	}
	l.settle(n.fault, caught)
	h2.Finish(taking, func() { l.gate.set(f) })
}

func (l *Connection) maxStreams(n *entry, caught []*h2sim.Stream) {
	limit := *n.fault.Streams
	l.h2.SetMaxStreams(limit)
	l.lasting(n, l.restoreStreams)
	for i, s := range caught {
		if n.fault.Catch > 0 && i >= int(limit) {
			l.h2.Refuse(s, http2.ErrCodeRefusedStream)
			continue
		}
		l.h2.Take(s)
	}
}

// garbage writes what is not HTTP/2, and hangs up.
func (l *Connection) garbage(f *Fault, caught []*h2sim.Stream) {
	switch f.Garbage {
	case "frame":
		// DATA that claims 16 MiB - 1; RFC 9113 §4.2 allows 16 KiB unless SETTINGS say more.
		l.h2.Write(append([]byte{0xff, 0xff, 0xff, byte(http2.FrameData), 0, 0, 0, 0, 1}, bytes.Repeat([]byte{'x'}, 1024)...))
	case "hpack":
		if len(caught) > 0 { // an indexed field that no table has, RFC 7541 §2.3.3
			head := []byte{0, 0, 2, byte(http2.FrameHeaders), byte(http2.FlagHeadersEndHeaders | http2.FlagHeadersEndStream)}
			l.h2.Write(append(binary.BigEndian.AppendUint32(head, caught[0].ID()), 0xff, 0x7f))
		}
	case "tls":
		l.h2.Finish(false, func() {
			l.gate.inject(noise())
			l.gate.end()
		})
		return
	default:
		l.h2.Write(f.noise())
	}
	l.h2.HangUp()
}

// proxyAnswer is what a confused intermediary says.
const proxyAnswer = "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html><h1>502 Bad Gateway</h1></html>\n"

// noise is garbage that is not made of frames.
func (f *Fault) noise() []byte {
	switch {
	case f.Garbage == "noise":
		return noise()
	case f.Text != "":
		return []byte(f.Text)
	}
	return []byte(proxyAnswer)
}

// noise is bytes without meaning, the same each time.
func noise() []byte {
	out := make([]byte, 256)
	x := uint32(2463534242) // xorshift, so that no source of randomness is needed
	for i := range out {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		out[i] = byte(x >> 24)
	}
	return out
}

// accepted strikes before TLS. alert makes the handshake fail from within; goesOn says that there is one.
func (l *Connection) accepted() (alert, goesOn bool) {
	now := time.Now()
	for _, n := range l.endpoint.options.Scripts.state().entries {
		if !n.strikesNew(onConnect) || !n.holds(l.endpoint.options.Platform, now) || n.isDown() || !l.claim(n) {
			continue
		}
		switch f := n.fault; f.Kind {
		case TLSAlert:
			if f.Alert == "" || f.Alert == "bad_certificate" {
				return true, true
			}
			l.refuse(alerts[f.Alert])
			return false, false
		case BlackHole:
			l.strikeWire(n)
		default:
			l.strikeWire(n)
			_, _ = io.Copy(io.Discard, l.gate) // until the client has read it
			return false, false
		}
	}
	return false, true
}

// refuse answers a ClientHello with a fatal alert (RFC 8446 §6).
func (l *Connection) refuse(number byte) {
	_ = l.gate.SetReadDeadline(time.Now().Add(handshakeTimeout))
	if _, err := io.ReadFull(l.gate, make([]byte, 5)); err != nil {
		return
	}
	l.gate.inject([]byte{21, 3, 3, 0, 2, 2, number})
	l.gate.end()
	_, _ = io.Copy(io.Discard, l.gate)
}
