package h2sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for a frame that has to come.
const patience = 10 * time.Second

// handler is a Handler made of functions.
type handler struct {
	answer func(*Request) Response
	early  func(*Request) (Response, bool)
}

func (h handler) Answer(r *Request) Response { return h.answer(r) }

func (h handler) Early(r *Request) (Response, bool) {
	if h.early == nil {
		return Response{}, false
	}
	return h.early(r)
}

// echo answers with the body.
func echo() Handler {
	return handler{answer: func(r *Request) Response { return Response{Status: 200, Body: bytes.Clone(r.Body)} }}
}

// fixed answers everybody alike.
func fixed(r Response) Handler { return handler{answer: func(*Request) Response { return r }} }

// client is the other side: it writes what a test wants, and reads frames.
type client struct {
	t       *testing.T
	conn    net.Conn
	server  *Conn
	framer  *http2.Framer
	block   bytes.Buffer
	encoder *hpack.Encoder
	ended   chan struct{} // Serve has returned
}

// dial starts a connection on a real socket and exchanges nothing yet but our preface and SETTINGS.
func dial(t *testing.T, config Config, settings ...http2.Setting) *client {
	t.Helper()
	c := dialRaw(t, config)
	c.write([]byte(http2.ClientPreface))
	c.try(c.framer.WriteSettings(settings...))
	return c
}

func dialRaw(t *testing.T, config Config) *client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	mine, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return join(t, config, mine, theirs)
}

func join(t *testing.T, config Config, mine, theirs net.Conn) *client {
	if config.MaxStreams == 0 {
		config.MaxStreams = Unlimited
	}
	c := &client{t: t, conn: mine, server: New(theirs, config), ended: make(chan struct{})}
	c.framer = http2.NewFramer(mine, mine)
	c.framer.AllowIllegalWrites = true
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.encoder = hpack.NewEncoder(&c.block)
	go func() {
		defer close(c.ended)
		c.server.Serve()
	}()
	t.Cleanup(func() {
		_ = mine.Close()
		<-c.ended
	})
	return c
}

// try is for writes, which fail only if the test is wrong: the server reads on for a while whatever happens.
func (c *client) try(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) write(p []byte) {
	c.t.Helper()
	_, err := c.conn.Write(p)
	c.try(err)
}

// fields are a good request's, and what else is given.
func fields(more ...string) []string {
	return append([]string{":method", "POST", ":scheme", "https", ":path", "/a", ":authority", "localhost"}, more...)
}

func (c *client) encode(pairs []string) []byte {
	c.block.Reset()
	for i := 0; i+1 < len(pairs); i += 2 {
		c.try(c.encoder.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}))
	}
	return c.block.Bytes()
}

// headers opens a stream.
func (c *client) headers(id uint32, end bool, pairs ...string) {
	c.t.Helper()
	c.try(c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.encode(pairs), EndStream: end, EndHeaders: true}))
}

func (c *client) data(id uint32, end bool, body string) {
	c.t.Helper()
	c.try(c.framer.WriteData(id, end, []byte(body)))
}

// post sends a whole request.
func (c *client) post(id uint32, body string) {
	c.t.Helper()
	c.headers(id, false, fields()...)
	c.data(id, true, body)
}

// frame reads the next frame.
func (c *client) frame() (http2.Frame, error) {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	f, err := c.framer.ReadFrame()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatal("no frame came")
	}
	return f, err
}

// await reads until a frame of the type comes, and acknowledges SETTINGS on the way.
func await[F http2.Frame](c *client) F {
	c.t.Helper()
	for {
		f, err := c.frame()
		if err != nil {
			c.t.Fatalf("reading: %v", err)
		}
		if s, ok := f.(*http2.SettingsFrame); ok && !s.IsAck() {
			c.try(c.framer.WriteSettingsAck())
		}
		if wanted, ok := f.(F); ok {
			return wanted
		}
	}
}

// story reads until the streams are over, and tells in words what came for them, in order.
func (c *client) story(streams ...uint32) []string {
	c.t.Helper()
	var out []string
	left := len(streams)
	for left > 0 {
		f, err := c.frame()
		if err != nil {
			return append(out, "end")
		}
		ended := false
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			if status := f.PseudoValue("status"); status != "" {
				out = append(out, fmt.Sprintf("%d: %s", f.StreamID, status))
			} else {
				out = append(out, fmt.Sprintf("%d: trailers", f.StreamID))
			}
			ended = f.StreamEnded()
		case *http2.DataFrame:
			out = append(out, fmt.Sprintf("%d: %q", f.StreamID, f.Data()))
			ended = f.StreamEnded()
		case *http2.RSTStreamFrame:
			out = append(out, fmt.Sprintf("%d: %s", f.StreamID, f.ErrCode))
			ended = true
		case *http2.GoAwayFrame:
			out = append(out, fmt.Sprintf("go away after %d: %s %s", f.LastStreamID, f.ErrCode, f.DebugData()))
		}
		if ended {
			left--
		}
	}
	return out
}

// ends reads until the connection ends; everything before is lost.
func (c *client) ends() {
	c.t.Helper()
	for {
		if _, err := c.frame(); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				c.t.Logf("the end is %v", err)
			}
			break
		}
	}
	_ = c.conn.Close()
	<-c.ended
}

// pong says that everything written so far has been read by the server, and that it is still answering.
func (c *client) pong() {
	c.t.Helper()
	c.try(c.framer.WritePing(false, [8]byte{1}))
	for !await[*http2.PingFrame](c).IsAck() {
	}
}

func number(n int) string { return strconv.Itoa(n) }
