package apns

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

// LoadCertificate reads an APNs client certificate with its key from a .p12 file (password may be "") or a .pem file.
// The file's content decides which it is, not its name. An expired certificate is refused. Every error names the file and
// the remedy, and none quotes the password.
func LoadCertificate(file, password string) (*tls.Certificate, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the APNs certificate can't be read: %w; certificate must name a .p12 or .pem file", err)
	}
	certificate, err := parseCertificate(data, password, time.Now())
	if err != nil {
		return nil, fmt.Errorf("the APNs certificate %s is not usable: %w", file, err)
	}
	return certificate, nil
}

func parseCertificate(data []byte, password string, now time.Time) (*tls.Certificate, error) {
	var certificate *tls.Certificate
	var err error
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		certificate, err = parsePEM(data)
	} else {
		certificate, err = parseP12(data, password)
	}
	if err != nil {
		return nil, err
	}
	leaf := certificate.Leaf
	switch {
	case now.After(leaf.NotAfter):
		return nil, fmt.Errorf("it expired on %s; make a new one on Apple's developer site", leaf.NotAfter.UTC().Format(time.DateOnly))
	case now.Before(leaf.NotBefore):
		return nil, fmt.Errorf("it is not valid before %s; check this machine's clock", leaf.NotBefore.UTC().Format(time.DateTime))
	}
	return certificate, nil
}

func parseP12(data []byte, password string) (*tls.Certificate, error) {
	private, leaf, chain, err := pkcs12.DecodeChain(data, password)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword) && password == "":
		return nil, errors.New("the .p12 has a password; set certificate_password")
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return nil, errors.New("the password of the .p12 is wrong; check certificate_password")
	case err != nil:
		return nil, errors.New("it is neither a .pem nor a .p12 file with a certificate and its key; export both together from Keychain Access")
	}
	if _, ok := private.(crypto.Signer); !ok {
		return nil, errors.New("the .p12 holds a kind of key that can't be used for TLS; export the certificate again with its own key")
	}
	certificate := &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: private, Leaf: leaf}
	for _, ca := range chain {
		certificate.Certificate = append(certificate.Certificate, ca.Raw)
	}
	return certificate, nil
}

func parsePEM(data []byte) (*tls.Certificate, error) {
	var certificates, keys int
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch {
		case block.Type == "CERTIFICATE":
			certificates++
		case strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "":
			return nil, errors.New("its key is encrypted; decrypt it (openssl pkey -in FILE), or use the .p12 with its password")
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			keys++
		}
	}
	switch {
	case certificates == 0:
		return nil, errors.New("it has no certificate; a .pem must hold the certificate and its key, for a provider key (.p8) set key_file instead")
	case keys == 0:
		return nil, errors.New("its private key is missing; append the key to the file (cat cert.pem key.pem), or use the .p12")
	}
	certificate, err := tls.X509KeyPair(data, data)
	if err != nil {
		return nil, errors.New("its key does not belong to its certificate, or one of them is damaged; export both together again")
	}
	return &certificate, nil
}

// CertificateInfo is what an APNs client certificate says about itself.
type CertificateInfo struct {
	// Name is the common name, "Apple Push Services: com.example.app".
	Name string
	// Topics are the topics it may be used for; empty if it does not say.
	Topics []string
	// DefaultTopic is the subject's UID, the bundle id that the certificate was made for; "" if it does not say.
	DefaultTopic string
	// Production and Sandbox say where it may be used; both are false if it does not say.
	Production, Sandbox bool
	// NotAfter is when it expires.
	NotAfter time.Time
	// Listed says that the certificate has a list of its topics, so that no other is allowed.
	Listed bool
}

// Extensions of Apple's certificates and the subject's UID, apns-http2 §3.1.
var (
	oidUID         = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}
	oidSandbox     = asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 6, 3, 1}
	oidProduction  = asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 6, 3, 2}
	oidTopics      = asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 6, 3, 4}
	oidMultiTopics = asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 6, 3, 6}
)

// DescribeCertificate reads topics, environment and expiry from a certificate.
func DescribeCertificate(certificate *tls.Certificate) (CertificateInfo, error) {
	leaf := certificate.Leaf
	if leaf == nil {
		if len(certificate.Certificate) == 0 {
			return CertificateInfo{}, errors.New("the APNs certificate is empty; load it with LoadCertificate")
		}
		var err error
		if leaf, err = x509.ParseCertificate(certificate.Certificate[0]); err != nil {
			return CertificateInfo{}, fmt.Errorf("the APNs certificate can't be read: %w", err)
		}
	}
	info := CertificateInfo{Name: leaf.Subject.CommonName, NotAfter: leaf.NotAfter}
	for _, extension := range leaf.Extensions {
		switch {
		case extension.Id.Equal(oidSandbox):
			info.Sandbox = true
		case extension.Id.Equal(oidProduction):
			info.Production = true
		case extension.Id.Equal(oidTopics), extension.Id.Equal(oidMultiTopics):
			info.addTopics(topicsIn(extension.Value)...)
			info.Listed = len(info.Topics) > 0
		}
	}
	for _, name := range leaf.Subject.Names {
		if uid, ok := name.Value.(string); ok && name.Type.Equal(oidUID) {
			info.DefaultTopic = uid
			info.addTopics(uid)
		}
	}
	return info, nil
}

func (i *CertificateInfo) addTopics(topics ...string) {
	for _, topic := range topics {
		if topic != "" && !slices.Contains(i.Topics, topic) {
			i.Topics = append(i.Topics, topic)
		}
	}
}

// topicsIn reads a topic extension: a sequence in which each topic is a string, followed by a sequence of its categories.
// Whatever does not fit is passed over, so that a new form costs a check and not the certificate.
func topicsIn(der []byte) []string {
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return nil
	}
	if !outer.IsCompound {
		return texts(outer)
	}
	var topics []string
	for rest := outer.Bytes; len(rest) > 0; {
		var item asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &item); err != nil {
			break
		}
		topics = append(topics, texts(item)...)
	}
	return topics
}

func texts(v asn1.RawValue) []string {
	switch v.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String:
		if isHeaderText(string(v.Bytes)) && len(v.Bytes) > 0 {
			return []string{string(v.Bytes)}
		}
	}
	return nil
}
