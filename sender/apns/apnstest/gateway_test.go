package apnstest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender/simulator"
)

// item writes one item of command 2.
func item(id byte, data []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{id}, uint16(len(data))), data...)
}

func frame(items ...[]byte) []byte {
	all := bytes.Join(items, nil)
	return append(binary.BigEndian.AppendUint32([]byte{2}, uint32(len(all))), all...)
}

func uint32Bytes(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

func rawToken(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// goodFrame is the frame that the reference's own test has, but for the identifier.
func goodFrame(id uint32, token []byte) []byte {
	return frame(item(1, token), item(2, []byte(goodBody)), item(3, uint32Bytes(id)), item(4, uint32Bytes(30)), item(5, []byte{10}))
}

type gatewayFixture struct {
	*Gateway
	t *testing.T
}

func startGateway(t *testing.T, change func(*GatewayOptions)) *gatewayFixture {
	t.Helper()
	options := GatewayOptions{Now: func() time.Time { return now }}
	if change != nil {
		change(&options)
	}
	g, err := NewGateway(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return &gatewayFixture{g, t}
}

// client connects with a certificate for the topics; none means that one without topics is shown.
func (f *gatewayFixture) client(topics ...string) *tls.Conn {
	f.t.Helper()
	certificate, err := f.Authority().ClientCertificate("test", topics...)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.dial(certificate)
}

func (f *gatewayFixture) dial(certificates ...tls.Certificate) *tls.Conn {
	f.t.Helper()
	return dialTLS(f.t, f.Addr(), &tls.Config{RootCAs: f.Authority().Pool(), Certificates: certificates})
}

func dialTLS(t *testing.T, addr string, config *tls.Config) *tls.Conn {
	t.Helper()
	dialer := tls.Dialer{Config: config}
	conn, err := dialer.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	secured, _ := conn.(*tls.Conn)
	return secured
}

func (f *gatewayFixture) write(conn io.Writer, frames ...[]byte) {
	f.t.Helper()
	if _, err := conn.Write(bytes.Join(frames, nil)); err != nil {
		f.t.Fatal(err)
	}
}

// expect reads to the end of the connection: a packet or "".
func (f *gatewayFixture) expect(conn io.Reader, want string) {
	f.t.Helper()
	got, err := io.ReadAll(conn)
	if err != nil || hex.EncodeToString(got) != want {
		f.t.Errorf("the gateway says %x, %v; want %s", got, err, want)
	}
}

func (f *gatewayFixture) script(rules ...simulator.Rule) {
	f.t.Helper()
	if err := f.Scripts().Set(simulator.Script{Rules: rules}); err != nil {
		f.t.Fatal(err)
	}
}

// log is token (its first byte) and reason of each line.
func (f *gatewayFixture) log() []string {
	var out []string
	for n := range f.Ledger().Each() {
		out = append(out, n.Headers["connection"]+" "+n.Token[:min(2, len(n.Token))]+" "+n.Reason)
	}
	return out
}

func TestGatewayChecks(t *testing.T) {
	t.Parallel()
	long := item(2, []byte(`"`+strings.Repeat("x", 2047)+`"`))
	exact := item(2, []byte(`"`+strings.Repeat("x", 2046)+`"`))
	token, payload, id := item(1, rawToken(1)), item(2, []byte(goodBody)), item(3, uint32Bytes(7))
	for name, test := range map[string]struct {
		send []byte
		want string
		// topics of the certificate
		none   bool
		change func(*GatewayOptions)
	}{
		"no token":                    {send: frame(id, payload), want: "080200000007"},
		"token of no bytes":           {send: frame(id, item(1, nil), payload), want: "080200000007"},
		"the same, nameless":          {send: frame(id, item(1, nil), payload), want: "080200000000", change: func(o *GatewayOptions) { o.ZeroIdentifier = true }},
		"short token":                 {send: frame(id, item(1, rawToken(1)[1:]), payload), want: "080500000007"},
		"long token":                  {send: frame(id, item(1, bytes.Repeat([]byte{1}, 33)), payload), want: "080500000007"},
		"longest token":               {send: frame(id, item(1, bytes.Repeat([]byte{1}, 100)), payload), change: func(o *GatewayOptions) { o.LongTokens = true }},
		"longer than the longest":     {send: frame(id, item(1, bytes.Repeat([]byte{1}, 101)), payload), want: "080500000007", change: func(o *GatewayOptions) { o.LongTokens = true }},
		"no payload":                  {send: frame(id, token), want: "080400000007"},
		"payload of no bytes":         {send: frame(id, token, item(2, nil)), want: "080400000007"},
		"largest payload":             {send: frame(id, token, exact)},
		"payload too large":           {send: frame(id, token, long), want: "080700000007"},
		"items in another order":      {send: frame(item(5, []byte{5}), item(4, uint32Bytes(0)), id, payload, token)},
		"an item twice":               {send: frame(id, token, token, payload), want: "088000000007"},
		"unknown item":                {send: frame(id, item(6, []byte{1}), token, payload), want: "088000000007"},
		"priority of two bytes":       {send: frame(id, item(5, []byte{1, 0})), want: "088000000007"},
		"priority that is none":       {send: frame(id, item(5, []byte{7})), want: "088000000007"},
		"identifier of five bytes":    {send: frame(item(3, []byte{1, 2, 3, 4, 5})), want: "088000000000"},
		"expiration of one byte":      {send: frame(id, item(4, []byte{1})), want: "088000000007"},
		"item breaks off":             {send: frame(id, []byte{1, 0, 32, 1}), want: "088000000007"},
		"item without a length":       {send: frame(id, []byte{1}), want: "088000000007"},
		"frame of 4 GiB":              {send: []byte{2, 255, 255, 255, 255}, want: "088000000000"},
		"certificate without a topic": {send: frame(id, token, payload), want: "080300000007", none: true},
		"unknown command":             {send: []byte{9}},
		"command 0":                   {send: append([]byte{0, 0, 32}, append(rawToken(1), 0, 2, '{', '}')...)},
		"command 0 refused":           {send: []byte{0, 0, 1, 1, 0, 2, '{', '}'}},
		"command 1":                   {send: append([]byte{1, 0, 0, 0, 7, 0, 0, 0, 30, 0, 32}, append(rawToken(1), 0, 2, '{', '}')...)},
		"command 1 refused":           {send: []byte{1, 0, 0, 0, 7, 0, 0, 0, 30, 0, 1, 1, 0, 2, '{', '}'}, want: "080500000007"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startGateway(t, test.change)
			topics := []string{goodTopic}
			if test.none {
				topics = nil
			}
			conn := f.client(topics...)
			f.write(conn, test.send)
			_ = conn.CloseWrite()
			f.expect(conn, test.want)
		})
	}
}

func TestGatewayNeedsACertificate(t *testing.T) {
	t.Parallel()
	f := startGateway(t, nil)
	stranger, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := stranger.ClientCertificate("test", goodTopic)
	if err != nil {
		t.Fatal(err)
	}
	for _, certificates := range [][]tls.Certificate{nil, {foreign}} {
		conn := f.dial(certificates...)
		f.expect(conn, "")
	}
	if f.Ledger().Len() != 0 {
		t.Errorf("the ledger has %v", f.log())
	}
}

// TestGatewayDiscardsWhatFollows: what comes after the refused one never arrives, whatever was written.
func TestGatewayDiscardsWhatFollows(t *testing.T) {
	t.Parallel()
	f := startGateway(t, nil)
	f.script(simulator.Rule{Token: hex.EncodeToString(rawToken(2)), Answer: simulator.Answer{Reason: "BadDeviceToken", Latency: simulator.Duration(50 * time.Millisecond)}})
	conn := f.client(goodTopic)
	f.write(conn, goodFrame(1, rawToken(1)), goodFrame(2, rawToken(2)), goodFrame(3, rawToken(3)))
	f.expect(conn, "080800000002")
	again := f.client(goodTopic)
	f.write(again, goodFrame(1, rawToken(3)))
	_ = again.CloseWrite()
	f.expect(again, "")
	if diff := cmp.Diff([]string{"1 01 ", "1 02 InvalidToken", "2 03 "}, f.log()); diff != "" {
		t.Error(diff)
	}
	first := f.Ledger().All()[0]
	if diff := cmp.Diff(map[string]string{"connection": "1", "apns-priority": "10", "apns-expiration": "30"}, first.Headers); diff != "" {
		t.Error(diff)
	}
	if first.Protocol != "binary" || first.Status != 200 || string(first.Body) != goodBody || !first.Accepted() {
		t.Errorf("the first line is %+v", first)
	}
}

func TestGatewayAnswers(t *testing.T) {
	t.Parallel()
	zero, ninety := uint32(0), uint32(99)
	for name, test := range map[string]struct {
		answer simulator.Answer
		want   string
		reason string // of the ledger; "-" for no line
	}{
		"binary reason":      {simulator.Answer{Reason: "ProcessingError"}, "080100000005", "ProcessingError"},
		"HTTP/2 reason":      {simulator.Answer{Reason: "TopicDisallowed"}, "080600000005", "InvalidTopicSize"},
		"HTTP/2 status":      {simulator.Answer{Status: 503}, "080100000005", "ProcessingError"},
		"unknown reason":     {simulator.Answer{Reason: "Whatever"}, "08ff00000005", "Unknown"},
		"status as a number": {simulator.Answer{Packet: &simulator.Packet{Status: new(99)}}, "086300000005", "Unknown"},
		"shutdown accepts":   {simulator.Answer{Reason: "Shutdown"}, "080a00000005", ""},
		"identifier zero":    {simulator.Answer{Packet: &simulator.Packet{Identifier: &zero}}, "080800000000", "InvalidToken"},
		"identifier of none": {simulator.Answer{Packet: &simulator.Packet{Identifier: &ninety}}, "080800000063", "InvalidToken"},
		"split":              {simulator.Answer{Packet: &simulator.Packet{Split: 3}}, "080800000005", "InvalidToken"},
		"no packet":          {simulator.Answer{Packet: &simulator.Packet{Omit: true}}, "", ""},
		"half close":         {simulator.Answer{Packet: &simulator.Packet{Then: "half_close"}}, "080800000005", "InvalidToken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startGateway(t, nil)
			f.script(simulator.Rule{Percent: 100, Answer: test.answer})
			conn := f.client(goodTopic)
			f.write(conn, goodFrame(5, rawToken(1)))
			f.expect(conn, test.want)
			if diff := cmp.Diff([]string{"1 01 " + test.reason}, f.log()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzReadNotification: nothing that a client sends brings the gateway down, and what it reads fits what was sent.
func FuzzReadNotification(f *testing.F) {
	f.Add(goodFrame(1, rawToken(1)))
	f.Add([]byte{0, 0, 1, 1, 0, 2, '{', '}'})
	f.Add([]byte{1, 0, 0, 0, 7, 0, 0, 0, 30, 0, 1, 1, 0, 2, '{', '}'})
	f.Add([]byte{2, 255, 255, 255, 255})
	f.Add(frame(item(3, nil), item(1, nil), []byte{1}))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := readNotification(bufio.NewReader(bytes.NewReader(data)))
		if err == nil && len(n.token)/2+len(n.payload) > len(data) {
			t.Errorf("more was read than was sent: %+v", n)
		}
	})
}
