package apns

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/simulator"
)

// noDial fails the test if anything is dialled.
func noDial(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialled")
		return nil, errors.New("dialled")
	}
}

// TestFailedDial fails the call's recipients as unsent, once per call, and says why without a token.
func TestFailedDial(t *testing.T) {
	var dials atomic.Int32
	c := newClient(t, Config{
		Key: testKey(t), Topic: bundle, Endpoint: "https://127.0.0.1:1",
		Dial: func(context.Context, string, string) (net.Conn, error) {
			dials.Add(1)
			return nil, errors.New("no route")
		},
	})
	ids := tokens(50)
	for range 3 {
		out := deliver(t, c, &Request{Tokens: ids})
		if diff := cmp.Diff(map[string]int{ConnectionFailed: 50}, names(out)); diff != "" {
			t.Error(diff)
		}
		if out[0].Class != sender.Unsent || !out[0].Reason.Wide {
			t.Errorf("%+v", out[0])
		}
	}
	if n := dials.Load(); n != 3 {
		t.Errorf("%d dials for 3 calls", n)
	}
	err := c.LastFailure()
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || !strings.Contains(err.Error(), "no route") || strings.Contains(err.Error(), ids[0]) {
		t.Errorf("the operator is told %v", err)
	}
}

// TestFreshDialEachTime: the name is resolved anew, because Apple spreads its load by DNS.
func TestFreshDialEachTime(t *testing.T) { onEngines(t, testFreshDialEachTime) }

func testFreshDialEachTime(t *testing.T, e Engine) {
	var addresses []string
	s := script(t, nil, func(f *frames, _ int) {
		f.settings()
		for _, r := range f.take(1) {
			f.answer(r.stream, 200, "")
		}
		f.linger()
	})
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	c := s.clientOn(t, e, func(c *Config) {
		c.Endpoint = "https://localhost:" + port
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			addresses = append(addresses, network+" "+address)
			return new(net.Dialer).DialContext(ctx, network, s.listener.Addr().String())
		}
	})
	for range 2 {
		if out := deliver(t, c, &Request{Tokens: tokens(1)}); out[0].Class != sender.Accepted {
			t.Fatalf("%+v, %v", out[0], c.LastFailure())
		}
		if err := c.Close(); err != nil { // it reconnects when it is used again
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"tcp localhost:" + port, "tcp localhost:" + port}, addresses); diff != "" {
		t.Error(diff)
	}
}

// TestDialTimeout: a host that takes the connection and never speaks TLS.
func TestDialTimeout(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c := newClient(t, Config{
		Key: testKey(t), Topic: bundle, Endpoint: "https://" + listener.Addr().String(), DialTimeout: 50 * time.Millisecond,
	})
	out := deliver(t, c, &Request{Tokens: tokens(2)})
	if diff := cmp.Diff(map[string]int{ConnectionFailed: 2}, names(out)); diff != "" {
		t.Error(diff)
	}
}

// TestCloseDuringDial: Close does not wait for the dial's timeout.
func TestCloseDuringDial(t *testing.T) {
	dialling := make(chan struct{})
	c := newClient(t, Config{
		Key: testKey(t), Topic: bundle,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			close(dialling)
			<-ctx.Done()
			return nil, ctx.Err()
		},
	})
	done := make(chan []sender.Outcome, 1)
	go func() { done <- deliver(t, c, &Request{Tokens: tokens(2)}) }()
	<-dialling
	_ = c.Close()
	if diff := cmp.Diff(map[string]int{NotBegun: 2}, names(<-done)); diff != "" {
		t.Error(diff)
	}
}

// TestCloseDuringDelivery: what is written is uncertain, what waits is unsent, and no goroutine stays behind.
func TestCloseDuringDelivery(t *testing.T) { onEngines(t, testCloseDuringDelivery) }

func testCloseDuringDelivery(t *testing.T, e Engine) {
	arrived := make(chan struct{})
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(3))
		for _, r := range f.take(1) {
			f.answer(r.stream, 200, "")
		}
		f.take(3)
		close(arrived)
		f.linger()
	})
	c := s.clientOn(t, e, nil)
	done := make(chan []sender.Outcome, 1)
	go func() { done <- deliver(t, c, &Request{Tokens: tokens(10)}) }()
	<-arrived
	_ = c.Close()
	if diff := cmp.Diff(map[string]int{"": 1, AnswerLost: 3, NotBegun: 6}, names(<-done)); diff != "" {
		t.Error(diff)
	}
}

