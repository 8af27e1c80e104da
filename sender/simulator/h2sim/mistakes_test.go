package h2sim

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
)

// Mistakes of clients get the error that RFC 9113 names. "1: CODE" is a reset, "away: CODE" the end of the connection,
// "fine" an answer.
func TestMistakes(t *testing.T) {
	short := strings.Repeat("x", 16384)
	tests := []struct {
		name string
		do   func(c *client)
		want string
	}{
		{"even stream", func(c *client) { c.headers(2, true, fields()...) }, "away: PROTOCOL_ERROR"},
		{"stream used again", func(c *client) { c.headers(1, true, fields()...); c.pong(); c.headers(1, true, fields()...) }, "away: STREAM_CLOSED"},
		{"stream passed over", func(c *client) { c.headers(3, true, fields()...); c.headers(1, true, fields()...) }, "away: STREAM_CLOSED"},
		{"data on stream 0", func(c *client) { c.data(0, true, "x") }, "away: PROTOCOL_ERROR"},
		{"data on idle stream", func(c *client) { c.data(1, true, "x") }, "away: PROTOCOL_ERROR"},
		{"data after the end", func(c *client) { c.headers(1, true, fields()...); c.data(1, true, "x") }, "1: STREAM_CLOSED"},
		{"data on a cancelled stream", func(c *client) {
			c.headers(1, false, fields()...)
			c.try(c.framer.WriteRSTStream(1, http2.ErrCodeCancel))
			c.data(1, true, "x")
		}, "1: STREAM_CLOSED"},
		{"reset of idle stream", func(c *client) { c.try(c.framer.WriteRSTStream(1, http2.ErrCodeCancel)) }, "away: PROTOCOL_ERROR"},
		{"window of idle stream", func(c *client) { c.try(c.framer.WriteWindowUpdate(1, 1)) }, "away: PROTOCOL_ERROR"},
		{"trailers without end", func(c *client) { c.headers(1, false, fields()...); c.headers(1, false, "x-a", "b") }, "1: PROTOCOL_ERROR"},
		{"no method", func(c *client) { c.headers(1, true, ":scheme", "https", ":path", "/a") }, "1: PROTOCOL_ERROR"},
		{"no scheme", func(c *client) { c.headers(1, true, ":method", "POST", ":path", "/a") }, "1: PROTOCOL_ERROR"},
		{"no path", func(c *client) { c.headers(1, true, ":method", "POST", ":scheme", "https") }, "1: PROTOCOL_ERROR"},
		{"path without slash", func(c *client) { c.headers(1, true, ":method", "POST", ":scheme", "https", ":path", "a") }, "1: PROTOCOL_ERROR"},
		{"method twice", func(c *client) { c.headers(1, true, append([]string{":method", "GET"}, fields()...)...) }, "1: PROTOCOL_ERROR"},
		{"pseudo field after others", func(c *client) {
			c.headers(1, true, ":method", "POST", ":scheme", "https", "x-a", "b", ":path", "/a")
		}, "1: PROTOCOL_ERROR"},
		{"unknown pseudo field", func(c *client) { c.headers(1, true, fields(":status", "200")...) }, "1: PROTOCOL_ERROR"},
		{"upper case", func(c *client) { c.headers(1, true, fields("X-A", "b")...) }, "1: PROTOCOL_ERROR"},
		{"empty name", func(c *client) { c.headers(1, true, fields("", "b")...) }, "1: PROTOCOL_ERROR"},
		{"line break", func(c *client) { c.headers(1, true, fields("x-a", "b\r\nc: d")...) }, "1: PROTOCOL_ERROR"},
		{"connection", func(c *client) { c.headers(1, true, fields("connection", "close")...) }, "1: PROTOCOL_ERROR"},
		{"te", func(c *client) { c.headers(1, true, fields("te", "gzip")...) }, "1: PROTOCOL_ERROR"},
		{"te trailers", func(c *client) { c.headers(1, true, fields("te", "trailers")...) }, "fine"},
		{"content-length", func(c *client) { c.headers(1, false, fields("content-length", "1")...); c.data(1, true, "x") }, "fine"},
		{"content-length less", func(c *client) { c.headers(1, false, fields("content-length", "2")...); c.data(1, true, "x") }, "1: PROTOCOL_ERROR"},
		{"content-length without body", func(c *client) { c.headers(1, true, fields("content-length", "2")...) }, "1: PROTOCOL_ERROR"},
		{"content-length twice", func(c *client) {
			c.headers(1, false, fields("content-length", "1", "content-length", "2")...)
			c.data(1, true, "x")
		}, "1: PROTOCOL_ERROR"},
		{"content-length negative", func(c *client) { c.headers(1, true, fields("content-length", "-1")...) }, "1: PROTOCOL_ERROR"},
		{"bad compression", func(c *client) {
			c.try(c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0x7f}, EndHeaders: true}))
		}, "away: COMPRESSION_ERROR"},
		{"compression breaks off", func(c *client) {
			block := bytes.Clone(c.encode(fields("x-a", "long enough to be cut")))
			c.try(c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:len(block)-2], EndHeaders: true}))
		}, "away: COMPRESSION_ERROR"},
		{"frame in a header block", func(c *client) {
			c.try(c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.encode(fields())}))
			c.try(c.framer.WritePing(false, [8]byte{}))
		}, "away: PROTOCOL_ERROR"},
		{"continuation of nothing", func(c *client) { c.try(c.framer.WriteContinuation(1, true, nil)) }, "away: PROTOCOL_ERROR"},
		{"endless header block", func(c *client) {
			piece := make([]byte, 16384) // a literal of 16 KiB cannot be finished by zeroes, and none is needed for this
			c.try(c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: nil}))
			for range maxBlock/16384 + 1 {
				if c.framer.WriteContinuation(1, false, piece) != nil {
					return // it has had enough
				}
			}
		}, "away: COMPRESSION_ERROR ENHANCE_YOUR_CALM"},
		{"large frame", func(c *client) { c.headers(1, false, fields()...); c.data(1, true, short+"x") }, "away: FRAME_SIZE_ERROR"},
		{"largest frame", func(c *client) { c.headers(1, false, fields()...); c.data(1, true, short) }, "fine"},
		{"short PING", func(c *client) { c.try(c.framer.WriteRawFrame(http2.FramePing, 0, 0, []byte("short"))) }, "away: FRAME_SIZE_ERROR"},
		{"PUSH_PROMISE", func(c *client) {
			c.headers(1, false, fields()...)
			c.try(c.framer.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, EndHeaders: true, BlockFragment: []byte{0x82}}))
		}, "away: PROTOCOL_ERROR"},
		{"setting out of range", func(c *client) {
			c.try(c.framer.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1}))
		}, "away: PROTOCOL_ERROR"},
		{"window out of range", func(c *client) {
			c.try(c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31}))
		}, "away: FLOW_CONTROL_ERROR"},
		{"acknowledgement of nothing", func(c *client) {
			await[*http2.SettingsFrame](c)
			c.try(c.framer.WriteSettingsAck())
		}, "away: PROTOCOL_ERROR"},
		{"window of the connection overflows", func(c *client) { c.try(c.framer.WriteWindowUpdate(0, 1<<31-1)) }, "away: FLOW_CONTROL_ERROR"},
		{"window of a stream overflows", func(c *client) {
			c.headers(1, false, fields()...)
			c.try(c.framer.WriteWindowUpdate(1, 1<<31-1))
		}, "1: FLOW_CONTROL_ERROR"},
		{"window update of nothing", func(c *client) { c.try(c.framer.WriteWindowUpdate(0, 0)) }, "away: PROTOCOL_ERROR"},
		{"GOAWAY", func(c *client) {
			c.try(c.framer.WriteGoAway(0, http2.ErrCodeNo, nil))
			c.headers(1, true, fields()...)
		}, "fine"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := dial(t, Config{Handler: fixed(Response{Status: 200})})
			await[*http2.SettingsFrame](c)
			test.do(c)
			got, mistakes := outcome(c, test.want), c.server.config.Stats.Mistakes.Load()
			if !strings.Contains(test.want, got) || got == "" {
				t.Errorf("it is answered with %q, want %q", got, test.want)
			}
			if (mistakes == 0) != (test.want == "fine") {
				t.Errorf("%d mistakes are counted", mistakes)
			}
		})
	}
}

