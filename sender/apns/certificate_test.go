package apns

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/volleypush/volley/sender/simulator"
)

// issue makes a self-signed certificate with Apple's extensions.
func issue(t *testing.T, change func(*x509.Certificate)) *tls.Certificate {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject: pkix.Name{
			CommonName: "Apple Push Services: " + bundle,
			ExtraNames: []pkix.AttributeTypeAndValue{{Type: oidUID, Value: bundle}, {Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "Apple Push Services: " + bundle}},
		},
		NotBefore: time.Now().Add(-time.Hour),
		NotAfter:  time.Now().Add(time.Hour),
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: leaf}
}

func certificatePEM(c *tls.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
}

func extension(id asn1.ObjectIdentifier, value []byte) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Value: value})
	}
}

func TestLoadCertificate(t *testing.T) {
	certificate := issue(t, nil)
	key := pkcs8(t, certificate.PrivateKey)
	p12, err := pkcs12.Modern.Encode(certificate.PrivateKey, certificate.Leaf, nil, "secret")
	if err != nil {
		t.Fatal(err)
	}
	legacy, err := pkcs12.Legacy.Encode(certificate.PrivateKey, certificate.Leaf, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		data     []byte
		password string
	}{
		"app.pem":         {append(certificatePEM(certificate), key...), ""},
		"key-first.pem":   {append(bytes.Clone(key), certificatePEM(certificate)...), ""},
		"app.p12":         {p12, "secret"},
		"app-legacy.p12":  {legacy, ""},
		"misnamed-pem.p8": {append(certificatePEM(certificate), key...), "ignored"},
	} {
		got, err := LoadCertificate(write(t, name, test.data), test.password)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(got.Certificate[0], certificate.Certificate[0]) || got.Leaf == nil || got.PrivateKey == nil {
			t.Errorf("%s: another certificate", name)
		}
	}
}

