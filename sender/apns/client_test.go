package apns

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"
)

// TestNewFaults: every fault of a configuration at once, each with its remedy.
func TestNewFaults(t *testing.T) {
	key := testKey(t)
	plain := issue(t, nil)
	sandbox, production := issue(t, extension(oidSandbox, []byte{5, 0})), issue(t, extension(oidProduction, []byte{5, 0}))
	for name, test := range map[string]struct {
		config Config
		want   []string
	}{
		"no credential":       {Config{}, []string{"a credential is needed"}},
		"two credentials":     {Config{Key: key, Certificate: plain}, []string{"both given"}},
		"environment":         {Config{Key: key, Environment: "prod"}, []string{`environment "prod" must be production or sandbox`}},
		"endpoint":            {Config{Key: key, Endpoint: "http://x"}, []string{"https://host"}},
		"timeouts":            {Config{Key: key, RequestTimeout: -1, DialTimeout: -1}, []string{"RequestTimeout must not", "DialTimeout must not"}},
		"engine":              {Config{Key: key, Engine: "curl"}, []string{`engine "curl" must be pipelined or nethttp`}},
		"connections":         {Config{Key: key, Connections: 101}, []string{"connections must be 1 to 100, not 101"}},
		"connections too few": {Config{Key: key, Connections: -1}, []string{"connections must be 1 to 100, not -1"}},
		"topic":               {Config{Key: key, Topic: "a\n"}, []string{"topic may have"}},
		"everything":          {Config{Environment: "x", Endpoint: "y", Connections: 500}, []string{"environment", "endpoint", "connections", "credential"}},
		"sandbox certificate": {Config{Certificate: sandbox}, []string{"the certificate is for the sandbox; set environment to sandbox"}},
		"production certificate": {
			Config{Certificate: production, Environment: Sandbox}, []string{"the certificate is for production; set environment to production"},
		},
		"another topic":      {Config{Certificate: plain, Topic: "com.example.other"}, []string{"is not for topic com.example.other", bundle}},
		"broken certificate": {Config{Certificate: &tls.Certificate{}}, []string{"certificate is empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(test.config)
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestNewDefaults(t *testing.T) {
	key := testKey(t)
	for _, config := range []Config{
		{Key: key, Connections: 100},
		{Key: key, Environment: Sandbox},
		{Certificate: issue(t, nil)},
		{Certificate: issue(t, extension(oidSandbox, []byte{5, 0})), Environment: Sandbox},
		{Certificate: issue(t, func(c *x509.Certificate) {
			extension(oidSandbox, []byte{5, 0})(c)
			extension(oidProduction, []byte{5, 0})(c)
		})},
	} {
		c := newClient(t, config)
		if config.Certificate != nil && c.topic != bundle {
			t.Errorf("topic %q; a certificate knows its own", c.topic)
		}
		want := Defaults{ErrorTimeout: 10 * time.Second, ExpirationOffset: 30 * 24 * time.Hour, BatchSize: 100, Retries: 5}
		if c.defaults != want || c.requestTimeout != 30*time.Second {
			t.Errorf("%+v, %s", c.defaults, c.requestTimeout)
		}
		if err := c.Close(); err != nil { // never connected
			t.Error(err)
		}
	}
}
