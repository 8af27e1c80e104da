package h2

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// one begins a request and returns it as it arrived.
func one(t *testing.T, c *Conn, p *server) arrived {
	t.Helper()
	begin(t, c, "a", plain, 1)
	return p.request()
}

// TestRequestsOnTheWire: pseudo-header fields first, everything there, and the same on every request of a template.
func TestRequestsOnTheWire(t *testing.T) {
	for _, table := range []uint32{4096, 1 << 20, 100, 0} {
		c, p, h := connect(t, Config{}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: table})
		p.decoder.SetAllowedMaxDynamicTableSize(min(table, 4096))
		other := &Template{Authority: "b", Path: "/", Fields: []Field{{"x-long", strings.Repeat("l", 90)}, {"authorization", "bearer abc"}}, Before: []byte("y")}
		for i, template := range []*Template{plain, plain, plain, other, plain, other, other, other, plain, plain} {
			own := ""
			if i%2 == 0 && template == plain {
				own = "ID"
			}
			if n := c.Begin([]Request{{Template: template, Path: "00ff", Own: own, Body: "b"}}); n != 1 {
				t.Fatal(c.Err())
			}
			want, body := []string{":method=POST", ":scheme=https", ":authority=b", ":path=/00ff", "x-long=" + strings.Repeat("l", 90), "authorization=bearer abc", "content-length=2"}, "yb"
			if template == plain {
				want, body = []string{":method=POST", ":scheme=https", ":authority=example.com", ":path=/3/device/00ff", "authorization=bearer abc", "x-topic=t", "content-length=9"}, `{"a":"b"}`
			}
			if own != "" {
				want = append(want, "x-id=ID")
			}
			r := p.request()
			var got []string
			for _, f := range r.fields {
				got = append(got, f.Name+"="+f.Value)
				if f.Name == ":path" && !f.Sensitive {
					t.Error("the path may be kept by intermediaries")
				}
			}
			if strings.Join(got, " ") != strings.Join(want, " ") || r.body != body || r.stream != uint32(2*i+1) {
				t.Fatalf("table of %d, request %d: stream %d, %v, %s", table, i, r.stream, got, r.body)
			}
			p.ok(r.stream)
			h.fates(t, 1)
		}
	}
}

// TestTableSizeChangesMidway: the next block begins with the new size, also when it is of a template that was used before.
func TestTableSizeChangesMidway(t *testing.T) {
	c, p, _ := connect(t, Config{})
	for _, size := range []uint32{4096, 0, 4096, 60} {
		p.must(p.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: size}))
		p.pong()
		p.decoder.SetAllowedMaxDynamicTableSize(size)
		for range 3 {
			if r := one(t, c, p); len(r.fields) != 7 {
				t.Fatalf("%v", r.fields)
			}
		}
	}
}

// TestLongHeadersAreContinued: CONTINUATION, and no frame over 16,384 bytes.
func TestLongHeadersAreContinued(t *testing.T) {
	c, p, _ := connect(t, Config{})
	long := strings.Repeat("\x01", 2*maxFrame) // no Huffman code is shorter
	if n := c.Begin([]Request{{Template: &Template{Authority: "a", Path: "/", Fields: []Field{{"x-long", long}}}}}); n != 1 {
		t.Fatal(c.Err())
	}
	head := until[*http2.HeadersFrame](p)
	if head.HeadersEnded() || !head.StreamEnded() || head.Length != maxFrame {
		t.Error(head)
	}
	f := until[*http2.ContinuationFrame](p)
	for ; !f.HeadersEnded(); f = until[*http2.ContinuationFrame](p) {
	}
	if n := len(p.fields); n != 6 || p.fields[4].Value != long {
		t.Errorf("%d fields", n)
	}
}

// TestHeaderLongerThanThePeerTakes is not sent.
func TestHeaderLongerThanThePeerTakes(t *testing.T) {
	r := Request{Template: plain, Path: "f", Body: "b"}
	c, p, h := connect(t, Config{}, http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: uint32(r.listSize())})
	c.Begin([]Request{{Template: plain, Path: "ff"}, r})
	if a := h.next(t); a.Fate != Refused {
		t.Error(a)
	}
	if r := p.request(); r.stream != 1 {
		t.Error(r)
	}
}

