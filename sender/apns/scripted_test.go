package apns

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/volleypush/volley/sender/simulator"
)

// scripted is a server that speaks frames, for what no well-behaved HTTP/2 server can be made to do.
type scripted struct {
	authority *simulator.Authority
	listener  net.Listener
	accepted  atomic.Int32
	wg        sync.WaitGroup
	mu        sync.Mutex
	conns     []net.Conn
}

// script starts a server that runs play for each connection, with its number from 1, and ends the connection after it.
func script(t *testing.T, config *tls.Config, play func(c *frames, number int)) *scripted {
	t.Helper()
	authority, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.ServerCertificate()
	if err != nil {
		t.Fatal(err)
	}
	if config == nil {
		config = &tls.Config{}
	}
	config.Certificates = []tls.Certificate{certificate}
	if config.NextProtos == nil {
		config.NextProtos = []string{"h2"}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{authority: authority, listener: listener}
	s.wg.Go(func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			number := int(s.accepted.Add(1))
			s.mu.Lock()
			s.conns = append(s.conns, raw)
			s.mu.Unlock()
			s.wg.Go(func() {
				defer raw.Close()
				conn := tls.Server(raw, config)
				if conn.Handshake() != nil {
					return
				}
				preface := make([]byte, prefaceSize)
				if _, err := io.ReadFull(conn, preface); err != nil {
					return
				}
				defer conn.Close()
				play(&frames{t: t, server: s, conn: conn}, number)
				// Closing with something unread would be a reset, which takes our last answers with it.
				_ = conn.CloseWrite()
				_, _ = io.Copy(io.Discard, conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		s.mu.Lock()
		for _, conn := range s.conns {
			_ = conn.Close()
		}
		s.mu.Unlock()
		s.wg.Wait()
	})
	return s
}

// client is a client of the scripted server.
func (s *scripted) client(t *testing.T, change func(*Config)) *Client {
	t.Helper()
	return s.clientOn(t, EnginePipelined, change)
}

// clientOn is client with one of the engines.
func (s *scripted) clientOn(t *testing.T, e Engine, change func(*Config)) *Client {
	t.Helper()
	config := Config{Engine: e, Connections: 1, Key: testKey(t), Topic: bundle, Endpoint: "https://" + s.listener.Addr().String(), RootCAs: s.authority.Pool()}
	if change != nil {
		change(&config)
	}
	return newClient(t, config)
}

// frames is the server's side of one connection: RFC 9113, as far as the scripts need it.
type frames struct {
	t       *testing.T
	server  *scripted
	conn    net.Conn
	decoder *hpack.Decoder
	head    map[string]string
	open    map[uint32]*received
}

// received is one complete request.
type received struct {
	stream uint32
	head   map[string]string
	body   []byte
}

// More frame types and codes than the product has to know.
const (
	frameData         = 0x0
	framePing         = 0x6
	frameWindowUpdate = 0x8

	flagEndStream = 0x1
	flagEndHeader = 0x4

	codeInternal = 0x2
	codeCancel   = 0x8
)

// write sends one frame. The client may be gone, which the script sees when it reads.
func (f *frames) write(kind, flags byte, stream uint32, payload []byte) {
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	frame = binary.BigEndian.AppendUint32(append(frame, flags), stream)
	_, _ = f.conn.Write(append(frame, payload...))
}

// setting is one entry of a SETTINGS frame.
func setting(id uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(nil, id), value)
}

func streams(n uint32) []byte { return setting(settingMaxConcurrentStreams, n) }

// settings sends SETTINGS; a connection begins with them.
func (f *frames) settings(entries ...[]byte) {
	f.write(frameSettings, 0, 0, bytes.Join(entries, nil))
}

// read reads one frame and answers what must be answered.
func (f *frames) read() (kind, flags byte, stream uint32, payload []byte, ok bool) {
	var header [frameHeaderSize]byte
	if _, err := io.ReadFull(f.conn, header[:]); err != nil {
		return 0, 0, 0, nil, false
	}
	payload = make([]byte, int(header[0])<<16|int(header[1])<<8|int(header[2]))
	if _, err := io.ReadFull(f.conn, payload); err != nil {
		return 0, 0, 0, nil, false
	}
	kind, flags, stream = header[3], header[4], binary.BigEndian.Uint32(header[5:])
	if (kind == frameSettings || kind == framePing) && flags&flagAck == 0 {
		answer := payload
		if kind == frameSettings {
			answer = nil
		}
		f.write(kind, flagAck, 0, answer)
	}
	return kind, flags, stream, payload, true
}

// next reads until a request is complete; false if the client has left.
func (f *frames) next() (received, bool) {
	if f.decoder == nil {
		f.open = make(map[uint32]*received)
		f.decoder = hpack.NewDecoder(4096, func(h hpack.HeaderField) { f.head[h.Name] = h.Value })
	}
	for {
		kind, flags, stream, payload, ok := f.read()
		if !ok {
			return received{}, false
		}
		switch kind {
		case frameHeaders:
			f.head = make(map[string]string)
			if _, err := f.decoder.Write(payload); err != nil {
				f.t.Errorf("header block: %v", err)
			}
			f.open[stream] = &received{stream: stream, head: f.head}
		case frameRSTStream:
			delete(f.open, stream)
		case frameData:
			r := f.open[stream]
			if r == nil {
				continue
			}
			if r.body = append(r.body, payload...); flags&flagEndStream != 0 {
				delete(f.open, stream)
				return *r, true
			}
		}
	}
}

// take reads n requests, in the order of their streams; fewer if the client leaves.
func (f *frames) take(n int) []received {
	var out []received
	for len(out) < n {
		r, ok := f.next()
		if !ok {
			break
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b received) int { return int(a.stream) - int(b.stream) })
	return out
}

// linger reads until the client leaves.
func (f *frames) linger() {
	for _, ok := f.next(); ok; _, ok = f.next() {
	}
}

// answer sends a complete answer; body may be "".
func (f *frames) answer(stream uint32, status int, body string, header ...string) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	_ = encoder.WriteField(hpack.HeaderField{Name: ":status", Value: strconv.Itoa(status)})
	for i := 0; i+1 < len(header); i += 2 {
		_ = encoder.WriteField(hpack.HeaderField{Name: header[i], Value: header[i+1]})
	}
	flags := byte(flagEndHeader)
	if body == "" {
		flags |= flagEndStream
	}
	f.write(frameHeaders, flags, stream, block.Bytes())
	for rest := []byte(body); len(rest) > 0; {
		n := min(len(rest), 16<<10)
		flags := byte(0)
		if n == len(rest) {
			flags = flagEndStream
		}
		f.write(frameData, flags, stream, rest[:n])
		rest = rest[n:]
	}
}

func (f *frames) goAway(last uint32, debug string) {
	payload := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), 0)
	f.write(frameGoAway, 0, 0, append(payload, debug...))
}

func (f *frames) reset(stream, code uint32) {
	f.write(frameRSTStream, 0, stream, binary.BigEndian.AppendUint32(nil, code))
}

// untilPong sends a PING and returns how many complete requests arrived before its answer. The client answers it after
// everything it had already written. They are answered 200.
func (f *frames) untilPong() int {
	f.write(framePing, 0, 0, []byte("are they"))
	extra := 0
	for {
		kind, flags, stream, payload, ok := f.read()
		switch {
		case !ok:
			return extra
		case kind == framePing && flags&flagAck != 0:
			return extra
		case kind == frameHeaders:
			f.head = make(map[string]string)
			_, _ = f.decoder.Write(payload)
			extra++
			f.answer(stream, 200, "")
		}
	}
}
