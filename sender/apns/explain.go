package apns

import (
	"errors"
	"fmt"
	"time"

	"github.com/volleypush/volley/sender"
)

// Explain says in one sentence what an answer that concerns the whole app means and what to do about it. It names the
// credential and never holds a secret or a device token. Safe for concurrent use.
func (c *Client) Explain(reason *sender.Reason) string {
	if known, ok := errors.AsType[*dialError](c.LastFailure()); ok && known.reason.Name == reason.Name && reason.Class == sender.Unsent {
		return known.Error()
	}
	what, remedy := c.meaning(reason)
	return fmt.Sprintf("%s (%s); %s", what, reason.Name, remedy)
}

// meaning is apns-http2 §3, §10 and §13 for people.
func (c *Client) meaning(reason *sender.Reason) (what, remedy string) {
	who := c.credential()
	switch reason.Name {
	case "InvalidProviderToken":
		return "Apple does not accept " + who,
			"on Apple's developer site compare key_id with the list of keys (was it revoked?) and team_id with Membership, make a new key if need be, and check the clock: " + c.clock()
	case "ExpiredProviderToken":
		return "Apple takes a fresh provider token of " + who + " for expired", "set the clock: " + c.clock()
	case "MissingProviderToken":
		return "Apple got no credential, though we have " + who, "a proxy that opens TLS may have taken it out; let the connection to " + c.host + " pass untouched"
	case "UnrelatedKeyIdInToken":
		return "Apple does not take " + who + " on a connection that began with another key", "if it stays, check that key_id and key_file belong together"
	case "BadEnvironmentKeyIdInToken", "BadEnvironmentKeyInToken":
		return who + " is not for the " + string(c.environment) + " environment", "set environment to " + string(c.environment.other()) + ", or use a key for " + string(c.environment)
	case "BadCertificateEnvironment":
		return who + " is not for the " + string(c.environment) + " environment", "set environment to " + string(c.environment.other()) + ", or use a certificate for " + string(c.environment)
	case "BadCertificate", CertificateRefused:
		if c.info != nil && c.now().After(c.info.NotAfter) {
			return who + " has expired", "make a new one on Apple's developer site"
		}
		return "Apple refuses " + who, "it was revoked, or is no APNs certificate: make a new one on Apple's developer site"
	case "Forbidden":
		return "Apple forbids what " + who + " asked for", "check on Apple's developer site what it is allowed to do"
	case "TopicDisallowed":
		return who + " may not send to topic " + c.topic, "set topic to the bundle id of an app that it is for, or use another credential"
	case "TooManyProviderTokenUpdates":
		return "Apple gets changing provider tokens of " + who, "another program uses this key with tokens of its own on our connections' address; give each a key of its own"
	case UnsendableApp:
		return "the gateway has just refused everything of " + who, "the answer before this one says why"
	case certificateWithoutTopic.Name:
		return "the gateway finds no topic in " + who, "use the certificate of the app; make a new one on Apple's developer site if need be"
	case "InvalidTopicSize":
		return "the gateway does not like the topic in " + who, "use the certificate of the app; make a new one on Apple's developer site if need be"
	case ServerNotTrusted, ConnectionFailed:
		return "no connection to " + c.host, "check the network, DNS and endpoint"
	}
	switch {
	case reason.Class == sender.Credential && len(reason.Name) > len(wordlessAnswer) && reason.Name[:len(wordlessAnswer)] == wordlessAnswer:
		return c.host + " answers with a redirect, which Apple never does", "check endpoint, and whether a proxy answers in its place"
	case reason.Class == sender.Credential:
		return "Apple refuses " + who, "check it on Apple's developer site"
	case reason.Class == sender.Transient, reason.Class == sender.Throttled:
		return "Apple can't take notifications now", "nothing is to be done unless it lasts: https://developer.apple.com/system-status/"
	}
	return c.host + " gives no answers", "check the network if it lasts"
}

// credential names the credential.
func (c *Client) credential() string {
	if c.key != nil {
		return "key " + c.key.KeyID() + " of team " + c.key.TeamID()
	}
	return fmt.Sprintf("certificate %q (expires %s)", c.info.Name, c.info.NotAfter.UTC().Format(time.DateOnly))
}

// clock says what our clock shows, and how wrong it is if Apple told its time.
func (c *Client) clock() string {
	shown := "it shows " + c.now().UTC().Format(time.DateTime) + " UTC"
	switch ahead := c.ClockSkew(); {
	case ahead > clockTolerance:
		return fmt.Sprintf("%s, %s ahead of Apple's", shown, ahead)
	case ahead < -clockTolerance:
		return fmt.Sprintf("%s, %s behind Apple's", shown, -ahead)
	}
	return shown
}

func (e Environment) other() Environment {
	if e == Sandbox {
		return Production
	}
	return Sandbox
}