// TestAnswers: what a peer may send as an answer, and what comes of it.
func TestAnswers(t *testing.T) {
	type play func(p *server, id uint32)
	head := func(p *server, id uint32, ends bool, fields ...string) {
		p.must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.head(fields...), EndHeaders: true, EndStream: ends}))
	}
	data := func(p *server, id uint32, ends bool, body string) { p.must(p.WriteData(id, ends, []byte(body))) }
	for name, test := range map[string]struct {
		play play
		fate Fate
		want string // status, kept fields and body
	}{
		"empty":        {func(p *server, id uint32) { p.ok(id) }, Answered, "200   "},
		"with a field": {func(p *server, id uint32) { p.answer(id, "", ":status", "200", "x-id", "A-B") }, Answered, "200 A-B  "},
		"with a body":  {func(p *server, id uint32) { p.answer(id, "body", ":status", "200", "content-length", "4") }, Answered, "200   body"},
		"refusal":      {func(p *server, id uint32) { p.answer(id, "why", ":status", "410", "x-id", "A", "retry-after", "9") }, Answered, "410 A 9 why"},
		"first value":  {func(p *server, id uint32) { p.answer(id, "", ":status", "200", "x-id", "A", "x-id", "B") }, Answered, "200 A  "},
		"body in pieces": {func(p *server, id uint32) {
			head(p, id, false, ":status", "200")
			data(p, id, false, "a")
			data(p, id, false, "")
			data(p, id, true, "b")
		}, Answered, "200   ab"},
		"end of its own": {func(p *server, id uint32) {
			head(p, id, false, ":status", "200", "x-id", "A")
			data(p, id, false, "a")
			data(p, id, true, "")
		}, Answered, "200 A  a"},
		"informational": {func(p *server, id uint32) {
			head(p, id, false, ":status", "103")
			head(p, id, false, ":status", "100")
			p.ok(id)
		}, Answered, "200   "},
		"trailers": {func(p *server, id uint32) {
			head(p, id, false, ":status", "200")
			data(p, id, false, "a")
			head(p, id, true, "x-id", "late")
		}, Answered, "200   a"},
		"trailers, dear": {func(p *server, id uint32) {
			head(p, id, false, ":status", "503", "x-id", "A")
			head(p, id, true, "x", "y")
		}, Answered, "503 A  "},
		"content-length 0": {func(p *server, id uint32) { p.answer(id, "", ":status", "200", "content-length", "0") }, Answered, "200   "},
		"padding": {func(p *server, id uint32) {
			p.must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.head(":status", "200"), EndHeaders: true, PadLength: 17}))
			p.must(p.WriteDataPadded(id, true, []byte("x"), make([]byte, 99)))
		}, Answered, "200   x"},
		"priority": {func(p *server, id uint32) {
			p.must(p.WriteHeaders(http2.HeadersFrameParam{
				StreamID: id, BlockFragment: p.head(":status", "200"), EndHeaders: true, EndStream: true, Priority: http2.PriorityParam{Weight: 3},
			}))
		}, Answered, "200   "},
		"continuation": {func(p *server, id uint32) {
			block := p.head(":status", "200", "x-id", "A-B-C")
			p.must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndStream: true}))
			for i := range block {
				p.must(p.WriteContinuation(id, i == len(block)-1, block[i:i+1]))
			}
		}, Answered, "200 A-B-C  "},
		"unknown frames": {func(p *server, id uint32) {
			p.must(p.WriteRawFrame(0xfa, 0xff, id, []byte("x")))
			p.must(p.WritePriority(id, http2.PriorityParam{Weight: 1}))
			p.must(p.WriteRawFrame(0xfb, 0, 0, nil))
			p.ok(id)
		}, Answered, "200   "},
		"after the end": {func(p *server, id uint32) {
			p.ok(id)
			data(p, id, true, "late")
			head(p, id, true, ":status", "500")
			p.must(p.WriteRSTStream(id, http2.ErrCodeNo))
			p.must(p.WriteWindowUpdate(id, 1))
		}, Answered, "200   "},

		"refused":             {func(p *server, id uint32) { p.must(p.WriteRSTStream(id, http2.ErrCodeRefusedStream)) }, Refused, ""},
		"reset":               {func(p *server, id uint32) { p.must(p.WriteRSTStream(id, http2.ErrCodeInternal)) }, Lost, ""},
		"reset without error": {func(p *server, id uint32) { p.must(p.WriteRSTStream(id, http2.ErrCodeNo)) }, Lost, ""},
		"reset after the head": {func(p *server, id uint32) {
			head(p, id, false, ":status", "410")
			p.must(p.WriteRSTStream(id, http2.ErrCodeCancel))
		}, Lost, ""},
		"refused after the head": {func(p *server, id uint32) {
			head(p, id, false, ":status", "200")
			p.must(p.WriteRSTStream(id, http2.ErrCodeRefusedStream))
		}, Lost, ""},
		"reset in the body": {func(p *server, id uint32) {
			head(p, id, false, ":status", "410")
			data(p, id, false, `{"rea`)
			p.must(p.WriteRSTStream(id, http2.ErrCodeCancel))
		}, Lost, ""},
		"body too short": {func(p *server, id uint32) { p.answer(id, "abc", ":status", "200", "content-length", "4") }, Lost, ""},
		"body too long":  {func(p *server, id uint32) { p.answer(id, "abcde", ":status", "200", "content-length", "4") }, Lost, ""},
		"no body":        {func(p *server, id uint32) { p.answer(id, "", ":status", "200", "content-length", "4") }, Lost, ""},
		"two lengths": {func(p *server, id uint32) {
			p.answer(id, "a", ":status", "200", "content-length", "1", "content-length", "1")
		}, Lost, ""},
		"length of letters":   {func(p *server, id uint32) { p.answer(id, "a", ":status", "200", "content-length", "+1") }, Lost, ""},
		"no status":           {func(p *server, id uint32) { p.answer(id, "", "x-id", "A") }, Lost, ""},
		"two statuses":        {func(p *server, id uint32) { p.answer(id, "", ":status", "200", ":status", "200") }, Lost, ""},
		"late status":         {func(p *server, id uint32) { p.answer(id, "", "x-id", "A", ":status", "200") }, Lost, ""},
		"short status":        {func(p *server, id uint32) { p.answer(id, "", ":status", "20") }, Lost, ""},
		"status of letters":   {func(p *server, id uint32) { p.answer(id, "", ":status", "abc") }, Lost, ""},
		"status below 100":    {func(p *server, id uint32) { p.answer(id, "", ":status", "099") }, Lost, ""},
		"another pseudo":      {func(p *server, id uint32) { p.answer(id, "", ":status", "200", ":path", "/") }, Lost, ""},
		"upper case":          {func(p *server, id uint32) { p.answer(id, "", ":status", "200", "X-Id", "A") }, Lost, ""},
		"line break":          {func(p *server, id uint32) { p.answer(id, "", ":status", "200", "x-id", "A\r\nb: c") }, Lost, ""},
		"informational end":   {func(p *server, id uint32) { p.answer(id, "", ":status", "103") }, Lost, ""},
		"switching protocols": {func(p *server, id uint32) { head(p, id, false, ":status", "101") }, Lost, ""},
		"endless information": {func(p *server, id uint32) {
			for range maxInterim + 1 {
				head(p, id, false, ":status", "100")
			}
		}, Lost, ""},
		"trailers that go on":    {func(p *server, id uint32) { head(p, id, false, ":status", "200"); head(p, id, false, "x", "y") }, Lost, ""},
		"trailers with a status": {func(p *server, id uint32) { head(p, id, false, ":status", "200"); head(p, id, true, ":status", "200") }, Lost, ""},
		"body before the head":   {func(p *server, id uint32) { data(p, id, true, "x") }, Lost, ""},
		"body in information":    {func(p *server, id uint32) { head(p, id, false, ":status", "100"); data(p, id, true, "x") }, Lost, ""},
		"oversized header": {func(p *server, id uint32) {
			head(p, id, true, ":status", "200", "x-a", strings.Repeat("a", 9000), "x-b", strings.Repeat("a", 9000))
		}, Lost, ""},
		"empty increment":     {func(p *server, id uint32) { p.must(p.WriteRawFrame(http2.FrameWindowUpdate, 0, id, make([]byte, 4))) }, Lost, ""},
		"window over the top": {func(p *server, id uint32) { p.must(p.WriteWindowUpdate(id, maxWindow)) }, Lost, ""},
		"window of ours overrun": {func(p *server, id uint32) {
			head(p, id, false, ":status", "200")
			for range streamWindow/maxFrame + 1 {
				p.must(p.WriteRawFrame(http2.FrameData, 8, id, append([]byte{255}, make([]byte, maxFrame-1)...)))
			}
		}, Answered, "200   (cut)"},
	} {
		t.Run(name, func(t *testing.T) {
			c, p, h := connect(t, Config{})
			r := one(t, c, p)
			test.play(p, r.stream)
			a := h.next(t)
			got := ""
			if a.Fate == Answered {
				got = strings.Join([]string{itoa(a.Status), a.Kept[0].String(), a.Kept[1].String(), string(a.Body)}, " ")
			}
			if a.Truncated {
				got += "(cut)"
			}
			if a.Fate != test.fate || got != test.want {
				t.Errorf("fate %d, %q", a.Fate, got)
			}
			// The connection is as good as before, and so is its compression table.
			r = one(t, c, p)
			p.answer(r.stream, "x", ":status", "200", "x-id", "A-B")
			if a := h.next(t); a.Fate != Answered || a.Kept[0].String() != "A-B" || string(a.Body) != "x" {
				t.Errorf("the next answer: %+v", a)
			}
		})
	}
}

