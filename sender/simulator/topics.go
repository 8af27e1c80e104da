// This file models the provider certificate of the Apple push service: Apple, "Sending notification requests to APNs"
// (which topics a certificate permits: extensions 1.2.840.113635.100.6.3.4 and .6.3.6) and "Establishing a
// certificate-based connection to APNs". The encoding of the extension is the one real certificates have: one sequence
// of alternating topic and sequence-of-kind strings. The extensions .6.3.1 (sandbox)
// and .6.3.2 (production) say where it may be used; their value says nothing.

package simulator

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
)

func oidUserID() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}
}

func oidTopics() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 6, 3, 6}
}

func oidEnvironment(environment string) asn1.ObjectIdentifier {
	last := 1
	if environment == Production {
		last = 2
	}
	return asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 6, 3, last}
}

func addEnvironment(template *x509.Certificate, environment string) {
	if environment != "" {
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: oidEnvironment(environment), Value: asn1.NullBytes})
	}
}

// Serves says whether a certificate may be used in an environment. One that names none may be used in either.
func Serves(certificate *x509.Certificate, environment string) bool {
	named := false
	for _, extension := range certificate.Extensions {
		for _, known := range []string{Production, Sandbox} {
			if extension.Id.Equal(oidEnvironment(known)) {
				if known == environment {
					return true
				}
				named = true
			}
		}
	}
	return !named
}

func addTopics(template *x509.Certificate, topics []string) error {
	if len(topics) == 0 {
		return nil
	}
	template.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: oidUserID(), Value: topics[0]}}
	if len(topics) == 1 {
		return nil
	}
	var content []byte
	for _, topic := range topics {
		name, err := asn1.MarshalWithParams(topic, "utf8")
		if err != nil {
			return fmt.Errorf("topic of certificate: %w", err)
		}
		kind, err := asn1.MarshalWithParams(topicKind(topics[0], topic), "utf8")
		if err != nil {
			return fmt.Errorf("topic of certificate: %w", err)
		}
		wrapped, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: kind})
		if err != nil {
			return fmt.Errorf("topic of certificate: %w", err)
		}
		content = append(append(content, name...), wrapped...)
	}
	value, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: content})
	if err != nil {
		return fmt.Errorf("topics of certificate: %w", err)
	}
	template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: oidTopics(), Value: value})
	return nil
}

// topicKind is the word beside a topic in the extension: "app", or what the topic adds to the bundle id.
func topicKind(bundle, topic string) string {
	if suffix, ok := strings.CutPrefix(topic, bundle+"."); ok {
		return suffix
	}
	return "app"
}

// Topics lists what a provider certificate permits. single says that it is a single-topic certificate, whose topic
// stands in for a missing apns-topic header; a multi-topic one makes that header mandatory.
func Topics(certificate *x509.Certificate) (topics []string, single bool) {
	for _, extension := range certificate.Extensions {
		if extension.Id.Equal(oidTopics()) {
			return decodeTopics(extension.Value), false
		}
	}
	for _, name := range certificate.Subject.Names {
		if topic, ok := name.Value.(string); ok && name.Type.Equal(oidUserID()) {
			return []string{topic}, true
		}
	}
	return nil, false
}

// decodeTopics skips what it does not know: a topic is any UTF-8 string on the first level.
func decodeTopics(der []byte) []string {
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(der, &outer); err != nil || outer.Tag != asn1.TagSequence {
		return nil
	}
	var topics []string
	for rest := outer.Bytes; len(rest) > 0; {
		var element asn1.RawValue
		next, err := asn1.Unmarshal(rest, &element)
		if err != nil {
			break
		}
		if element.Class == asn1.ClassUniversal && element.Tag == asn1.TagUTF8String {
			topics = append(topics, string(element.Bytes))
		}
		rest = next
	}
	return topics
}
