package config

import (
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Limits of an app's settings, both ends included.
const (
	maxAttempts = 100
	maxWeight   = 100
	// maxRate is more than any worker sends, in notifications a second.
	maxRate         = 1_000_000
	maxErrorTimeout = 300 // seconds
	// maxExpirationOffset keeps now + offset within the 32 bits that the binary protocol has for it.
	maxExpirationOffset = 1 << 30 // seconds, 34 years
	maxBatchSize        = 1000
	maxConnections      = 100
	// maxPayloadLength is the largest payload that Apple takes (voip, broadcast).
	maxPayloadLength = 5120
	maxWriteRetries  = 100
	// minQuota would take a segment of a thousand recipients a quarter of an hour, maxQuota is more than any project has.
	minQuota = 60
	maxQuota = 1_000_000_000
	// The feedback service forgets what it has handed out: asking seldom costs nothing but time.
	minFeedbackInterval = 10 * time.Second
	maxFeedbackInterval = 7 * 24 * time.Hour
)

// appleIDPattern is the form of key ids and team ids (Apple, Establishing a token-based connection to APNs).
var appleIDPattern = regexp.MustCompile(`^[A-Za-z0-9]{10}$`)

// topicPattern is what a topic can be made of: a bundle id, or one with a suffix.
var topicPattern = regexp.MustCompile(`^[A-Za-z0-9.-]{1,255}$`)

// projectPattern is a project id, one of a domain, or a project number.
var projectPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.:-]{0,99}$`)

func (v *checker) apns(a *APNS) {
	v.oneOf("protocol", a.Protocol, ProtocolHTTP2, ProtocolBinary)
	v.oneOf("engine", a.Engine, EnginePipelined, EngineNetHTTP)
	v.between("connections", a.Connections, 1, maxConnections)
	v.oneOf("environment", a.Environment, EnvironmentProduction, EnvironmentSandbox)
	v.apnsCredential(a)
	if a.Topic != "" && !topicPattern.MatchString(a.Topic) {
		v.fault("topic", "is %s, but must be a bundle id of letters, digits, dots and hyphens", brief(a.Topic))
	}
	if a.Protocol == ProtocolBinary {
		v.address("endpoint", a.Endpoint)
		v.address("feedback_endpoint", a.FeedbackEndpoint)
		if a.FeedbackInterval != 0 {
			v.duration("feedback_interval", a.FeedbackInterval, minFeedbackInterval, maxFeedbackInterval)
		}
	} else {
		v.endpoint(a.Endpoint)
		if a.FeedbackEndpoint != "" {
			v.fault("feedback_endpoint", "goes with protocol binary only; over http2 each answer says whether its token is gone")
		}
	}
	v.file("ca_file", a.CAFile)
	if !(a.DefaultErrorTimeout >= 0 && a.DefaultErrorTimeout <= maxErrorTimeout) {
		v.fault("default_error_timeout", "is %v, but must be between 0 and %d seconds", a.DefaultErrorTimeout, maxErrorTimeout)
	}
	if a.DefaultExpirationOffset < 0 || a.DefaultExpirationOffset > maxExpirationOffset {
		v.fault("default_expiration_offset", "is %d, but must be between 0 and %d seconds from now", a.DefaultExpirationOffset, maxExpirationOffset)
	}
	v.between("default_batch_size", a.DefaultBatchSize, 1, maxBatchSize)
	v.between("default_max_payload_length", a.DefaultMaxPayloadLength, 0, maxPayloadLength)
	v.between("default_retries", a.DefaultRetries, 1, maxWriteRetries)
}

// apnsCredential checks that there is exactly one way to prove who we are: a key, or a certificate.
func (v *checker) apnsCredential(a *APNS) {
	keyGiven := a.KeyFile != "" || a.KeyID != "" || a.TeamID != ""
	certificateGiven := a.Certificate != "" || !a.CertificatePassword.IsZero() || a.CertificatePasswordFile != ""
	if a.Protocol == ProtocolBinary && keyGiven {
		v.fault("key_file", "(with key_id and team_id) can't be used with protocol binary; give a certificate instead")
		return
	}
	switch v.either("key_file", keyGiven, "certificate", certificateGiven) {
	case "key_file":
		v.apnsKey(a)
	case "certificate":
		v.apnsCertificate(a)
	default:
		if a.Protocol == ProtocolBinary {
			v.fault("certificate", "is missing: set the path of the .p12 or .pem from Apple")
			return
		}
		v.fault("key_file", "is missing: set key_file, key_id, team_id and topic for a .p8 key from Apple, or certificate for a .p12 or .pem")
	}
}

func (v *checker) apnsKey(a *APNS) {
	if a.KeyFile == "" {
		v.fault("key_file", "is missing: set the path of the .p8 key that belongs to key_id and team_id")
	}
	v.file("key_file", a.KeyFile)
	for _, id := range []struct{ key, value, where string }{
		{"key_id", a.KeyID, "it is part of the .p8 file's name, AuthKey_<key id>.p8"},
		{"team_id", a.TeamID, "it stands under Membership in Apple's developer account"},
	} {
		switch {
		case id.value == "":
			v.fault(id.key, "is missing: set the 10 characters; %s", id.where)
		case !appleIDPattern.MatchString(id.value):
			v.fault(id.key, "is %s, but must be 10 letters and digits; %s", brief(id.value), id.where)
		}
	}
	if a.Topic == "" {
		v.fault("topic", "is missing: set the app's bundle id; with a key Apple needs it for every notification")
	}
}

func (v *checker) apnsCertificate(a *APNS) {
	if a.Certificate == "" {
		v.fault("certificate", "is missing: set the path of the .p12 or .pem that the password belongs to")
	}
	v.file("certificate", a.Certificate)
	v.either("certificate_password", !a.CertificatePassword.IsZero(), "certificate_password_file", a.CertificatePasswordFile != "")
	v.file("certificate_password_file", a.CertificatePasswordFile)
}

func (v *checker) gcm(g *GCM) {
	v.oneOf("engine", g.Engine, EnginePipelined, EngineNetHTTP)
	v.between("connections", g.Connections, 1, maxConnections)
	if v.oneOf("protocol", g.Protocol, ProtocolV1, ProtocolLegacy) {
		if g.Protocol == ProtocolV1 {
			v.gcmV1(g)
		} else {
			v.gcmLegacy(g)
		}
	}
	v.endpoint(g.Endpoint)
	v.file("ca_file", g.CAFile)
}

func (v *checker) gcmV1(g *GCM) {
	if !g.APIKey.IsZero() || g.APIKeyFile != "" {
		v.fault("api_key", "can't be used with protocol v1; set service_account instead, or protocol: legacy")
	}
	switch v.either("service_account", g.ServiceAccount != "", "metadata_server", g.MetadataServer) {
	case "":
		v.fault("service_account", "is missing: set the path of the service account's JSON key, or %s, or metadata_server on a machine in Google Cloud", envGoogle)
	case "metadata_server":
		if g.ProjectID == "" {
			v.fault("project_id", "is missing: set the id of the Firebase project; a metadata server does not say which one is meant")
		}
	}
	v.file("service_account", g.ServiceAccount)
	if g.QuotaPerMinute != 0 && (g.QuotaPerMinute < minQuota || g.QuotaPerMinute > maxQuota) {
		v.fault("quota_per_minute", "is %d, but must be 0 for no limit, or between %d and %d messages", g.QuotaPerMinute, minQuota, maxQuota)
	}
	if g.ProjectID != "" && !projectPattern.MatchString(g.ProjectID) {
		v.fault("project_id", "is %s, but must be the id or number of a Google project", brief(g.ProjectID))
	}
}

func (v *checker) gcmLegacy(g *GCM) {
	if v.either("api_key", !g.APIKey.IsZero(), "api_key_file", g.APIKeyFile != "") == "" {
		v.fault("api_key", "is missing: set the server key, or api_key_file to the path of a file with it")
	}
	v.file("api_key_file", g.APIKeyFile)
	if strings.ContainsAny(g.APIKey.Reveal(), " \t\r\n") {
		v.fault("api_key", "has spaces or line breaks in it; set the key alone, without \"key=\"")
	}
	if g.ServiceAccount != "" {
		v.fault("service_account", "can't be used with protocol legacy; set api_key instead, or protocol: v1")
	}
	if g.MetadataServer {
		v.fault("metadata_server", "can't be used with protocol legacy; set api_key instead, or protocol: v1")
	}
	if g.ProjectID != "" {
		v.fault("project_id", "can't be used with protocol legacy; remove it")
	}
}

// endpoint checks an address that requests go to; "" is the provider's own. There is no way around TLS.
func (v *checker) endpoint(text string) {
	if text == "" {
		return
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Scheme != "https" || parsed.Hostname() == "" || parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" {
		v.fault("endpoint", "must be https://HOST or https://HOST:PORT, without user, query or fragment; for a certificate of your own set ca_file")
	}
}
