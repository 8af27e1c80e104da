package simulator

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/volleypush/volley/sender/simulator/h2sim"
)

// scene is an endpoint that takes every request, under a script.
type scene struct {
	*Endpoint
	t         *testing.T
	authority *Authority
	scripts   *Scripts

	mu    sync.Mutex
	paths []string
}

// play starts a scene with a script in YAML.
func play(t *testing.T, script string, change func(*EndpointOptions)) *scene {
	t.Helper()
	s := &scene{t: t, authority: testAuthority(t), scripts: NewScripts()}
	s.script(script)
	options := EndpointOptions{Name: "test", Platform: APNS, Authority: s.authority, Scripts: s.scripts, MaxConcurrentStreams: 100, Connect: answering(s.answer).connect}
	if change != nil {
		change(&options)
	}
	s.Endpoint = testEndpoint(t, options)
	return s
}

func (s *scene) script(text string) {
	s.t.Helper()
	script, err := ParseScript([]byte(text))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.scripts.Set(script); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) answer(r *h2sim.Request) h2sim.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paths = append(s.paths, r.Path)
	if want := "{" + r.Path + "}"; strings.HasPrefix(string(r.Body), "{/") && string(r.Body) != want {
		s.t.Errorf("the body of %s is %q", r.Path, r.Body)
	}
	return h2sim.Response{Status: 200}
}

// taken are the paths of the requests that were taken, in order.
func (s *scene) taken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	paths := slices.Clone(s.paths)
	slices.Sort(paths)
	return strings.Join(paths, " ")
}

// peer is a client that speaks frames.
type peer struct {
	t       *testing.T
	conn    *tls.Conn
	framer  *http2.Framer
	block   bytes.Buffer
	encoder *hpack.Encoder
	out     bytes.Buffer
	limit   int64 // of streams, as last stated; -1 before
	quiet   bool  // answers no PING and acknowledges nothing
	cut     bool  // writing has met a reset
}

// dial opens a connection and sends its preface.
func (s *scene) dial() *peer {
	s.t.Helper()
	p, err := s.tryDial()
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *scene) tryDial() (*peer, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: s.authority.Pool(), NextProtos: []string{"h2"}}}
	conn, err := dialer.DialContext(ctx, "tcp", s.Addr())
	if err != nil {
		return nil, err
	}
	secured, ok := conn.(*tls.Conn)
	if !ok {
		s.t.Fatal("not a TLS connection")
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	p := &peer{t: s.t, conn: secured, limit: -1}
	p.framer = http2.NewFramer(&p.out, conn)
	p.framer.SetMaxReadFrameSize(16384)
	p.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	p.encoder = hpack.NewEncoder(&p.block)
	p.out.WriteString(http2.ClientPreface)
	_ = p.framer.WriteSettings()
	p.flush()
	return p, nil
}

// flush writes what was put together. A connection that is over cannot take it, which reading will show; but the system
// reports a reset only once, and to whoever asks first.
func (p *peer) flush() {
	if _, err := p.conn.Write(p.out.Bytes()); errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		p.cut = true
	}
	p.out.Reset()
}

// post sends complete requests in one write, each with its stream as path, and a PING after them.
func (p *peer) post(streams ...uint32) {
	for _, id := range streams {
		p.open(id)
		p.end(id)
	}
	_ = p.framer.WritePing(false, [8]byte{1})
	p.flush()
}

// open puts headers together, end their bodies, and writes them if they are several; each body differs, so that none is mistaken for another.
func (p *peer) open(streams ...uint32) {
	for _, id := range streams {
		p.block.Reset()
		for _, f := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":path", fmt.Sprintf("/%d", id)}} {
			_ = p.encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		_ = p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.block.Bytes(), EndHeaders: true})
	}
}

func (p *peer) end(streams ...uint32) {
	for _, id := range streams {
		_ = p.framer.WriteData(id, true, fmt.Appendf(nil, "{/%d}", id))
	}
	if len(streams) > 1 {
		p.flush()
	}
}

// read tells in words what comes next; "" for what is of no interest.
func (p *peer) read(patience time.Duration) string {
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	f, err := p.framer.ReadFrame()
	var timeout net.Error
	switch {
	case err == nil:
		return p.tell(f)
	case errors.As(err, &timeout) && timeout.Timeout():
		return "silence"
	case errors.Is(err, io.EOF) && !p.cut:
		return "eof"
	case p.cut, errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "cut"
	case errors.Is(err, http2.ErrFrameTooLarge):
		return "error: frame too large"
	case errors.As(err, &tls.RecordHeaderError{}), strings.Contains(err.Error(), "tls:"):
		return "error: not TLS"
	}
	return "error: " + err.Error()
}

func (p *peer) tell(f http2.Frame) string {
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		return fmt.Sprintf("%d: %s", f.StreamID, f.PseudoValue("status"))
	case *http2.RSTStreamFrame:
		return fmt.Sprintf("%d: %s", f.StreamID, f.ErrCode)
	case *http2.GoAwayFrame:
		return strings.TrimSpace(fmt.Sprintf("away after %d: %s %s", f.LastStreamID, f.ErrCode, f.DebugData()))
	case *http2.PingFrame:
		switch {
		case f.IsAck():
			return "pong"
		case !p.quiet:
			_ = p.framer.WritePing(true, f.Data)
			p.flush()
		}
	case *http2.SettingsFrame:
		if f.IsAck() {
			return ""
		}
		if !p.quiet {
			_ = p.framer.WriteSettingsAck()
			p.flush()
		}
		limit, stated := f.Value(http2.SettingMaxConcurrentStreams)
		first := p.limit < 0
		if p.limit = int64(limit); stated && !first {
			return fmt.Sprintf("limit %d", limit)
		}
	}
	return ""
}

// expect compares what comes with the story, line by line. Its last line may be "silence".
func (p *peer) expect(story ...string) {
	p.t.Helper()
	var got []string
	for len(got) < len(story) {
		patience := 10 * time.Second
		if story[len(got)] == "silence" {
			patience = 50 * time.Millisecond
		}
		if line := p.read(patience); line != "" {
			got = append(got, line)
		}
		if n := len(got); n > 0 && (got[n-1] == "eof" || got[n-1] == "cut" || got[n-1] == "silence" || strings.HasPrefix(got[n-1], "error")) {
			break
		}
	}
	if !slices.Equal(got, story) {
		p.t.Errorf("what came:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(story, "\n  "))
	}
}

// ready waits for the server's SETTINGS.
func (p *peer) ready() {
	p.t.Helper()
	for p.limit < 0 {
		if line := p.read(10 * time.Second); line != "" {
			p.t.Fatalf("before SETTINGS came %q", line)
		}
	}
}

// until polls for a fact.
func until(t *testing.T, fact func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !fact(); {
		if time.Now().After(deadline) {
			t.Fatal("it does not come true")
		}
		<-time.After(time.Millisecond)
	}
}
