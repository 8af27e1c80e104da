package apnstest

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"testing"

	"github.com/volleypush/volley/sender/simulator"
)

// TestCertificateOfTheOtherEnvironment: a GOAWAY before the first request, and nothing else.
func TestCertificateOfTheOtherEnvironment(t *testing.T) {
	for environment, fits := range map[string]bool{"": true, simulator.Production: true, simulator.Sandbox: false} {
		f := start(t, func(o *Options) { o.Habits.Environment = simulator.Production })
		certificate, err := f.Authority().ClientCertificateFor(environment, "test", goodTopic)
		if err != nil {
			t.Fatal(err)
		}
		p := f.good()
		p.header.Del("authorization")
		if fits {
			f.expect(f.client(certificate), p, http.StatusOK, "")
			continue
		}
		if got, err := f.try(f.onceOnly(certificate), p); err == nil {
			t.Errorf("%q: answered %+v", environment, got)
		}
		if n := f.Ledger().Len(); n != 0 {
			t.Errorf("%q: %d notifications arrived", environment, n)
		}
	}
}

// onceOnly is a client that makes one connection: net/http would dial for ever (sideshow/apns2 #93).
func (f *fixture) onceOnly(certificate tls.Certificate) *http.Client {
	client := f.client(certificate)
	dialled := false
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if dialled {
			return nil, errors.New("once only")
		}
		dialled = true
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return client
}

// TestKeyOfTheOtherEnvironment: older keys are for both.
func TestKeyOfTheOtherEnvironment(t *testing.T) {
	for environment, reason := range map[string]string{"": "", simulator.Sandbox: "", simulator.Production: "BadEnvironmentKeyIdInToken"} {
		f := start(t, func(o *Options) {
			o.Habits.Environment = simulator.Sandbox
			o.Keys[0].Environment = environment
		})
		status := http.StatusOK
		if reason != "" {
			status = http.StatusForbidden
		}
		got := f.expect(f.client(), f.good(), status, reason)
		if id := got.header.Get("apns-unique-id"); len(id) != 36 {
			t.Errorf("apns-unique-id %q", id)
		}
	}
	f := start(t, nil)
	if got := f.expect(f.client(), f.good(), http.StatusOK, ""); got.header.Get("apns-unique-id") != "" {
		t.Error("apns-unique-id outside of the sandbox")
	}
}