// outcome reads until something says how the server took it.
func outcome(c *client, want string) string {
	c.t.Helper()
	for {
		f, err := c.frame()
		if err != nil {
			return "end: " + err.Error()
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			if want == "fine" {
				return "fine"
			}
		case *http2.RSTStreamFrame:
			return number(int(f.StreamID)) + ": " + f.ErrCode.String()
		case *http2.GoAwayFrame:
			c.ends()
			if strings.Contains(want, f.ErrCode.String()) {
				return "away: " + strings.Fields(want)[1]
			}
			return "away: " + f.ErrCode.String()
		}
	}
}

// A body that is on its way when its header is refused is one mistake, not two.
func TestBodyOfARefusedHeader(t *testing.T) {
	c := dial(t, Config{Handler: fixed(Response{Status: 200})})
	c.headers(1, false, fields("connection", "close")...)
	c.data(1, false, "x")
	c.data(1, true, "x")
	c.post(3, "x")
	if diff := cmp.Diff([]string{"1: PROTOCOL_ERROR", "3: 200"}, c.story(1, 3)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := c.server.config.Stats.Mistakes.Load(); got != 1 {
		t.Errorf("%d mistakes are counted", got)
	}
}

// The window that our SETTINGS state holds from when the client has read them; until then it is the default.
func TestStreamBeyondItsWindow(t *testing.T) {
	c := dial(t, Config{Handler: fixed(Response{Status: 200}), Window: 10})
	c.post(1, strings.Repeat("x", 11))
	c.headers(3, false, fields()...)
	c.data(3, false, "x")
	if got := c.story(1); len(got) != 1 || got[0] != "1: 200" {
		t.Errorf("before: %q", got)
	}
	c.try(c.framer.WriteSettingsAck()) // story has read our SETTINGS and not said so
	c.post(5, strings.Repeat("x", 10))
	c.data(3, true, strings.Repeat("x", 9)) // 10 in all, counted from the default
	if got := c.story(5, 3); len(got) != 2 || !strings.HasSuffix(got[0], ": 200") || !strings.HasSuffix(got[1], ": 200") {
		t.Errorf("at the limit: %q", got)
	}
	c.post(7, strings.Repeat("x", 11))
	if got := outcome(c, ""); got != "7: FLOW_CONTROL_ERROR" {
		t.Errorf("one byte more: %q", got)
	}
}

func TestFirstFrameMustBeSettings(t *testing.T) {
	for name, first := range map[string]func(c *client){
		"PING":            func(c *client) { c.try(c.framer.WritePing(false, [8]byte{})) },
		"acknowledgement": func(c *client) { c.try(c.framer.WriteSettingsAck()) },
	} {
		t.Run(name, func(t *testing.T) {
			c := dialRaw(t, Config{Handler: fixed(Response{Status: 200})})
			c.write([]byte(http2.ClientPreface))
			first(c)
			if got := outcome(c, ""); got != "away: PROTOCOL_ERROR" {
				t.Errorf("it is answered with %q", got)
			}
		})
	}
}

func TestOtherProtocolsAreHungUpOn(t *testing.T) {
	for _, text := range []string{"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"} {
		c := dialRaw(t, Config{Handler: fixed(Response{Status: 200})})
		c.write([]byte(text))
		c.ends()
	}
}

// memory is a connection that reads what it is given and then ends.
type memory struct {
	net.Conn
	input io.Reader
}

func (m *memory) Read(p []byte) (int, error)      { return m.input.Read(p) }
func (m *memory) Write(p []byte) (int, error)     { return len(p), nil }
func (m *memory) Close() error                    { return nil }
func (m *memory) CloseWrite() error               { return nil }
func (m *memory) SetReadDeadline(time.Time) error { return nil }

// Whatever a client sends, the connection comes to an end with it.
func FuzzConn(f *testing.F) {
	var seed bytes.Buffer
	framer := http2.NewFramer(&seed, nil)
	add := func() {
		f.Add(bytes.Clone(seed.Bytes()))
		seed.Reset()
	}
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x83, 0x87, 0x84}, EndHeaders: true, PadLength: 3})
	_ = framer.WriteData(1, false, []byte("abc"))
	_ = framer.WriteData(1, true, []byte("def"))
	add()
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x83}})
	_ = framer.WriteContinuation(1, true, []byte{0x87, 0x84})
	_ = framer.WriteRSTStream(1, http2.ErrCodeCancel)
	_ = framer.WriteWindowUpdate(0, 5)
	_ = framer.WritePing(false, [8]byte{1})
	_ = framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
	add()
	f.Fuzz(func(t *testing.T, data []byte) {
		var input bytes.Buffer
		input.WriteString(http2.ClientPreface)
		_ = http2.NewFramer(&input, nil).WriteSettings()
		input.Write(data)
		c := New(&memory{input: &input}, Config{Handler: echo(), MaxStreams: 4, MaxBody: 64, Arrived: func(s *Stream) bool {
			if s.ID()%4 == 3 {
				s.Keep()
				return false
			}
			return true
		}})
		c.Serve()
	})
}
