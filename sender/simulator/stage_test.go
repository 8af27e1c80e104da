package simulator

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// Faults of connections that have not got so far as to send a request.
func TestStrikesOnReady(t *testing.T) {
	tests := []struct {
		fault string
		story []string // after the SETTINGS
		taken string
	}{
		{
			"kind: goaway, reason: BadCertificateEnvironment, then: close",
			[]string{`away after 0: NO_ERROR {"reason":"BadCertificateEnvironment"}`, "eof"},
			"",
		},
		{"kind: goaway, then: stay", []string{"away after 0: NO_ERROR", "pong", "silence"}, ""},
		{"kind: goaway_twice", []string{"away after 2147483647: NO_ERROR", "1: 200", "3: 200", "pong", "away after 3: NO_ERROR", "eof"}, "/1 /3"},
		{"kind: reset", []string{"cut"}, ""},
		{"kind: close", []string{"eof"}, ""},
		{"kind: half_close", []string{"eof"}, "/1 /3"},
		{"kind: stall", []string{"pong", "silence"}, "/1 /3"},
		{"kind: stall, for: 20ms", []string{"pong", "1: 200", "3: 200"}, "/1 /3"},
		{"kind: black_hole", []string{"silence"}, "/1 /3"},
		{"kind: garbage", []string{"error: frame too large"}, ""},
		{"kind: max_streams, streams: 1", []string{"1: 200", "3: 200", "pong"}, "/1 /3"}, // one at a time is enough
	}
	for _, test := range tests {
		t.Run(test.fault, func(t *testing.T) {
			s := play(t, "faults: [{on: ready, "+test.fault+"}]", nil)
			p, err := s.tryDial()
			if err != nil { // it was quicker than our SETTINGS
				if len(test.story) > 1 || test.story[0] != "cut" {
					t.Fatal(err)
				}
				return
			}
			if test.story[0] != "cut" {
				p.ready()
			}
			p.post(1, 3)
			p.expect(test.story...)
			until(t, func() bool { return len(s.taken()) >= len(test.taken) })
			if got := s.taken(); got != test.taken {
				t.Errorf("taken are %q, want %q", got, test.taken)
			}
		})
	}
}

// What is stated at first is in the very first SETTINGS: a client must not see the usual ones before.
func TestFirstSettings(t *testing.T) {
	s := play(t, "faults: [{on: ready, kind: max_streams, streams: 0, for: 20ms}, {kind: window, bytes: 5}]", nil)
	p := s.dial()
	_ = p.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	f, err := p.framer.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	settings, ok := f.(*http2.SettingsFrame)
	if !ok {
		t.Fatalf("the first frame is %v", f)
	}
	streams, stated := settings.Value(http2.SettingMaxConcurrentStreams)
	window, _ := settings.Value(http2.SettingInitialWindowSize)
	if !stated || streams != 0 || window != 5 {
		t.Errorf("the first SETTINGS state %d streams and a window of %d", streams, window)
	}
	p.limit = 0
	p.expect("limit 100")
}

func TestStrikesOnConnect(t *testing.T) {
	tests := []struct {
		fault string
		want  string // in the error of the handshake
	}{
		{"kind: reset, on: connect", "connection reset"},
		{"kind: close, on: connect", "EOF"},
		{"kind: garbage, on: connect", "first record does not look like a TLS handshake"},
		{"kind: garbage, on: connect, garbage: noise", "first record does not look like a TLS handshake"},
		{"kind: tls_alert, alert: handshake_failure", "handshake failure"},
		{"kind: tls_alert, alert: unknown_ca", "unknown certificate authority"},
		{"kind: tls_alert, alert: access_denied", "access denied"},
		{"kind: tls_alert, alert: internal_error", "internal error"},
		{"kind: tls_alert, alert: certificate_revoked", "revoked certificate"},
		{"kind: tls_alert, alert: certificate_expired", "expired certificate"},
		{"kind: tls_alert, alert: protocol_version", "protocol version not supported"},
	}
	for _, test := range tests {
		t.Run(test.fault, func(t *testing.T) {
			s := play(t, "faults: [{times: 1, "+test.fault+"}]", nil)
			_, err := s.tryDial()
			// A reset can overtake what was said before it.
			if err == nil || !strings.Contains(err.Error(), test.want) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the handshake ends with %v, want %q", err, test.want)
			}
			p := s.dial()
			p.ready()
			p.post(1)
			p.expect("1: 200")
		})
	}
}

