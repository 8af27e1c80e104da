package apns

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns/apnstest"
	"github.com/volleypush/volley/sender/simulator"
)

// TestEachTroubleIsOneSentence: what is wrong with a credential or on the way to Apple is told in one sentence that names
// the credential or the host and the remedy, after one connection.
func TestEachTroubleIsOneSentence(t *testing.T) {
	certificate := func(authority *simulator.Authority) *tls.Certificate {
		made, err := authority.ClientCertificate("Apple Push Services: "+bundle, bundle)
		if err != nil {
			t.Fatal(err)
		}
		return &made
	}
	stranger, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	withCertificate := func(o *apnstest.Options, c *Config) {
		c.Key, c.Certificate = nil, certificate(o.Authority)
	}
	answer := func(reason string) func(*apnstest.Options, *Config) {
		return func(o *apnstest.Options, _ *Config) {
			setScript(t, o, simulator.Script{Rules: []simulator.Rule{{Percent: 100, Answer: simulator.Answer{Reason: reason}}}})
		}
	}
	for name, test := range map[string]struct {
		change func(*apnstest.Options, *Config)
		want   []string
		// connections is how many the simulator sees at most.
		connections int64
	}{
		"bad certificate": {func(o *apnstest.Options, c *Config) { c.Key, c.Certificate = nil, certificate(stranger) }, []string{
			`Apple refuses certificate "Apple Push Services: com.example.app" (expires 2`, "(BadCertificate)", "make a new one on Apple's developer site",
		}, 1},
		"certificate refused in the handshake": {func(o *apnstest.Options, c *Config) {
			withCertificate(o, c)
			setScript(t, o, simulator.Script{Faults: []simulator.Fault{{Kind: simulator.TLSAlert, On: "connect", Alert: "certificate_revoked"}}})
		}, []string{
			`Apple refuses certificate "Apple Push Services: com.example.app"`, "(CertificateRefused)", "it was revoked", "make a new one on Apple's developer site",
		}, 1},
		"certificate of the other environment": {func(o *apnstest.Options, c *Config) {
			withCertificate(o, c)
			setScript(t, o, simulator.Script{Faults: []simulator.Fault{{Kind: simulator.GoAway, On: "ready", Reason: "BadCertificateEnvironment", Then: "close"}}})
		}, []string{`certificate "Apple Push Services: com.example.app"`, "is not for the production environment", "(BadCertificateEnvironment)", "set environment to sandbox"}, 1},
		"key of the other environment": {func(o *apnstest.Options, c *Config) {
			c.Environment = Sandbox
			answer("BadEnvironmentKeyIdInToken")(o, c)
		}, []string{"key ", " of team ", "is not for the sandbox environment", "set environment to production"}, 1},
		"wrong team": {func(o *apnstest.Options, _ *Config) { o.Keys[0].TeamID = "ANOTHERTEA" }, []string{
			"Apple does not accept key ", " of team ", "(InvalidProviderToken)", "team_id with Membership",
		}, 1},
		"revoked key": {func(o *apnstest.Options, _ *Config) {
			other, _, err := apnstest.NewKey()
			if err != nil {
				t.Fatal(err)
			}
			o.Keys = []apnstest.Key{other}
		}, []string{"Apple does not accept key ", "(InvalidProviderToken)", "was it revoked?", "make a new key"}, 1},
		"expired token": {func(_ *apnstest.Options, c *Config) {
			c.Now = func() time.Time { return time.Now().Add(-2 * time.Hour) }
		}, []string{"Apple takes a fresh provider token of key ", "for expired", "(ExpiredProviderToken)", "set the clock: it shows " + time.Now().Add(-2*time.Hour).UTC().Format("2006-01-02 15")}, 1},
		"clock ahead": {func(_ *apnstest.Options, c *Config) {
			c.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
		}, []string{"Apple does not accept key ", "check the clock: it shows "}, 1},
		"topic": {func(o *apnstest.Options, _ *Config) { o.Topics = []string{"com.example.other"} }, []string{
			"key ", "may not send to topic com.example.app", "(TopicDisallowed)", "set topic to the bundle id",
		}, 1},
		"another key on the connection": {answer("UnrelatedKeyIdInToken"), []string{"key ", "began with another key", "key_id and key_file belong together"}, 1},
		"no token arrives":              {answer("MissingProviderToken"), []string{"Apple got no credential, though we have key ", "a proxy that opens TLS"}, 1},
		"forbidden":                     {answer("Forbidden"), []string{"Apple forbids what key ", "allowed to do"}, 1},
		"changing tokens":               {answer("TooManyProviderTokenUpdates"), []string{"Apple gets changing provider tokens of key ", "another program uses this key"}, 1},
		"an outage":                     {answer("ServiceUnavailable"), []string{"Apple can't take notifications now", "(ServiceUnavailable)", "system-status"}, 1},
		"a redirect": {func(o *apnstest.Options, _ *Config) {
			setScript(t, o, simulator.Script{Rules: []simulator.Rule{{Percent: 100, Answer: simulator.Answer{Status: 302}}}})
		}, []string{"answers with a redirect", "(Status302)", "check endpoint"}, 1},
		"TLS interception": {func(o *apnstest.Options, c *Config) {
			c.RootCAs = stranger.Pool()
		}, []string{"127.0.0.1:", "is not trusted", `issued by "Volley simulator authority (throw-away)"`, "proxy or firewall that opens TLS", "ca_file"}, 1},
		"DNS": {func(_ *apnstest.Options, c *Config) {
			lookUp := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") }}
			c.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{Resolver: &lookUp}).DialContext(ctx, network, "api.push.apple.com:443")
			}
		}, []string{"can't be looked up", "check this machine's DNS"}, 0},
		"nobody listens": {func(_ *apnstest.Options, c *Config) {
			c.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:1")
			}
		}, []string{"no connection to 127.0.0.1:", "connection refused", "a firewall"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := simulate(t, test.change)
			err := s.Probe(t.Context())
			if err == nil {
				t.Fatal("the probe finds nothing wrong")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is not one line", err)
			}
			if got := s.server.State().Accepted; got > test.connections {
				t.Errorf("%d connections for it", got)
			}
		})
	}
}

