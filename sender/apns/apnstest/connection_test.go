package apnstest

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestProviderTokenRules(t *testing.T) {
	tests := []struct {
		name   string
		issued time.Duration
		change func(f *fixture, token *jwt.Token)
		reason string
	}{
		{name: "fresh"},
		{name: "an hour old", issued: -time.Hour},
		{name: "older", issued: -time.Hour - time.Second, reason: "ExpiredProviderToken"},
		{name: "an hour ahead", issued: time.Hour},
		{name: "further ahead", issued: time.Hour + time.Second, reason: "InvalidProviderToken"},
		{name: "iat in milliseconds", change: func(_ *fixture, t *jwt.Token) { claims(t)["iat"] = now.UnixMilli() }, reason: "InvalidProviderToken"},
		{name: "iat as text", change: func(_ *fixture, t *jwt.Token) { claims(t)["iat"] = "1795430000" }, reason: "InvalidProviderToken"},
		{name: "no iat", change: func(_ *fixture, t *jwt.Token) { delete(claims(t), "iat") }, reason: "InvalidProviderToken"},
		{name: "no iss", change: func(_ *fixture, t *jwt.Token) { delete(claims(t), "iss") }, reason: "InvalidProviderToken"},
		{name: "other team", change: func(_ *fixture, t *jwt.Token) { claims(t)["iss"] = "OTHERTEAM1" }, reason: "InvalidProviderToken"},
		{name: "no kid", change: func(_ *fixture, t *jwt.Token) { delete(t.Header, "kid") }, reason: "InvalidProviderToken"},
		{name: "unknown kid", change: func(_ *fixture, t *jwt.Token) { t.Header["kid"] = "UNKNOWNKEY" }, reason: "InvalidProviderToken"},
		{name: "other alg named", change: func(_ *fixture, t *jwt.Token) { t.Header["alg"] = "ES384" }, reason: "InvalidProviderToken"},
		{name: "further fields", change: func(_ *fixture, t *jwt.Token) { t.Header["typ"] = "JWT"; claims(t)["exp"] = 1 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := start(t, nil)
			p := f.good()
			p.header.Set("authorization", "bearer "+f.mint(now.Add(test.issued), func(token *jwt.Token) {
				if test.change != nil {
					test.change(f, token)
				}
			}))
			status := 200
			if test.reason != "" {
				status = 403
			}
			f.expect(f.client(), p, status, test.reason)
		})
	}
}

func claims(token *jwt.Token) jwt.MapClaims {
	return token.Claims.(jwt.MapClaims) //nolint:forcetypeassert // made by mint
}

func TestProviderTokenSignature(t *testing.T) {
	f := start(t, nil)
	other := start(t, nil)
	forged := func() string { // the right names, signed with another key
		return other.mint(now, func(token *jwt.Token) {
			token.Header["kid"] = f.key.KeyID
			claims(token)["iss"] = f.key.TeamID
		})
	}
	good := f.mint(now, nil)
	parts := strings.Split(good, ".")
	der := base64.RawURLEncoding.EncodeToString(make([]byte, 70)) // ASN.1 signatures have another length
	tests := map[string]string{
		"forged": forged(), "no signature": parts[0] + "." + parts[1], "empty signature": parts[0] + "." + parts[1] + ".",
		"DER": parts[0] + "." + parts[1] + "." + der, "padded": good + "==", "garbage": "a.b.c", "four parts": good + ".x",
	}
	for name, token := range tests {
		t.Run(name, func(t *testing.T) {
			p := f.good()
			p.header.Set("authorization", "bearer "+token)
			f.expect(f.client(), p, 403, "InvalidProviderToken")
		})
	}
	p := f.good()
	p.header.Set("authorization", "Bearer "+good)
	f.expect(f.client(), p, 200, "")
}

func TestWithoutKeysOnlyTheSignatureIsFree(t *testing.T) {
	f := start(t, func(o *Options) { o.Keys = nil })
	f.expect(f.client(), f.good(), 200, "")
	p := f.good()
	p.header.Set("authorization", "bearer "+f.mint(now.Add(-2*time.Hour), nil))
	f.expect(f.client(), p, 403, "ExpiredProviderToken")
	good := f.mint(now, nil)
	der := good[:strings.LastIndexByte(good, '.')+1] + base64.RawURLEncoding.EncodeToString(make([]byte, 70))
	for _, bad := range []string{"nonsense", der} {
		p.header.Set("authorization", "bearer "+bad)
		f.expect(f.client(), p, 403, "InvalidProviderToken")
	}
}

