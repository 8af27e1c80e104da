package h2

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// TestMistakes: what a peer must not do ends the connection, with the code that RFC 9113 names; what was written is lost.
func TestMistakes(t *testing.T) {
	raw := func(kind http2.FrameType, flags http2.Flags, id uint32, payload ...byte) func(*server) {
		return func(p *server) { _ = p.WriteRawFrame(kind, flags, id, payload) }
	}
	setting := func(id http2.SettingID, value uint32) func(*server) {
		return func(p *server) { _ = p.WriteSettings(http2.Setting{ID: id, Val: value}) }
	}
	head := []byte{0x88}
	for name, test := range map[string]struct {
		play func(*server)
		code http2.ErrCode
	}{
		"DATA on stream 0":           {raw(http2.FrameData, 0, 0, 1), http2.ErrCodeProtocol},
		"DATA on an idle stream":     {raw(http2.FrameData, 0, 99, 1), http2.ErrCodeProtocol},
		"DATA on an even stream":     {raw(http2.FrameData, 0, 2, 1), http2.ErrCodeProtocol},
		"padding longer than all":    {raw(http2.FrameData, 8, 1, 9, 1), http2.ErrCodeProtocol},
		"padding missing":            {raw(http2.FrameData, 8, 1), http2.ErrCodeFrameSize},
		"HEADERS on stream 0":        {raw(http2.FrameHeaders, 5, 0, head...), http2.ErrCodeProtocol},
		"HEADERS on an idle stream":  {raw(http2.FrameHeaders, 5, 99, head...), http2.ErrCodeProtocol},
		"HEADERS on an even stream":  {raw(http2.FrameHeaders, 5, 2, head...), http2.ErrCodeProtocol},
		"HEADERS that can't be read": {raw(http2.FrameHeaders, 5, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), http2.ErrCodeCompression},
		"HEADERS cut off":            {raw(http2.FrameHeaders, 5, 1, 0x88, 0x00, 0x05, 'a'), http2.ErrCodeCompression},
		"table over our limit":       {raw(http2.FrameHeaders, 5, 1, 0x3f, 0xff, 0xff, 0x03, 0x88), http2.ErrCodeCompression},
		"CONTINUATION of nothing":    {raw(http2.FrameContinuation, 4, 1, head...), http2.ErrCodeProtocol},
		"block interrupted": {func(p *server) {
			_ = p.WriteRawFrame(http2.FrameHeaders, 0, 1, nil)
			_ = p.WriteData(3, true, nil)
		}, http2.ErrCodeProtocol},
		"block of another stream": {func(p *server) {
			_ = p.WriteRawFrame(http2.FrameHeaders, 0, 1, nil)
			_ = p.WriteContinuation(3, true, head)
		}, http2.ErrCodeProtocol},
		"block interrupted by an answer": {func(p *server) {
			_ = p.WriteRawFrame(http2.FrameHeaders, 0, 1, nil)
			_ = p.WriteRawFrame(http2.FrameHeaders, 5, 3, head)
		}, http2.ErrCodeProtocol},
		"PRIORITY too short":     {raw(http2.FramePriority, 0, 1, 1), http2.ErrCodeFrameSize},
		"RST_STREAM on 0":        {raw(http2.FrameRSTStream, 0, 0, 0, 0, 0, 0), http2.ErrCodeProtocol},
		"RST_STREAM idle":        {raw(http2.FrameRSTStream, 0, 99, 0, 0, 0, 0), http2.ErrCodeProtocol},
		"RST_STREAM short":       {raw(http2.FrameRSTStream, 0, 1, 0), http2.ErrCodeFrameSize},
		"SETTINGS on a stream":   {raw(http2.FrameSettings, 0, 1), http2.ErrCodeProtocol},
		"SETTINGS odd":           {raw(http2.FrameSettings, 0, 0, 1), http2.ErrCodeFrameSize},
		"SETTINGS ACK with text": {raw(http2.FrameSettings, 1, 0, 1, 2, 3, 4, 5, 6), http2.ErrCodeFrameSize},
		"push setting":           {setting(http2.SettingEnablePush, 1), http2.ErrCodeProtocol},
		"push setting 2":         {setting(http2.SettingEnablePush, 2), http2.ErrCodeProtocol},
		"window setting":         {setting(http2.SettingInitialWindowSize, 1<<31), http2.ErrCodeFlowControl},
		"frame size setting":     {setting(http2.SettingMaxFrameSize, 1), http2.ErrCodeProtocol},
		"PUSH_PROMISE":           {raw(http2.FramePushPromise, 4, 1, 0, 0, 0, 2, 0x82), http2.ErrCodeProtocol},
		"PING on a stream":       {raw(http2.FramePing, 0, 1, make([]byte, 8)...), http2.ErrCodeProtocol},
		"PING short":             {raw(http2.FramePing, 0, 0, 1), http2.ErrCodeFrameSize},
		"GOAWAY on a stream":     {raw(http2.FrameGoAway, 0, 1, make([]byte, 8)...), http2.ErrCodeProtocol},
		"GOAWAY short":           {raw(http2.FrameGoAway, 0, 0, 1), http2.ErrCodeFrameSize},
		"WINDOW_UPDATE of 0":     {raw(http2.FrameWindowUpdate, 0, 0, 0, 0, 0, 0), http2.ErrCodeProtocol},
		"WINDOW_UPDATE short":    {raw(http2.FrameWindowUpdate, 0, 0, 1), http2.ErrCodeFrameSize},
		"WINDOW_UPDATE too wide": {raw(http2.FrameWindowUpdate, 0, 0, 0x7f, 0xff, 0xff, 0xff), http2.ErrCodeFlowControl},
		"WINDOW_UPDATE idle":     {raw(http2.FrameWindowUpdate, 0, 99, 0, 0, 0, 1), http2.ErrCodeProtocol},
		"windows of all streams": {func(p *server) {
			_ = p.WriteWindowUpdate(1, maxWindow-defaultWindow)
			_ = p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: maxWindow})
		}, http2.ErrCodeFlowControl},
		"long frame": {raw(http2.FrameData, 0, 1, make([]byte, maxFrame+1)...), http2.ErrCodeFrameSize},
		"flood of CONTINUATION": {func(p *server) {
			_ = p.WriteRawFrame(http2.FrameHeaders, 1, 1, head)
			field := appendText(appendText([]byte{0}, "x"), strings.Repeat("x", 1000))
			for range maxBlock/1000 + 1 {
				_ = p.WriteContinuation(1, false, field)
			}
		}, http2.ErrCodeEnhanceYourCalm},
	} {
		t.Run(name, func(t *testing.T) {
			c, p, h := connect(t, Config{})
			begin(t, c, "a", plain, 2)
			p.request()
			p.request()
			test.play(p)
			if f := until[*http2.GoAwayFrame](p); f.ErrCode != test.code {
				t.Errorf("%s, want %s; %v", f.ErrCode, test.code, c.Err())
			}
			over(t, c)
			mistake, ok := errors.AsType[*PeerError](c.Err())
			if !ok || mistake.Code != test.code || mistake.Rule == "" {
				t.Errorf("%v", c.Err())
			}
			if counts := h.fates(t, 2); counts[Lost] != 2 {
				t.Error(counts)
			}
		})
	}
}