// TestServerIsAlwaysVerified: an authority nobody named, and a name that is not the certificate's.
func TestServerIsAlwaysVerified(t *testing.T) { onEngines(t, testServerIsAlwaysVerified) }

func testServerIsAlwaysVerified(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) { t.Error("a request was sent to a server that is not trusted") })
	stranger, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	direct := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.listener.Addr().String())
	}
	for name, test := range map[string]struct {
		change func(*Config)
		remedy string
	}{
		"system authorities": {func(c *Config) { c.RootCAs = nil }, "ca_file"},
		"another authority":  {func(c *Config) { c.RootCAs = stranger.Pool() }, "ca_file"},
		"no authority":       {func(c *Config) { c.RootCAs = x509.NewCertPool() }, "ca_file"},
		"another name":       {func(c *Config) { c.Endpoint, c.Dial = "https://push.example.com:"+port, direct }, "check the endpoint"},
	} {
		c := s.clientOn(t, e, test.change)
		out := deliver(t, c, &Request{Tokens: tokens(3)})
		if diff := cmp.Diff(map[string]int{ServerNotTrusted: 3}, names(out)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if err := c.LastFailure(); err == nil || !strings.Contains(err.Error(), test.remedy) {
			t.Errorf("%s: the operator is told %v", name, err)
		}
	}
}

func TestServerWithoutHTTP2(t *testing.T) { onEngines(t, testServerWithoutHTTP2) }

func testServerWithoutHTTP2(t *testing.T, e Engine) {
	for _, protocols := range [][]string{{"http/1.1"}, {}} {
		s := script(t, &tls.Config{NextProtos: protocols}, func(*frames, int) {})
		c := s.clientOn(t, e, nil)
		out := deliver(t, c, &Request{Tokens: tokens(3)})
		if diff := cmp.Diff(map[string]int{ConnectionFailed: 3}, names(out)); diff != "" {
			t.Errorf("%v: %s", protocols, diff)
		}
		if err := c.LastFailure(); len(protocols) == 0 && !strings.Contains(err.Error(), "does not speak HTTP/2; check the endpoint") {
			t.Errorf("the operator is told %v", err)
		}
	}
}

// TestCertificateRefusedInTheHandshake: with TLS 1.3 it comes after our side thinks that all is well.
func TestCertificateRefusedInTheHandshake(t *testing.T) {
	onEngines(t, testCertificateRefusedInTheHandshake)
}

func testCertificateRefusedInTheHandshake(t *testing.T, e Engine) {
	stranger, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := stranger.ClientCertificate("Apple Push Services: "+bundle, bundle)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := script(t, &tls.Config{
			ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool(), MaxVersion: version,
		}, func(*frames, int) {})
		c := s.clientOn(t, e, func(c *Config) { c.Key, c.Certificate = nil, &certificate })
		out := deliver(t, c, &Request{Tokens: tokens(20)})
		if diff := cmp.Diff(map[string]int{CertificateRefused: 20}, names(out)); diff != "" {
			t.Errorf("%s: %s", tls.VersionName(version), diff)
		}
		if n := s.accepted.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
	}
}

func TestOldTLSIsRefused(t *testing.T) { onEngines(t, testOldTLSIsRefused) }

func testOldTLSIsRefused(t *testing.T, e Engine) {
	s := script(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, func(*frames, int) {})
	out := deliver(t, s.clientOn(t, e, nil), &Request{Tokens: tokens(1)})
	if diff := cmp.Diff(map[string]int{ConnectionFailed: 1}, names(out)); diff != "" {
		t.Error(diff)
	}
}

func TestParseEndpoint(t *testing.T) {
	for endpoint, want := range map[string]target{
		"https://api.push.apple.com":      {"api.push.apple.com", "api.push.apple.com:443"},
		"https://api.push.apple.com/":     {"api.push.apple.com", "api.push.apple.com:443"},
		"https://api.push.apple.com:2197": {"api.push.apple.com:2197", "api.push.apple.com:2197"},
		"https://[::1]:2197":              {"[::1]:2197", "[::1]:2197"},
		"http://api.push.apple.com":       {},
		"api.push.apple.com":              {},
		"https://":                        {},
		"https://u:secret@host":           {},
		"https://host/path":               {},
		"https://host?q":                  {},
		"":                                {},
	} {
		got, err := parseEndpoint(endpoint)
		if got != want || (err != nil) != (want == target{}) {
			t.Errorf("%q: %+v, %v", endpoint, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%v quotes a secret", err)
		}
	}
}
