package h2sim

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
)

func TestPreface(t *testing.T) {
	c := dial(t, Config{Handler: echo(), MaxStreams: 7, Window: 1 << 20, MaxHeaderBytes: 9000})
	f := await[*http2.SettingsFrame](c)
	got := map[http2.SettingID]uint32{}
	_ = f.ForeachSetting(func(s http2.Setting) error {
		got[s.ID] = s.Val
		return nil
	})
	want := map[http2.SettingID]uint32{
		http2.SettingMaxConcurrentStreams: 7, http2.SettingInitialWindowSize: 1 << 20, http2.SettingMaxFrameSize: 16384, http2.SettingMaxHeaderListSize: 9000,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("SETTINGS (-want +got):\n%s", diff)
	}
	if f := await[*http2.WindowUpdateFrame](c); f.StreamID != 0 || f.Increment != connWindow-65535 {
		t.Errorf("the connection is credited %d on stream %d", f.Increment, f.StreamID)
	}
	if !await[*http2.SettingsFrame](c).IsAck() {
		t.Error("our SETTINGS are not acknowledged")
	}
}

func TestNoLimitIsNotStated(t *testing.T) {
	c := dial(t, Config{Handler: echo()})
	if _, stated := await[*http2.SettingsFrame](c).Value(http2.SettingMaxConcurrentStreams); stated {
		t.Error("a limit is stated")
	}
}

func TestRequests(t *testing.T) {
	seen := make(chan Request, 1)
	record := handler{answer: func(r *Request) Response {
		kept := *r
		kept.Header, kept.Body = append(Fields(nil), r.Header...), bytes.Clone(r.Body)
		seen <- kept
		return Response{Status: 200, Header: Fields{{Name: "x-a", Value: "b"}, {Name: "x-once", Value: "c", Once: true}}}
	}}
	c := dial(t, Config{Handler: record})
	check := func(id uint32, want Request) {
		t.Helper()
		if diff := cmp.Diff(want, <-seen); diff != "" {
			t.Errorf("request (-want +got):\n%s", diff)
		}
		f := await[*http2.MetaHeadersFrame](c)
		if f.StreamID != id || f.PseudoValue("status") != "200" || !f.StreamEnded() || len(f.RegularFields()) != 2 {
			t.Errorf("answered %v on %d", f.Fields, f.StreamID)
		}
	}
	all := Fields{{Name: "x-1", Value: "a"}, {Name: "x-2", Value: "b"}, {Name: "x-1", Value: "c"}}
	plain := Request{Method: "POST", Path: "/a", Authority: "localhost", Header: all, Body: []byte("hello")}
	more := []string{"x-1", "a", "x-2", "b", "x-1", "c"}

	c.headers(1, false, fields(more...)...)
	c.data(1, true, "hello")
	check(1, plain)

	// In pieces, with padding, with a priority, trailers and frames of unknown types in between.
	block := bytes.Clone(c.encode(fields(more...)))
	c.try(c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: block[:3], PadLength: 7, Priority: http2.PriorityParam{Weight: 9}}))
	c.try(c.framer.WriteContinuation(3, false, block[3:4]))
	c.try(c.framer.WriteContinuation(3, false, nil))
	c.try(c.framer.WriteContinuation(3, true, block[4:]))
	c.try(c.framer.WritePriority(3, http2.PriorityParam{StreamDep: 1}))
	c.try(c.framer.WriteRawFrame(0xbe, 0xff, 3, []byte("unknown")))
	c.try(c.framer.WriteDataPadded(3, false, []byte("hel"), make([]byte, 200)))
	c.data(3, false, "")
	c.data(3, false, "lo")
	c.headers(3, true, "x-trailer", "late")
	check(3, plain)

	c.headers(5, true, ":method", "GET", ":scheme", "https", ":path", "/b?c=d?e")
	check(5, Request{Method: "GET", Path: "/b", Query: "c=d?e"})

	// The header of one and the body of another may come in any order.
	c.headers(7, false, fields(more...)...)
	c.headers(9, false, fields()...)
	c.data(7, true, "hello")
	check(7, plain)
	c.data(9, true, "other")
	check(9, Request{Method: "POST", Path: "/a", Authority: "localhost", Body: []byte("other")})
	if got := c.server.config.Stats.Requests.Load(); got != 5 {
		t.Errorf("%d requests are counted", got)
	}
	if got := c.server.config.Stats.Mistakes.Load(); got != 0 {
		t.Errorf("%d mistakes are counted", got)
	}
}

func TestExpectContinue(t *testing.T) {
	c := dial(t, Config{Handler: echo()})
	c.headers(1, false, fields("expect", "100-continue")...)
	if f := await[*http2.MetaHeadersFrame](c); f.PseudoValue("status") != "100" || f.StreamEnded() {
		t.Errorf("answered %v", f.Fields)
	}
	c.data(1, true, "x")
	if diff := cmp.Diff([]string{"1: 200", `1: "x"`}, c.story(1)); diff != "" {
		t.Error(diff)
	}
}

// counting counts the writes on a connection.
type counting struct {
	net.Conn
	writes atomic.Int32
}

func (c *counting) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// Many requests in one write are answered in few: that is what makes it cheap.
func TestAnswersAreCoalesced(t *testing.T) {
	const requests = 200
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
	counted := &counting{Conn: theirs}
	c := join(t, Config{Handler: fixed(Response{Status: 200})}, mine, counted)
	c.write([]byte(http2.ClientPreface))
	c.try(c.framer.WriteSettings())
	c.pong()
	before := counted.writes.Load()
	var out bytes.Buffer
	batch := http2.NewFramer(&out, nil)
	var streams []uint32
	for i := range uint32(requests) {
		streams = append(streams, 2*i+1)
		c.try(batch.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: c.encode(fields()), EndHeaders: true}))
		c.try(batch.WriteData(2*i+1, true, []byte("{}")))
	}
	c.write(out.Bytes())
	if got := c.story(streams...); len(got) != requests {
		t.Errorf("%d answers", len(got))
	}
	if writes := counted.writes.Load() - before; writes > 10 {
		t.Errorf("%d answers took %d writes", requests, writes)
	}
}