// With TLS 1.3 a client has finished its handshake before it can learn that its certificate is not wanted.
func TestBadCertificateAlertComesLate(t *testing.T) {
	s := play(t, "faults: [{kind: tls_alert}]", func(o *EndpointOptions) { o.RequestClientCertificate = true })
	conn, err := tls.Dial("tcp", s.Addr(), &tls.Config{RootCAs: s.authority.Pool(), NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatalf("the client's side of the handshake: %v", err)
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "bad certificate") {
		t.Errorf("reading ends with %v", err)
	}
	_, err = tls.Dial("tcp", s.Addr(), &tls.Config{RootCAs: s.authority.Pool(), NextProtos: []string{"h2"}, MaxVersion: tls.VersionTLS12})
	if err == nil || !strings.Contains(err.Error(), "bad certificate") {
		t.Errorf("the handshake of TLS 1.2 ends with %v", err)
	}
}

// In a black hole the system still takes connections, and nothing else happens.
func TestBlackHoleOnConnect(t *testing.T) {
	s := play(t, "faults: [{kind: black_hole, on: connect, times: 1, lose: nothing, for: 100ms}]", nil)
	raw, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	conn := tls.Client(raw, &tls.Config{RootCAs: s.authority.Pool(), NextProtos: []string{"h2"}, ServerName: "localhost"})
	begun := time.Now()
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < 80*time.Millisecond {
		t.Errorf("the handshake went through after %s", took)
	}
}

func TestAt(t *testing.T) {
	s := play(t, "faults: [{kind: goaway, at: 300ms, then: stay}, {kind: stall, at: 500ms, for: 1ns}]", nil)
	open := []*peer{s.dial(), s.dial()}
	for _, p := range open {
		p.expect("away after 0: NO_ERROR")
	}
	p := s.dial() // after the time of the first, before that of the second
	p.ready()
	until(t, func() bool { return s.scripts.Faults().Faults[1].Strikes > 0 })
	p.post(1) // it was over long before anybody could run; it has been all the same, and has ended
	p.expect("1: 200", "pong")
}

func TestPhasesFollowEachOther(t *testing.T) {
	s := play(t, "", nil)
	open := s.dial()
	open.ready()
	s.script(`
phases:
  - {for: 300ms, fault: {kind: max_streams, streams: 3}}
  - {for: 300ms, fault: {kind: refuse_stream}}
  - {for: 300ms, fault: {kind: down}}
  - {for: 300ms, fault: {kind: goaway, last_stream: none, then: close}}
  - fault: {kind: stall}
`)
	open.expect("limit 3", "limit 100")
	open.post(1, 3)
	open.expect("1: REFUSED_STREAM", "3: REFUSED_STREAM", "pong", "cut")
	_, err := s.tryDial()
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("while it is down connecting ends with %v", err)
	}
	if s.State().Listening {
		t.Error("it listens while it is down")
	}
	until(t, func() bool { return s.State().Listening })
	p := s.dial()
	p.expect("away after 0: NO_ERROR", "eof")
	until(t, func() bool { return s.scripts.Faults().Faults[4].Active })
	p = s.dial()
	p.ready()
	p.post(1)
	p.expect("pong", "silence")
	s.script("")
	p.expect("1: 200")
	for _, f := range s.scripts.Faults().Faults {
		t.Errorf("an empty script has the fault %v", f)
	}
}