// TestLoadCertificateFaults: each bad file gives one sentence that names the file and the remedy, and no password.
func TestLoadCertificateFaults(t *testing.T) {
	certificate, other := issue(t, nil), issue(t, nil)
	key := pkcs8(t, certificate.PrivateKey)
	text := certificatePEM(certificate)
	expired := issue(t, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Unix(0, 0), time.Unix(86400, 0) })
	early := issue(t, func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	})
	p12, err := pkcs12.Modern.Encode(certificate.PrivateKey, certificate.Leaf, nil, "secret")
	if err != nil {
		t.Fatal(err)
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	block := func(kind string, headers map[string]string) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: []byte{1, 2, 3}})
	}
	for name, test := range map[string]struct {
		data         []byte
		password     string
		want, remedy string
	}{
		"neither":           {[]byte("hello"), "", "neither a .pem nor a .p12", "export both together"},
		"empty":             {nil, "", "neither a .pem nor a .p12", "export both together"},
		"no password":       {p12, "", "has a password", "set certificate_password"},
		"wrong password":    {p12, "wr0ng-pass", "password of the .p12 is wrong", "check certificate_password"},
		"key missing":       {text, "", "private key is missing", "cat cert.pem key.pem"},
		"only a key":        {key, "", "has no certificate", "set key_file instead"},
		"key encrypted":     {join(text, block("ENCRYPTED PRIVATE KEY", nil)), "", "key is encrypted", "openssl pkey"},
		"key encrypted old": {join(text, block("EC PRIVATE KEY", map[string]string{"DEK-Info": "x"})), "", "key is encrypted", "openssl pkey"},
		"another's key":     {join(certificatePEM(other), key), "", "does not belong", "export both together"},
		"damaged":           {join(block("CERTIFICATE", nil), key), "", "damaged", "export both together"},
		"expired":           {join(certificatePEM(expired), pkcs8(t, expired.PrivateKey)), "", "expired on 1970-01-02", "make a new one"},
		"not yet valid":     {join(certificatePEM(early), pkcs8(t, early.PrivateKey)), "", "not valid before", "clock"},
	} {
		t.Run(name, func(t *testing.T) {
			file := write(t, "app.p12", test.data)
			_, err := LoadCertificate(file, test.password)
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range []string{file, test.want, test.remedy} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if test.password != "" && strings.Contains(err.Error(), test.password) {
				t.Errorf("%q quotes the password", err)
			}
		})
	}
	if _, err := LoadCertificate("/nowhere/app.p12", ""); err == nil || !strings.Contains(err.Error(), "/nowhere/app.p12") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestDescribeCertificate(t *testing.T) {
	plain := issue(t, nil)
	for name, test := range map[string]struct {
		certificate *tls.Certificate
		want        CertificateInfo
	}{
		"single topic": {plain, CertificateInfo{Topics: []string{bundle}, DefaultTopic: bundle}},
		"without Leaf": {&tls.Certificate{Certificate: plain.Certificate}, CertificateInfo{Topics: []string{bundle}, DefaultTopic: bundle}},
		"sandbox":      {issue(t, extension(oidSandbox, []byte{5, 0})), CertificateInfo{Topics: []string{bundle}, DefaultTopic: bundle, Sandbox: true}},
		"production":   {issue(t, extension(oidProduction, []byte{5, 0})), CertificateInfo{Topics: []string{bundle}, DefaultTopic: bundle, Production: true}},
		"garbage in the extension": {
			issue(t, extension(oidTopics, []byte{0x30, 0x7f, 1})), CertificateInfo{Topics: []string{bundle}, DefaultTopic: bundle},
		},
		"one string in the extension": {
			issue(t, extension(oidTopics, append([]byte{asn1.TagUTF8String, 5}, "a.b.c"...))), CertificateInfo{Topics: []string{"a.b.c", bundle}, DefaultTopic: bundle, Listed: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := DescribeCertificate(test.certificate)
			if err != nil {
				t.Fatal(err)
			}
			if got.NotAfter.IsZero() || got.Name != "Apple Push Services: "+bundle {
				t.Errorf("%+v", got)
			}
			got.NotAfter, got.Name = time.Time{}, ""
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	authority, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	universal, err := authority.ClientCertificate("Apple Push Services: "+bundle, bundle, bundle+".voip", bundle+".complication")
	if err != nil {
		t.Fatal(err)
	}
	got, err := DescribeCertificate(&universal)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{bundle, bundle + ".voip", bundle + ".complication"}, got.Topics); diff != "" {
		t.Error(diff)
	}
	if !got.Listed {
		t.Error("its list of topics is not noticed")
	}
	for _, broken := range []*tls.Certificate{{}, {Certificate: [][]byte{{1}}}} {
		if _, err := DescribeCertificate(broken); err == nil {
			t.Error("a broken certificate has a description")
		}
	}
}

func FuzzTopicsIn(f *testing.F) {
	f.Add([]byte{0x30, 0x03, 0x0c, 0x01, 0x61})
	f.Add([]byte{0x0c, 0x01, 0x61})
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, der []byte) {
		for _, topic := range topicsIn(der) {
			if topic == "" || !isHeaderText(topic) {
				t.Errorf("%x gives the topic %q", der, topic)
			}
		}
	})
}

// FuzzParseCertificate: whatever is in the file is a certificate with its key and in its time, or an error of one line that does not
// tell the password.
func FuzzParseCertificate(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		f.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		f.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		f.Fatal(err)
	}
	p12, err := pkcs12.Modern.Encode(key, leaf, nil, "p@ssword")
	if err != nil {
		f.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	f.Add(append(bytes.Clone(text), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...), "")
	f.Add(text, "p@ssword")
	f.Add(p12, "p@ssword")
	f.Add(p12, "")
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n"), "p@ssword")
	f.Fuzz(func(t *testing.T, data []byte, password string) {
		got, err := parseCertificate(data, password, now)
		if err != nil {
			if strings.Contains(err.Error(), "\n") || len(password) > 6 && strings.Contains(err.Error(), password) {
				t.Errorf("%q", err)
			}
			return
		}
		if got.Leaf == nil || got.PrivateKey == nil || now.After(got.Leaf.NotAfter) {
			t.Errorf("%+v is taken for a certificate", got)
		}
		if _, err := DescribeCertificate(got); err != nil {
			t.Errorf("it can't be described: %v", err)
		}
	})
}
