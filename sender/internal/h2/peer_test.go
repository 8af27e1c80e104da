package h2

import (
	"bytes"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for a fact.
const patience = 10 * time.Second

// told is a handler that keeps what it is told.
type told struct {
	answers chan Answer
	changes chan struct{}
}

func newTold() *told {
	return &told{answers: make(chan Answer, 1<<14), changes: make(chan struct{}, 1)}
}

func (h *told) Settled(answers []Answer) {
	for _, a := range answers {
		a.Body = slices.Clone(a.Body)
		for i := range a.Kept {
			a.Kept[i].wire = slices.Clone(a.Kept[i].wire)
		}
		h.answers <- a
	}
}

func (h *told) Changed() {
	select {
	case h.changes <- struct{}{}:
	default:
	}
}

// server is the other's side of a connection: frames, one at a time, and no rules.
type server struct {
	t *testing.T
	net.Conn
	*http2.Framer
	decoder *hpack.Decoder
	fields  []hpack.HeaderField
	block   bytes.Buffer
	encoder *hpack.Encoder
	bodies  map[uint32]*bytes.Buffer
}

// arrived is a whole request.
type arrived struct {
	stream uint32
	fields []hpack.HeaderField
	body   string
}

// connect opens a connection without TLS whose peer has sent SETTINGS.
func connect(t *testing.T, config Config, settings ...http2.Setting) (*Conn, *server, *told) {
	t.Helper()
	return connectOver(t, config, func(raw net.Conn) net.Conn { return raw }, settings...)
}

func connectOver(t *testing.T, config Config, wrap func(net.Conn) net.Conn, settings ...http2.Setting) (*Conn, *server, *told) {
	t.Helper()
	ours, theirs := tcpPair(t)
	h := newTold()
	config.Handler = h
	if config.Keep[0] == "" {
		config.Keep = [keepFields]string{"x-id", "retry-after", "date"}
	}
	socket := newSocket(wrap(ours))
	c := newConn(socket, socket, config)
	c.run()
	t.Cleanup(c.Close)
	p := &server{t: t, Conn: theirs, Framer: http2.NewFramer(theirs, theirs), bodies: map[uint32]*bytes.Buffer{}}
	p.AllowIllegalReads, p.AllowIllegalWrites = true, true
	p.decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) { p.fields = append(p.fields, f) })
	p.encoder = hpack.NewEncoder(&p.block)
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(theirs, preface); err != nil || string(preface) != http2.ClientPreface {
		t.Fatalf("preface %q, %v", preface, err)
	}
	p.must(p.WriteSettings(settings...))
	select {
	case <-c.ready:
	case <-time.After(patience):
		t.Fatal("SETTINGS are not read")
	}
	return c, p, h
}

func tcpPair(t *testing.T) (client, other net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if client, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if other, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	_ = other.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { _ = client.Close(); _ = other.Close() })
	return client, other
}

func (p *server) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// frame reads the next frame of a kind that matters to tests, and follows the rest.
func (p *server) frame() (http2.Frame, error) {
	for {
		f, err := p.ReadFrame()
		if err != nil {
			return nil, err
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				p.must(p.WriteSettingsAck())
			}
			continue
		case *http2.HeadersFrame:
			p.fields = nil
			err = p.decode(f.HeaderBlockFragment(), f.HeadersEnded())
		case *http2.ContinuationFrame:
			err = p.decode(f.HeaderBlockFragment(), f.HeadersEnded())
		}
		p.must(err)
		return f, nil
	}
}

func (p *server) decode(piece []byte, last bool) error {
	if _, err := p.decoder.Write(piece); err != nil || !last {
		return err
	}
	return p.decoder.Close()
}

// request reads until a request is whole.
func (p *server) request() arrived {
	p.t.Helper()
	heads := map[uint32][]hpack.HeaderField{}
	for {
		f, err := p.frame()
		p.must(err)
		switch f := f.(type) {
		case *http2.HeadersFrame, *http2.ContinuationFrame:
			id := f.Header().StreamID
			heads[id] = p.fields
			if p.bodies[id] == nil {
				p.bodies[id] = new(bytes.Buffer)
			}
			if h, ok := f.(*http2.HeadersFrame); ok && h.StreamEnded() {
				return arrived{id, p.fields, ""}
			}
		case *http2.DataFrame:
			p.bodies[f.StreamID].Write(f.Data())
			if f.StreamEnded() {
				return arrived{f.StreamID, heads[f.StreamID], p.bodies[f.StreamID].String()}
			}
		}
	}
}

// until reads until a frame of that kind comes.
func until[T http2.Frame](p *server) T {
	p.t.Helper()
	for {
		f, err := p.frame()
		p.must(err)
		if wanted, ok := f.(T); ok {
			return wanted
		}
	}
}

// pong returns when the connection has read everything that was written to it; it must not have anything else to say.
func (p *server) pong() {
	p.t.Helper()
	p.must(p.WritePing(false, [8]byte{1}))
	for f := until[*http2.PingFrame](p); !f.IsAck(); f = until[*http2.PingFrame](p) {
	}
}

// head encodes a header block.
func (p *server) head(fields ...string) []byte {
	p.block.Reset()
	for i := 0; i+1 < len(fields); i += 2 {
		p.must(p.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	return slices.Clone(p.block.Bytes())
}

// answer writes a header, and a body if it is not "".
func (p *server) answer(stream uint32, body string, fields ...string) {
	p.t.Helper()
	p.must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: p.head(fields...), EndHeaders: true, EndStream: body == ""}))
	if body != "" {
		p.must(p.WriteData(stream, true, []byte(body)))
	}
}

func (p *server) ok(stream uint32) { p.answer(stream, "", ":status", "200") }

var plain = &Template{
	Authority: "example.com", Path: "/3/device/", Fields: []Field{{"authorization", "bearer abc"}, {"x-topic", "t"}}, OwnField: "x-id",
	Before: []byte(`{"a":"`), After: []byte(`"}`),
}

// begin begins n requests of an owner, which must all be taken.
func begin(t *testing.T, c *Conn, owner any, template *Template, n int) {
	t.Helper()
	requests := make([]Request, n)
	for i := range requests {
		requests[i] = Request{Template: template, Path: strings.Repeat("f", i%7+1), Body: "b", Owner: owner, Index: i}
	}
	if got := c.Begin(requests); got != n {
		t.Fatalf("%d of %d requests are begun; %v", got, n, c.Err())
	}
}

// next waits for an answer.
func (h *told) next(t *testing.T) Answer {
	t.Helper()
	select {
	case a := <-h.answers:
		return a
	case <-time.After(patience):
		t.Fatal("no answer is told")
	}
	return Answer{}
}

// fates waits for n answers and counts their fates.
func (h *told) fates(t *testing.T, n int) map[Fate]int {
	t.Helper()
	counts := map[Fate]int{}
	for range n {
		counts[h.next(t).Fate]++
	}
	select {
	case a := <-h.answers:
		t.Errorf("one more answer: %+v", a)
	default:
	}
	return counts
}

// over waits for the end of the connection.
func over(t *testing.T, c *Conn) {
	t.Helper()
	select {
	case <-c.done:
	case <-time.After(patience):
		t.Fatal("the connection does not end")
	}
}