// TestConnectionMustBeginWithSettings: anything else first is no HTTP/2.
func TestConnectionMustBeginWithSettings(t *testing.T) {
	for name, frame := range map[string][]byte{
		"PING":     append([]byte{0, 0, 8, 6, 0, 0, 0, 0, 0}, make([]byte, 8)...),
		"ACK":      {0, 0, 0, 4, 1, 0, 0, 0, 0},
		"HTTP/1.1": []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
	} {
		ours, theirs := tcpPair(t)
		socket := newSocket(ours)
		c := newConn(socket, socket, Config{Handler: newTold()})
		c.run()
		_, _ = theirs.Write(frame)
		over(t, c)
		if _, ok := errors.AsType[*PeerError](c.Err()); !ok {
			t.Errorf("%s: %v", name, c.Err())
		}
	}
}

// TestFloodOfQuestions: a peer that asks and does not read is left before its answers fill the memory.
func TestFloodOfQuestions(t *testing.T) {
	c, p, _ := connect(t, Config{})
	flood := slices.Repeat(append([]byte{0, 0, 8, 6, 0, 0, 0, 0, 0}, make([]byte, 8)...), 1000)
	for {
		if _, err := p.Write(flood); err != nil {
			break
		}
	}
	over(t, c)
	if mistake, ok := errors.AsType[*PeerError](c.Err()); ok && mistake.Code != http2.ErrCodeEnhanceYourCalm {
		t.Error(mistake)
	}
	if n := c.rare.Len(); n > 2*maxRare {
		t.Errorf("%d bytes waited", n)
	}
}

// TestHeaderBomb: a small block that decodes to very much costs no memory, and its stream.
func TestHeaderBomb(t *testing.T) {
	c, p, h := connect(t, Config{})
	r := one(t, c, p)
	// One large entry in the table, referred to a thousand times.
	bomb := p.head(":status", "200", "x", strings.Repeat("x", 4000))
	bomb = append(bomb, slices.Repeat([]byte{0xbe}, 10_000)...)
	p.must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: r.stream, BlockFragment: bomb, EndHeaders: true, EndStream: true}))
	if a := h.next(t); a.Fate != Lost {
		t.Error(a)
	}
	if f := until[*http2.RSTStreamFrame](p); f.ErrCode != http2.ErrCodeEnhanceYourCalm {
		t.Error(f)
	}
}