func itoa(n int) string {
	return string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)})
}

// TestBodyLimit: at the limit a body is kept whole, one byte more and it is cut off, and its stream with it.
func TestBodyLimit(t *testing.T) {
	c, p, h := connect(t, Config{MaxBody: 100})
	for _, size := range []int{100, 101} {
		for _, inOne := range []bool{true, false} {
			r := one(t, c, p)
			body := strings.Repeat("x", size)
			if inOne {
				p.answer(r.stream, body, ":status", "500")
			} else {
				p.must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: r.stream, BlockFragment: p.head(":status", "500"), EndHeaders: true}))
				p.must(p.WriteData(r.stream, false, []byte(body[:60])))
				p.must(p.WriteData(r.stream, false, []byte(body[60:])))
			}
			if size == 100 && !inOne {
				p.must(p.WriteData(r.stream, true, nil))
			}
			if a := h.next(t); a.Fate != Answered || a.Status != 500 || a.Truncated != (size > 100) || (len(a.Body) == size) == a.Truncated {
				t.Errorf("%d bytes: %+v", size, a)
			}
			if size > 100 && !inOne {
				if f := until[*http2.RSTStreamFrame](p); f.StreamID != r.stream || f.ErrCode != http2.ErrCodeCancel {
					t.Error(f)
				}
			}
		}
	}
}

