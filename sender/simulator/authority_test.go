package simulator

import (
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func testAuthority(t *testing.T) *Authority {
	t.Helper()
	authority, err := NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

func TestServerCertificateHolds(t *testing.T) {
	authority := testAuthority(t)
	certificate, err := authority.ServerCertificate("push.example.com", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"push.example.com", "127.0.0.1"} {
		options := x509.VerifyOptions{Roots: authority.Pool(), DNSName: name, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		if _, err := certificate.Leaf.Verify(options); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := certificate.Leaf.VerifyHostname("other.example.com"); err == nil {
		t.Error("the certificate holds for a host that was not asked for")
	}
	if _, err := certificate.Leaf.Verify(x509.VerifyOptions{Roots: testAuthority(t).Pool()}); err == nil {
		t.Error("the certificate holds under another authority")
	}
	options := x509.VerifyOptions{Roots: authority.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := certificate.Leaf.Verify(options); err == nil {
		t.Error("a server certificate holds as a client's")
	}
}

func TestServerCertificateDefaultsToLoopback(t *testing.T) {
	certificate, err := testAuthority(t).ServerCertificate()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := certificate.Leaf.VerifyHostname(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPEMIsTheAuthority(t *testing.T) {
	authority := testAuthority(t)
	block, rest := pem.Decode(authority.PEM())
	if block == nil || block.Type != "CERTIFICATE" || len(rest) != 0 {
		t.Fatalf("not one certificate: %v, %d bytes more", block, len(rest))
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !certificate.IsCA {
		t.Error("not an authority")
	}
}

func TestClientCertificateTopics(t *testing.T) {
	authority := testAuthority(t)
	tests := []struct {
		name   string
		topics []string
		single bool
	}{
		{"none", nil, false},
		{"one", []string{"com.example.app"}, true},
		{"several", []string{"com.example.app", "com.example.app.voip", "com.example.app.complication"}, false},
		{"unrelated", []string{"com.example.app", "org.example.other"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			certificate, err := authority.ClientCertificate("Apple Push Services: com.example.app", test.topics...)
			if err != nil {
				t.Fatal(err)
			}
			options := x509.VerifyOptions{Roots: authority.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
			if _, err := certificate.Leaf.Verify(options); err != nil {
				t.Error(err)
			}
			topics, single := Topics(certificate.Leaf)
			if diff := cmp.Diff(test.topics, topics); diff != "" || single != test.single {
				t.Errorf("single %v, topics (-want +got):\n%s", single, diff)
			}
		})
	}
}

// The bytes are written out by hand after the structure that real multi-topic certificates carry, so that encoder and
// decoder cannot agree on a mistake.
func TestTopicsExtensionBytes(t *testing.T) {
	want := "\x30\x14" +
		"\x0c\x01a" + "\x30\x05\x0c\x03app" +
		"\x0c\x03a.v" + "\x30\x03\x0c\x01v"
	template := &x509.Certificate{}
	if err := addTopics(template, []string{"a", "a.v"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(template.ExtraExtensions[0].Value)); diff != "" {
		t.Errorf("extension (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a", "a.v"}, decodeTopics([]byte(want))); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
}

func FuzzDecodeTopics(f *testing.F) {
	f.Add([]byte("\x30\x0a\x0c\x01a\x30\x05\x0c\x03app"))
	f.Add([]byte("\x30\x80"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, der []byte) {
		for _, topic := range decodeTopics(der) {
			if len(topic) > len(der) {
				t.Errorf("a topic of %d bytes from %d bytes", len(topic), len(der))
			}
		}
	})
}