// Phases strike open connections when they begin and new ones as they begin, and let go of both when they end.
func TestBlackHoleOfAPhaseHeals(t *testing.T) {
	s := play(t, "", nil)
	open := s.dial()
	open.ready()
	s.script("phases: [{for: 200ms, fault: {kind: black_hole, lose: nothing}}]")
	open.post(1)
	begun := time.Now()
	late := s.dial() // its handshake waits
	if took := time.Since(begun); took < 100*time.Millisecond {
		t.Errorf("a new connection was made after %s", took)
	}
	late.ready()
	late.post(3)
	late.expect("3: 200", "pong")
	open.expect("1: 200", "pong")
}

func TestDownAfterRequests(t *testing.T) {
	s := play(t, "faults: [{kind: down, after: 2, for: 100ms, times: 1}]", nil)
	other, p := s.dial(), s.dial()
	other.ready()
	p.ready()
	p.post(1, 3, 5)
	other.expect("cut")
	if _, err := s.tryDial(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("while it is down connecting ends with %v", err)
	}
	until(t, func() bool { return s.State().Listening })
	p = s.dial()
	p.ready()
	p.post(1, 3, 5)
	p.expect("1: 200", "3: 200", "5: 200", "pong")
}

// The port is held while nobody listens on it, so that it can be had again.
func TestDownKeepsThePort(t *testing.T) {
	s := play(t, "phases: [{fault: {kind: down}, for: 1h}]", nil)
	until(t, func() bool { return !s.State().Listening })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	plain, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr())
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connecting ends with %v, %v", plain, err)
	}
	for range 3 { // up and down, and up again
		s.script("")
		if !s.State().Listening {
			t.Fatal("it is not up when the script is set")
		}
		p := s.dial()
		p.ready()
		s.script("phases: [{fault: {kind: down}, for: 1h}]")
		if s.State().Listening {
			t.Fatal("it is not down when the script is set")
		}
		p.expect("cut")
	}
}

func TestDownOnAllAddresses(t *testing.T) {
	s := play(t, "", func(o *EndpointOptions) { o.Addr = ":0" })
	_, port, _ := net.SplitHostPort(s.Addr())
	s.script("phases: [{fault: {kind: down}, for: 1h}]")
	for _, up := range []bool{false, true} {
		if up {
			s.script("")
		}
		for _, host := range []string{"127.0.0.1", "::1"} {
			conn, err := net.Dial("tcp", net.JoinHostPort(host, port))
			if up && err != nil || !up && !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("up %v: connecting to %s ends with %v", up, host, err)
			}
			if err == nil {
				conn.Close()
			}
		}
	}
}

func TestCloseWhileDown(t *testing.T) {
	s := play(t, "phases: [{fault: {kind: down}, for: 1h}]", nil)
	until(t, func() bool { return !s.State().Listening })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	testEndpoint(t, EndpointOptions{Name: "second", Addr: s.Addr(), Authority: s.authority, Connect: accepting})
}

func TestHTTP1IsStruckToo(t *testing.T) {
	s := play(t, "faults: [{kind: reset, on: connect, times: 1}]", func(o *EndpointOptions) { o.HTTP1 = true })
	client := testClient(t, s.authority, true, false)
	if response, err := client.Post(s.URL(), "", nil); err == nil {
		response.Body.Close()
		t.Error("a connection that is reset was answered")
	}
	post := func() error {
		response, err := client.Post(s.URL(), "", nil)
		if err == nil {
			response.Body.Close()
		}
		return err
	}
	if err := post(); err != nil {
		t.Error(err)
	}
	s.script("phases: [{fault: {kind: down}, for: 1h}]")
	if err := post(); !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("while it is down: %v", err)
	}
	s.script("")
	if err := post(); err != nil {
		t.Error(err)
	}
}