// TestAnswerBeforeTheBodyIsWritten: it counts, and the rest of the body is given up.
func TestAnswerBeforeTheBodyIsWritten(t *testing.T) {
	c, p, h := connect(t, Config{}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3})
	begin(t, c, "a", plain, 1)
	id := until[*http2.DataFrame](p).StreamID
	p.answer(id, "", ":status", "413")
	if a := h.next(t); a.Fate != Answered || a.Status != 413 {
		t.Error(a)
	}
	if f := until[*http2.RSTStreamFrame](p); f.StreamID != id || f.ErrCode != http2.ErrCodeNo {
		t.Error(f)
	}
	p.must(p.WriteWindowUpdate(id, 1000))
	p.pong()
}

// TestCompressionTableOfAPeerThatIgnoresOurs: indexed fields of its table are understood all the same, and when it obeys at
// last, no decoder is needed.
func TestCompressionTableOfAPeerThatIgnoresOurs(t *testing.T) {
	c, p, h := connect(t, Config{})
	for range 3 { // the second and third answer refer to the first
		r := one(t, c, p)
		p.answer(r.stream, "", ":status", "200", "x-id", "again")
		if a := h.next(t); a.Kept[0].String() != "again" {
			t.Errorf("%+v", a)
		}
	}
	c.mu.Lock()
	empty := c.in.block.empty
	c.mu.Unlock()
	if empty {
		t.Error("its table is not empty")
	}
	p.encoder.SetMaxDynamicTableSize(0)
	for range 3 {
		r := one(t, c, p)
		p.answer(r.stream, "", ":status", "200", "x-id", "again")
		if a := h.next(t); a.Kept[0].String() != "again" {
			t.Errorf("%+v", a)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.in.block.empty {
		t.Error("its table is empty now")
	}
}

// TestRecognised: the forms that are read without a decoder, and some that must not be.
func TestRecognised(t *testing.T) {
	const uuid = "27CFDC15-E305-4F2D-A7A6-0A0C7B6B5C3A"
	raw := func(kind byte, name, value string) string {
		return string(appendText(appendText([]byte{kind}, name), value))
	}
	huffman := func(kind byte, name, value string) string {
		text := func(s string) []byte {
			return append([]byte{0x80 | byte(hpack.HuffmanEncodeLength(s))}, hpack.AppendHuffmanString(nil, s)...)
		}
		return string(append(append([]byte{kind}, text(name)...), text(value)...))
	}
	for name, test := range map[string]struct {
		block string
		empty bool
		want  bool
		id    string
	}{
		"status":                   {"\x88", false, true, ""},
		"update":                   {"\x20\x88", false, true, ""},
		"updates":                  {"\x20\x20\x88", false, true, ""},
		"raw":                      {"\x88" + raw(0, "x-id", uuid), false, true, uuid},
		"raw, never indexed":       {"\x88" + raw(0x10, "x-id", uuid), false, true, uuid},
		"huffman":                  {"\x88" + huffman(0, "x-id", uuid), false, true, uuid},
		"indexed, empty table":     {"\x88" + huffman(0x40, "x-id", uuid), true, true, uuid},
		"indexed after an update":  {"\x20\x88" + raw(0x40, "x-id", uuid), false, true, uuid},
		"static name":              {"\x88\x0f\x12\x03now" + raw(0, "x-id", "1"), false, true, "1"}, // date
		"unknown raw name":         {"\x88" + raw(0, "server", "s"), false, true, ""},
		"content-length":           {"\x88\x0f\x0d\x010", false, true, ""},
		"indexed":                  {"\x88" + raw(0x40, "x-id", uuid), false, false, ""},
		"another status":           {"\x8c", false, false, ""},
		"no status":                {raw(0, "x-id", uuid), false, false, ""},
		"nothing":                  {"", false, false, ""},
		"update only":              {"\x20", false, false, ""},
		"table grows":              {"\x3f\xe1\x1f\x88", false, false, ""},
		"table reference":          {"\x88\xbe", true, false, ""},
		"unknown huffman name":     {"\x88" + huffman(0, "server", "s"), false, false, ""},
		"pseudo":                   {"\x88" + raw(0, ":status", "200"), false, false, ""},
		"pseudo by index":          {"\x88\x08\x03200", false, false, ""},
		"upper case":               {"\x88" + raw(0, "X-Id", "1"), false, false, ""},
		"line break":               {"\x88" + raw(0, "x-id", "1\n"), false, false, ""},
		"content-length in words":  {"\x88" + raw(0, "content-length", "0"), false, false, ""},
		"content-length of sorts":  {"\x88\x0f\x0d\x02+1", false, false, ""},
		"content-length twice":     {"\x88\x0f\x0d\x010\x0f\x0d\x010", false, false, ""},
		"cut off":                  {"\x88" + raw(0, "x-id", uuid)[:20], false, false, ""},
		"cut off in the name":      {"\x88\x00\x04x-i", false, false, ""},
		"cut off before the value": {"\x88\x00\x04x-id", false, false, ""},
		"update inside":            {"\x88\x20", true, false, ""},
		"integer without end":      {"\x88\x0f\xff\xff\xff\xff", false, false, ""},
		"name index out of range":  {"\x88\x0f\x2f\x01x", true, false, ""},
	} {
		var r recogniser
		r.init([keepFields]string{"x-id", "retry-after", "date"}, hpack.NewDecoder(4096, nil))
		r.empty = test.empty
		var b block
		if got := r.read([]byte(test.block), &b); got != test.want || got && b.kept[0].String() != test.id {
			t.Errorf("%s: %t, %q", name, got, b.kept[0].String())
		}
	}
	if v := (Value{wire: []byte{0xff, 0xff, 0xff}, huffman: true}); v.String() != "" || !bytes.Equal(v.Append([]byte("x")), []byte("x")) {
		t.Error("what can't be decoded is empty")
	}
}