// A client that reads nothing must not fill our memory.
func TestUnreadAnswersAreBounded(t *testing.T) {
	const requests, size = 60, 1 << 20
	var answered atomic.Int32
	body := make([]byte, size)
	c := dial(t, Config{Handler: handler{answer: func(*Request) Response {
		answered.Add(1)
		return Response{Status: 200, Body: body}
	}}}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	c.try(c.framer.WriteWindowUpdate(0, 1<<31-1-65535))
	var streams []uint32
	for i := range uint32(requests) {
		streams = append(streams, 2*i+1)
		c.headers(2*i+1, true, fields()...)
	}
	// It goes on until the socket and our buffer are full, then stands still.
	last := int32(-1)
	for still := 0; still < 20; {
		<-time.After(10 * time.Millisecond)
		if now := answered.Load(); now == last {
			still++
		} else {
			last, still = now, 0
		}
	}
	if last >= requests/2 {
		t.Errorf("%d of %d answers of 1 MiB were made for a client that does not read", last, requests)
	}
	ends := 0
	for _, line := range c.story(streams...) {
		if strings.HasSuffix(line, ": 200") {
			ends++
		}
	}
	if ends != requests {
		t.Errorf("%d answers came in the end", ends)
	}
}

func TestBodiesWaitForWindows(t *testing.T) {
	body := strings.Repeat("0123456789", 10)
	c := dial(t, Config{Handler: fixed(Response{Status: 200, Body: []byte(body), Trailer: Fields{{Name: "x-end", Value: "1"}}})},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: 30}, http2.Setting{ID: http2.SettingMaxFrameSize, Val: 16384})
	c.headers(1, true, fields()...)
	read := func(want string) {
		t.Helper()
		if got := string(await[*http2.DataFrame](c).Data()); got != want {
			t.Errorf("%q came, want %q", got, want)
		}
	}
	read(body[:30])
	c.pong() // nothing more has come until here, or read would find it below
	c.try(c.framer.WriteWindowUpdate(1, 5))
	read(body[30:35])
	c.try(c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 50}))
	read(body[35:55])
	c.try(c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 20})) // now the stream is at -30
	c.try(c.framer.WriteWindowUpdate(1, 31))
	read(body[55:56])
	c.try(c.framer.WriteWindowUpdate(1, 1000))
	read(body[56:])
	if f := await[*http2.MetaHeadersFrame](c); !f.StreamEnded() || f.Fields[0].Name != "x-end" {
		t.Errorf("after the body came %v", f.Fields)
	}
}

func TestBodiesWaitForTheConnectionsWindow(t *testing.T) {
	body := make([]byte, 60_000)
	c := dial(t, Config{Handler: fixed(Response{Status: 200, Body: body})}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	c.headers(1, true, fields()...)
	c.headers(3, true, fields()...)
	size := 0
	for size < 65535 {
		size += len(await[*http2.DataFrame](c).Data())
	}
	c.pong()
	c.try(c.framer.WriteWindowUpdate(0, 1<<20))
	for {
		f := await[*http2.DataFrame](c)
		size += len(f.Data())
		if f.StreamID == 3 && f.StreamEnded() {
			break
		}
	}
	if size != 2*len(body) {
		t.Errorf("%d bytes came, want %d", size, 2*len(body))
	}
}

func TestSmallFramesAndLongHeaders(t *testing.T) {
	filler := strings.Repeat("x", 40_000)
	c := dial(t, Config{Handler: fixed(Response{Status: 200, Header: Fields{{Name: "x-filler", Value: filler}}, Body: []byte("end")})})
	c.framer.ReadMetaHeaders = nil // to see the frames
	c.headers(1, true, fields()...)
	if await[*http2.HeadersFrame](c).HeadersEnded() {
		t.Error("a header of 40,000 bytes in one frame")
	}
	pieces := 1
	for !await[*http2.ContinuationFrame](c).HeadersEnded() {
		pieces++
	}
	if pieces < 2 {
		t.Errorf("%d CONTINUATION frames", pieces)
	}
	if got := string(await[*http2.DataFrame](c).Data()); got != "end" {
		t.Errorf("the body is %q", got)
	}
}

// What the client sends is credited, so that bodies of any length arrive.
func TestLongBodiesAreCredited(t *testing.T) {
	c := dial(t, Config{Handler: handler{answer: func(r *Request) Response {
		return Response{Status: 200, Body: []byte(number(len(r.Body)) + fmt.Sprint(r.Oversize))}
	}}, MaxBody: 3 << 20})
	c.headers(1, false, fields()...)
	stream, conn := int64(65535), int64(65535)
	piece := strings.Repeat("x", 16384)
	for left := 3 << 20; left > 0; {
		for stream < 16384 || conn < 16384 {
			switch f := await[*http2.WindowUpdateFrame](c); f.StreamID {
			case 0:
				conn += int64(f.Increment)
			default:
				stream += int64(f.Increment)
			}
		}
		left -= 16384
		c.data(1, left == 0, piece)
		stream -= 16384
		conn -= 16384
	}
	if diff := cmp.Diff([]string{"1: 200", `1: "3145728false"`}, c.story(1)); diff != "" {
		t.Error(diff)
	}
}