func TestTwentyMinuteRule(t *testing.T) {
	f := start(t, nil)
	client := f.client()
	bearer := func(issued time.Time) *push {
		p := f.good()
		p.header.Set("authorization", "bearer "+f.mint(issued, nil))
		return p
	}
	first := bearer(now)
	f.expect(client, first, 200, "")

	f.clock.at = now.Add(20*time.Minute - time.Second)
	second := bearer(f.clock.at)
	f.expect(client, second, 429, "TooManyProviderTokenUpdates")
	f.expect(client, first, 200, "")      // the old one goes on
	f.expect(f.client(), second, 200, "") // and another connection has its own count

	f.clock.at = now.Add(20 * time.Minute)
	f.expect(client, second, 200, "")
	f.expect(client, first, 200, "") // sent before the second, handled after it
	f.expect(client, bearer(f.clock.at), 429, "TooManyProviderTokenUpdates")

	f.clock.at = now.Add(time.Hour + time.Second)
	f.expect(client, first, 403, "ExpiredProviderToken")
	f.expect(client, second, 200, "")
}

// An expired token on a new connection must not count as its first.
func TestRefusedTokenDoesNotBind(t *testing.T) {
	f := start(t, nil)
	client := f.client()
	p := f.good()
	fresh := p.header.Get("authorization")
	p.header.Set("authorization", "bearer "+f.mint(now.Add(-2*time.Hour), nil))
	f.expect(client, p, 403, "ExpiredProviderToken")
	p.header.Set("authorization", fresh)
	f.expect(client, p, 200, "")
}

func TestFirstPushBindsTheConnection(t *testing.T) {
	second, p8, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	third, thirdP8, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	f := start(t, func(o *Options) {
		second.TeamID = o.Keys[0].TeamID
		o.Keys = append(o.Keys, second, third)
	})
	client := f.client()
	f.expect(client, f.good(), 200, "")
	f.clock.at = now.Add(21 * time.Minute)

	sameTeam, otherTeam := *f, *f
	sameTeam.key, sameTeam.p8 = second, p8
	otherTeam.key, otherTeam.p8 = third, thirdP8
	f.expect(client, sameTeam.good(), 403, "UnrelatedKeyIdInToken")
	f.expect(client, otherTeam.good(), 403, "InvalidProviderToken")
	f.expect(f.client(), sameTeam.good(), 200, "")
	f.expect(f.client(), otherTeam.good(), 200, "")
}

func TestClientCertificates(t *testing.T) {
	f := start(t, nil)
	tests := []struct {
		name            string
		topics          []string
		topic, pushType string
		status          int
		reason          string
	}{
		{"single, topic given", []string{goodTopic}, goodTopic, "alert", 200, ""},
		{"single, topic from the certificate", []string{goodTopic}, "", "alert", 200, ""},
		{"single, other topic", []string{goodTopic}, "org.example.other", "alert", 400, "TopicDisallowed"},
		{"single, voip not listed", []string{goodTopic}, goodTopic + ".voip", "voip", 400, "TopicDisallowed"},
		{"several", []string{goodTopic, goodTopic + ".voip"}, goodTopic + ".voip", "voip", 200, ""},
		{"several, none given", []string{goodTopic, goodTopic + ".voip"}, "", "alert", 400, "MissingTopic"},
		{"location", []string{goodTopic, goodTopic + ".location-query"}, goodTopic + ".location-query", "location", 400, "TopicDisallowed"},
		{"mdm", []string{"com.apple.mgmt.External.1"}, "", "mdm", 200, ""},
		{"no topics", nil, goodTopic, "alert", 400, "TopicDisallowed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			certificate, err := f.Authority().ClientCertificate("Apple Push Services: "+goodTopic, test.topics...)
			if err != nil {
				t.Fatal(err)
			}
			p := f.good()
			p.header.Set("authorization", "bearer ignored beside a certificate")
			p.header.Set("apns-push-type", test.pushType)
			p.header.Del("apns-topic")
			if test.topic != "" {
				p.header.Set("apns-topic", test.topic)
			}
			f.expect(f.client(certificate), p, test.status, test.reason)
		})
	}
	t.Run("of another authority", func(t *testing.T) {
		stranger := start(t, nil)
		certificate, err := stranger.Authority().ClientCertificate("x", goodTopic)
		if err != nil {
			t.Fatal(err)
		}
		f.expect(f.client(certificate), f.good(), 403, "BadCertificate")
	})
	t.Run("of a server", func(t *testing.T) {
		certificate, err := f.Authority().ServerCertificate("localhost")
		if err != nil {
			t.Fatal(err)
		}
		p := f.good()
		p.header.Set("apns-push-type", "mdm")
		f.expect(f.client(certificate), p, 400, "TopicDisallowed")
	})
}

func TestKeysMustBeWhole(t *testing.T) {
	key, _, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if len(key.KeyID) != 10 || len(key.TeamID) != 10 {
		t.Errorf("ids %q and %q are not ten characters", key.KeyID, key.TeamID)
	}
	key.Public = nil
	if _, err := New(Options{Keys: []Key{key}}); err == nil {
		t.Error("a key without its public half was taken")
	}
}