// TestProbe: a credential that is taken is fine, whatever becomes of the token.
func TestProbe(t *testing.T) {
	for _, reason := range []string{"", "BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered"} {
		s := simulate(t, func(o *apnstest.Options, _ *Config) {
			setScript(t, o, simulator.Script{Rules: []simulator.Rule{{Percent: 100, Answer: simulator.Answer{Reason: reason}}}})
		})
		if err := s.Probe(t.Context()); err != nil {
			t.Errorf("%q: %v", reason, err)
		}
	}
	if err := newClient(t, Config{Key: testKey(t)}).Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "topic: is needed") {
		t.Errorf("without a topic: %v", err)
	}
}

// TestExpiredCertificateIsNamed: one that ran out while the client lives.
func TestExpiredCertificateIsNamed(t *testing.T) {
	c := newClient(t, Config{Certificate: issue(t, nil), Now: func() time.Time { return time.Now().Add(2 * time.Hour) }})
	for _, reason := range []string{"BadCertificate", CertificateRefused} {
		if text := c.Explain(Reason(reason)); !strings.Contains(text, "has expired") || !strings.Contains(text, "make a new one") {
			t.Errorf("%q", text)
		}
	}
}

// TestEveryReasonIsExplained: each row that concerns the whole app has a sentence of its own that is one line without a secret.
func TestEveryReasonIsExplained(t *testing.T) {
	for _, c := range []*Client{newClient(t, Config{Key: testKey(t), Topic: bundle}), newClient(t, Config{Certificate: issue(t, nil)})} {
		seen := map[string]string{}
		for name, reason := range table {
			text := c.Explain(reason)
			if !strings.Contains(text, name) || !strings.Contains(text, "; ") || strings.Contains(text, "\n") {
				t.Errorf("%s: %q", name, text)
			}
			what := strings.Replace(text, name, "", 1)
			if twin := seen[what]; reason.Wide && twin != "" && reason.Class == sender.Credential && !strings.HasPrefix(name, "BadEnvironmentKey") &&
				name != "BadCertificate" && name != CertificateRefused {
				t.Errorf("%s and %s are told alike: %q", name, twin, text)
			}
			seen[what] = name
		}
	}
}

// setScript puts a script in force before the simulator starts.
func setScript(t *testing.T, o *apnstest.Options, script simulator.Script) {
	t.Helper()
	o.Scripts = simulator.NewScripts()
	if err := o.Scripts.Set(script); err != nil {
		t.Fatal(err)
	}
}
