package peer

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	frameHeader = 9
	readSize    = 256 << 10
	// window is what a connection may send before it has to wait for us; half of it used is given back at once.
	window = 1 << 30
	// streamWindow is more than any request of a benchmark has.
	streamWindow = 1 << 20
)

// conn is one HTTP/2 connection of a client that keeps to the rules.
type conn struct {
	*Server
	net.Conn
	streams map[uint32]int
	decoder *hpack.Decoder // nil while paths are found in plain text
	plain   bool           // the first path was
	path    []byte
	used    uint32
	out     []byte
	late    chan batch
}

// batch are answers that wait for their time.
type batch struct {
	due time.Time
	out []byte
}

func (s *Server) serve(raw net.Conn) error {
	c := &conn{Server: s, Conn: raw, streams: map[uint32]int{}, late: make(chan batch, 1<<12)}
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(c, preface); err != nil {
		return err
	}
	settings := bytes.NewBuffer(nil)
	framer := http2.NewFramer(settings, nil)
	if err := framer.WriteSettings(
		http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: s.options.Streams},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow},
	); err != nil {
		return err
	}
	if err := framer.WriteWindowUpdate(0, window-65535); err != nil {
		return err
	}
	if _, err := c.Write(settings.Bytes()); err != nil {
		return err
	}
	var timers sync.WaitGroup
	if s.options.Latency > 0 {
		timers.Go(c.delayed)
	}
	defer timers.Wait()
	defer close(c.late)
	return c.read()
}

// read handles frames where they lie in one buffer, and answers once for each read.
func (c *conn) read() error {
	buffer := make([]byte, readSize)
	have := 0
	for {
		n, err := c.Conn.Read(buffer[have:])
		if err != nil {
			return err
		}
		have += n
		at := 0
		for have-at >= frameHeader {
			length := int(buffer[at])<<16 | int(buffer[at+1])<<8 | int(buffer[at+2])
			if have-at < frameHeader+length {
				break
			}
			frame := buffer[at : at+frameHeader+length]
			c.frame(http2.FrameType(frame[3]), http2.Flags(frame[4]), binary.BigEndian.Uint32(frame[5:])&(1<<31-1), frame[frameHeader:])
			at += frameHeader + length
		}
		have = copy(buffer, buffer[at:have])
		if err := c.flush(); err != nil {
			return err
		}
	}
}

func (c *conn) frame(kind http2.FrameType, flags http2.Flags, stream uint32, payload []byte) {
	switch kind {
	case http2.FrameHeaders:
		n := -1
		if c.options.Platform == APNS {
			n = c.recipient(payload)
		}
		c.streams[stream] = n
	case http2.FrameData:
		c.used += uint32(len(payload)) //nolint:gosec // a frame has 16 MiB at most
		if flags&http2.FlagDataEndStream != 0 {
			n := c.streams[stream]
			delete(c.streams, stream)
			c.arrived(stream, n, payload)
		}
	case http2.FrameSettings:
		if flags&http2.FlagSettingsAck == 0 {
			c.out = appendFrame(c.out, http2.FrameSettings, http2.FlagSettingsAck, 0, nil)
		}
	case http2.FramePing:
		if flags&http2.FlagPingAck == 0 {
			c.out = appendFrame(c.out, http2.FramePing, http2.FlagPingAck, 0, payload)
		}
	case http2.FrameRSTStream:
		delete(c.streams, stream)
	case http2.FramePriority, http2.FramePushPromise, http2.FrameGoAway, http2.FrameWindowUpdate, http2.FrameContinuation, http2.FramePriorityUpdate:
	}
	if c.used > window/2 {
		c.out = appendFrame(c.out, http2.FrameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, c.used))
		c.used = 0
	}
}

const devicePath = "/3/device/"

// recipient finds the number in the path. A client that writes paths in plain text always does; for others all headers are decoded.
func (c *conn) recipient(block []byte) int {
	if c.decoder == nil {
		if _, token, found := bytes.Cut(block, []byte(devicePath)); found {
			c.plain = true
			return number(token)
		}
		if c.plain {
			return -1
		}
		c.decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
			if f.Name == ":path" {
				c.path = append(c.path[:0], f.Value...)
			}
		})
	}
	c.path = c.path[:0]
	if _, err := c.decoder.Write(block); err != nil || c.decoder.Close() != nil {
		return -1
	}
	return number(bytes.TrimPrefix(c.path, []byte(devicePath)))
}

const (
	tokenField = `"token":"`
	timeField  = `"sent_at":`
)

// arrived counts a notification and answers it.
func (c *conn) arrived(stream uint32, n int, body []byte) {
	if c.options.Platform == GCM {
		if _, token, found := bytes.Cut(body, []byte(tokenField)); found {
			n = number(token)
		}
	}
	c.tally.count(n)
	c.tally.requests.Add(1)
	if _, text, found := bytes.Cut(body, []byte(timeField)); found {
		if published, ok := digits(text); ok {
			c.tally.delay(published)
		}
	}
	c.out = c.answers.append(c.out, stream, c.options.GoneEvery > 0 && n%c.options.GoneEvery == c.options.GoneEvery-1)
	if c.options.Record {
		_ = c.flush()
	}
}

// digits reads a number, perhaps in quotes.
func digits(text []byte) (int64, bool) {
	text = bytes.TrimLeft(text, `" `)
	end := 0
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(string(text[:end]), 10, 64)
	return n, err == nil
}

// flush writes what was answered, or lets it wait.
func (c *conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	if c.options.Latency > 0 {
		c.late <- batch{time.Now().Add(c.options.Latency), bytes.Clone(c.out)}
		c.out = c.out[:0]
		return nil
	}
	_, err := c.Conn.Write(c.out)
	c.out = c.out[:0]
	return err
}

// delayed writes answers when their time has come. All wait equally long, so they are in order.
func (c *conn) delayed() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for b := range c.late {
		if wait := time.Until(b.due); wait > 0 {
			timer.Reset(wait)
			<-timer.C
		}
		if _, err := c.Conn.Write(b.out); err != nil {
			_ = c.Conn.Close()
		}
	}
}

func appendFrame(out []byte, kind http2.FrameType, flags http2.Flags, stream uint32, payload []byte) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(payload))<<8|uint32(kind)) //nolint:gosec // our own, and short
	out = binary.BigEndian.AppendUint32(append(out, byte(flags)), stream)
	return append(out, payload...)
}
