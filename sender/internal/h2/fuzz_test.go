package h2

import (
	"errors"
	"io"
	"net"
	"reflect"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// canned is a network from which a peer's bytes are read, so many at a time, and into which everything disappears.
type canned struct {
	net.Conn
	text []byte
	step int
}

func (c *canned) Read(p []byte) (int, error) {
	if len(c.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.text[:min(len(c.text), c.step)])
	c.text = c.text[n:]
	return n, nil
}
func (c *canned) Write(p []byte) (int, error)      { return len(p), nil }
func (c *canned) Close() error                     { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

// listening keeps what it is told, and checks what must always hold.
type listening struct {
	t       *testing.T
	c       *Conn
	answers []Answer
}

func (l *listening) Settled(answers []Answer) {
	for _, a := range answers {
		if len(a.Body) > l.c.config.MaxBody || a.Fate == 0 || a.Fate == Answered && (a.Status < 200 || a.Status > 999) {
			l.t.Errorf("told %+v", a)
		}
		a.Body = slices.Clone(a.Body)
		for i, v := range a.Kept {
			a.Kept[i] = Value{wire: []byte(v.String())}
		}
		l.answers = append(l.answers, a)
	}
}

func (*listening) Changed() {}

const fuzzed = 40

// listen is a whole connection against a peer that has said text, without goroutines: first SETTINGS, then what came after
// some requests were written.
func listen(t *testing.T, text []byte, step int) (*Conn, []Answer) {
	l := &listening{t: t}
	network := &canned{step: max(step, 1)}
	socket := newSocket(network)
	c := newConn(socket, socket, Config{Handler: l, MaxBody: 1000})
	l.c = c
	network.text = []byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	if err := c.read(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	begin(t, c, "a", plain, fuzzed)
	c.out.handed += uint64(len(c.fill(nil)))
	network.text = text
	c.in.begin, c.in.end = 0, 0
	c.err = c.read()
	if c.rare.Len() > maxRare+maxFrame {
		t.Errorf("%d bytes wait for a peer that reads nothing", c.rare.Len())
	}
	c.settleRest()
	c.tell()
	return c, l.answers
}

// FuzzConn: whatever a peer sends, each request is told exactly once, nothing grows beyond its bounds, and it does not matter
// in which pieces it comes.
func FuzzConn(f *testing.F) {
	frame := func(kind http2.FrameType, flags http2.Flags, id uint32, payload string) string {
		return string(append(appendFrameHeader(nil, len(payload), kind, flags, id), payload...))
	}
	for _, seed := range []string{
		frame(http2.FrameHeaders, 5, 1, "\x20\x88") + frame(http2.FrameHeaders, 5, 3, "\x88\x00\x04x-id\x03abc"),
		frame(http2.FrameHeaders, 4, 1, "\x8c\x0f\x0d\x013") + frame(http2.FrameData, 1, 1, "why"),
		frame(http2.FrameHeaders, 4, 1, "\x88") + frame(http2.FrameData, 0, 1, "a") + frame(http2.FrameHeaders, 5, 1, "\x00\x01a\x01b"),
		frame(http2.FrameHeaders, 0x2c, 1, "\x01\x00\x00\x00\x00\x07\x88\x00") + frame(http2.FrameData, 9, 1, "\x02x\x00\x00"),
		frame(http2.FrameHeaders, 1, 1, "") + frame(http2.FrameContinuation, 0, 1, "\x88\x40\x04x-id") + frame(http2.FrameContinuation, 4, 1, "\x01a"),
		frame(http2.FrameGoAway, 0, 0, "\x00\x00\x00\x09\x00\x00\x00\x00{}") + frame(http2.FrameGoAway, 0, 0, "\x00\x00\x00\x03\x00\x00\x00\x00"),
		frame(http2.FrameRSTStream, 0, 5, "\x00\x00\x00\x07") + frame(http2.FrameRSTStream, 0, 7, "\x00\x00\x00\x08"),
		frame(http2.FrameSettings, 0, 0, "\x00\x03\x00\x00\x00\x00\x00\x04\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00") + frame(http2.FrameWindowUpdate, 0, 1, "\x00\x00\x00\x09"),
		frame(http2.FramePing, 0, 0, "12345678") + frame(http2.FramePushPromise, 4, 1, "\x00\x00\x00\x02\x82"),
		frame(http2.FrameHeaders, 4, 1, "\x08\x03103") + frame(http2.FrameHeaders, 5, 1, "\x48\x03503"),
		frame(0xfa, 0xff, 1, "x") + "\x00\x40\x01\x00\x00\x00\x00\x00\x01",
		"HTTP/1.1 400 Bad Request\r\n\r\n",
	} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, text []byte, step int) {
		whole, answers := listen(t, text, len(text))
		torn, again := listen(t, text, step)
		seen := make(map[int]int)
		for _, a := range answers {
			seen[a.Index]++
			if a.Owner != "a" {
				t.Errorf("told of somebody else: %+v", a)
			}
		}
		for i := range fuzzed {
			if seen[i] != 1 {
				t.Errorf("request %d is told %d times", i, seen[i])
			}
		}
		if !reflect.DeepEqual(answers, again) || whole.peer != torn.peer || whole.in.owed != torn.in.owed {
			t.Errorf("in pieces of %d it means something else:\n%+v\n%+v", step, answers, again)
		}
	})
}

// FuzzBlock: a block that is recognised means the same to the decoder, and the blocks after it too.
func FuzzBlock(f *testing.F) {
	f.Add([]byte("\x20\x88"), []byte("\x88\x40\x04x-id\x01a"), []byte("\x88\x0f\x0d\x012\x00\x84\xf2\xb2\x53\x93\x01b"))
	f.Add([]byte("\x88\x40\x04x-id\x01a"), []byte("\x88\xbe"), []byte("\x3f\x01\x88\xbe"))
	f.Add([]byte("\x20\x88\x3f\xe1\x1f"), []byte("\x88\x40\x04x-id\x01a"), []byte("\x88\xbe"))
	f.Add([]byte("\x88\x5c\x01\x30\x61\x96"), []byte("\x88\x0f\x1f\x80\x00\x80"), []byte("\x88\x54\x83\xff\xff\xff"))
	f.Add([]byte("\x88\x0f\x26\x019"), []byte("\x88\x10\x0bretry-after\x019"), []byte("\x88\x00\x07:status\x03200"))
	f.Fuzz(func(t *testing.T, first, second, third []byte) {
		keep := [keepFields]string{"x-id", "retry-after"}
		ours := header{keep: &keep}
		decoder := hpack.NewDecoder(ourTable, ours.add)
		decoder.SetMaxStringLength(maxBlock)
		var r recogniser
		r.init(keep, decoder)
		theirs := header{keep: &keep}
		reference := hpack.NewDecoder(ourTable, theirs.add)
		reference.SetMaxStringLength(maxBlock)
		for _, text := range [][]byte{first, second, third} {
			theirs = header{keep: &keep, length: -1}
			_, err := reference.Write(text)
			err = errors.Join(err, reference.Close())
			var b block
			if r.read(text, &b) {
				if err != nil {
					if !errors.Is(err, hpack.ErrInvalidHuffman) { // a value that nobody may ask for
						t.Fatalf("%x is recognised, and wrong: %v", text, err)
					}
					return
				}
				if theirs.status != statusOK || theirs.malformed || theirs.size > maxHeaderList || theirs.length != b.length {
					t.Fatalf("%x: recognised %+v, decoded %+v", text, b, theirs)
				}
				for i := range keep {
					if b.kept[i].String() != theirs.kept[i].String() {
						t.Fatalf("%x: field %d is %q, decoded %q", text, i, b.kept[i], theirs.kept[i])
					}
				}
			} else {
				ours = header{keep: &keep, length: -1}
				r.follow(text)
				_, ourErr := decoder.Write(text)
				ourErr = errors.Join(ourErr, decoder.Close())
				r.confirm()
				if (ourErr == nil) != (err == nil) || !reflect.DeepEqual(ours, theirs) {
					t.Fatalf("%x: decoded %+v, %v after what was recognised, %+v, %v by itself", text, ours, ourErr, theirs, err)
				}
				if err != nil {
					return
				}
			}
			if r.empty { // what confirm does for a block that was not recognised
				_, _ = reference.Write([]byte{tableSize})
				_ = reference.Close()
			}
		}
	})
}
