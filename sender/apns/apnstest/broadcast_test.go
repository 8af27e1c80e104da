package apnstest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/volleypush/volley/sender/simulator"
)

const goodChannel = "Z29vZCBjaGFubmVs"

// broadcast is a request that the service accepts, until a test changes it.
func (f *fixture) broadcast() *push {
	return &push{method: http.MethodPost, path: "/4/broadcasts/apps/" + goodTopic, body: `{"aps":{"event":"update","content-state":{}}}`, header: http.Header{
		"Authorization": {"bearer " + f.mint(f.clock.at, nil)}, "Apns-Channel-Id": {goodChannel}, "Apns-Request-Id": {goodID},
		"Apns-Push-Type": {"liveactivity"}, "Apns-Priority": {"10"}, "Apns-Expiration": {"0"},
	}}
}

// TestBroadcastChecks has one line for each thing that is checked.
func TestBroadcastChecks(t *testing.T) {
	set := func(name, value string) func(*push) {
		return func(p *push) { p.header.Set(name, value) }
	}
	unset := func(name string) func(*push) {
		return func(p *push) { p.header.Del(name) }
	}
	for _, test := range []struct {
		name   string
		change func(*push)
		status int
		reason string
	}{
		{"good", func(*push) {}, 200, ""},
		{"without what may be left out", func(p *push) {
			p.header.Del("apns-request-id")
			p.header.Del("apns-priority")
			p.header.Del("apns-expiration")
		}, 200, ""},
		{"the type's older spelling", set("apns-push-type", "LiveActivity"), 200, ""},
		{"request id", set("apns-request-id", "1"), 400, "BadMessageId"},
		{"method", func(p *push) { p.method = http.MethodGet }, 405, "MethodNotAllowed"},
		{"twice", func(p *push) { p.header["Apns-Priority"] = []string{"5", "5"} }, 400, "DuplicateHeaders"},
		{"no bundle id", func(p *push) { p.path = "/4/broadcasts/apps/" }, 404, "BadPath"},
		{"suffix", func(p *push) { p.path += ".push-type.liveactivity" }, 400, "TopicDisallowed"},
		{"topic", set("apns-topic", goodTopic+".push-type.liveactivity"), 400, "TopicDisallowed"},
		{"no channel", unset("apns-channel-id"), 400, "MissingChannelId"},
		{"channel", set("apns-channel-id", "not base64"), 400, "BadChannelId"},
		{"unknown channel", set("apns-channel-id", "bm9uZQ=="), 400, "ChannelNotRegistered"},
		{"no type", unset("apns-push-type"), 400, "MissingPushType"},
		{"type", set("apns-push-type", "alert"), 400, "InvalidPushType"},
		{"priority", set("apns-priority", "7"), 400, "BadPriority"},
		{"expiration", set("apns-expiration", "soon"), 400, "BadExpirationDate"},
		{"expiration where nothing is stored", set("apns-expiration", "1795430000"), 400, "BadExpirationDate"},
		{"no credential", unset("authorization"), 403, "MissingProviderToken"},
		{"another app", func(p *push) { p.path = "/4/broadcasts/apps/com.example.other" }, 403, "TopicMismatch"},
		{"empty", func(p *push) { p.body = "" }, 400, "PayloadEmpty"},
		{"at the limit", func(p *push) { p.body = `{"k":"` + strings.Repeat("x", 5120-8) + `"}` }, 200, ""},
		{"beyond it", func(p *push) { p.body = `{"k":"` + strings.Repeat("x", 5120-7) + `"}` }, 413, "PayloadTooLarge"},
		{"start", func(p *push) { p.body = `{"aps":{"event":"start"}}` }, 400, "BadRequestPayload"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := start(t, func(o *Options) {
				o.Topics = []string{goodTopic}
				o.Channels = []Channel{{ID: goodChannel, Bundle: goodTopic}}
			})
			p := f.broadcast()
			test.change(p)
			got := f.expect(f.client(), p, test.status, test.reason)
			// A path that is none of the service's has no header of its own.
			if id := got.header.Get("apns-request-id"); id == "" || got.header.Get("apns-id") != "" || test.status == 200 && p.header.Get("apns-request-id") != "" && id != goodID {
				t.Errorf("headers %v", got.header)
			}
		})
	}
}

// TestBroadcastByScript: a rule names the channel as it names a device token.
func TestBroadcastByScript(t *testing.T) {
	f := start(t, nil)
	f.script(simulator.Rule{Token: goodChannel, Answer: simulator.Answer{Reason: "FeatureNotEnabled"}})
	f.expect(f.client(), f.broadcast(), 400, "FeatureNotEnabled")
	f.script()
	f.expect(f.client(), f.broadcast(), 200, "")
}

// TestBroadcastWithACertificate: the certificate's topics are the apps it may broadcast for.
func TestBroadcastWithACertificate(t *testing.T) {
	f := start(t, nil)
	for topic, status := range map[string]int{goodTopic: 200, "com.example.other": 403} {
		certificate, err := f.Authority().ClientCertificate("test", topic)
		if err != nil {
			t.Fatal(err)
		}
		p := f.broadcast()
		p.header.Del("authorization")
		f.expect(f.client(certificate), p, status, map[int]string{403: "TopicMismatch"}[status])
	}
}
