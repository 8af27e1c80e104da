package apns

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns/apnstest"
	"github.com/volleypush/volley/sender/simulator"
)

// TestEveryReasonOverTheWire: each row of Apple's table (apns-http2 §10), answered by the simulator with the status that Apple lists for
// it, comes out as that row.
func TestEveryReasonOverTheWire(t *testing.T) { onEngines(t, testEveryReasonOverTheWire) }

func testEveryReasonOverTheWire(t *testing.T, e Engine) {
	statuses := map[int]string{
		400: "BadCollapseId BadDeviceToken BadExpirationDate BadMessageId BadPriority BadTopic DeviceTokenNotForTopic DuplicateHeaders IdleTimeout " +
			"InvalidPushType MissingDeviceToken MissingTopic PayloadEmpty TopicDisallowed FeatureNotEnabled MissingChannelId BadChannelId ChannelNotRegistered " +
			"BadRequestParams BadRequestPayload MissingPushType CannotCreateChannelConfig MissingChannelQueueSize",
		403: "BadCertificate BadCertificateEnvironment ExpiredProviderToken Forbidden InvalidProviderToken MissingProviderToken UnrelatedKeyIdInToken " +
			"BadEnvironmentKeyIdInToken BadEnvironmentKeyInToken TopicMismatch",
		404: "BadPath",
		405: "MethodNotAllowed",
		410: "ExpiredToken Unregistered",
		413: "PayloadTooLarge",
		429: "TooManyProviderTokenUpdates TooManyRequests",
		500: "InternalServerError",
		503: "ServiceUnavailable Shutdown",
	}
	told := map[string]bool{}
	scripts := simulator.NewScripts()
	s := simulate(t, func(o *apnstest.Options, c *Config) { o.Scripts, c.Engine = scripts, e })
	for status, names := range statuses {
		for name := range strings.FieldsSeq(names) {
			told[name] = true
			if err := scripts.Set(simulator.Script{Rules: []simulator.Rule{{Percent: 100, Answer: simulator.Answer{Reason: name, TimestampMS: 1795430000123}}}}); err != nil {
				t.Fatal(err)
			}
			out := deliver(t, s.Client, &Request{Tokens: tokens(1)})[0]
			if out.Reason != Reason(name) || out.Status != status || out.Class != Reason(name).Class {
				t.Errorf("%d %s comes out as %+v", status, name, out)
			}
			if at := out.Timestamp; (at.UnixMilli() == 1795430000123) != (status == 410) {
				t.Errorf("%s: the time is %s", name, at)
			}
		}
	}
	for name := range rows {
		if !told[name] && !isOurs(name) {
			t.Errorf("Apple's row %s is not asked for here", name)
		}
	}
}

// TestEveryPushTypeOverTheWire: each push type of apns-http2 §5, with the topic, priority and size that the simulator demands for it.
func TestEveryPushTypeOverTheWire(t *testing.T) { onEngines(t, testEveryPushTypeOverTheWire) }

func testEveryPushTypeOverTheWire(t *testing.T, e Engine) {
	s := simulate(t, func(_ *apnstest.Options, c *Config) { c.Engine = e })
	for _, test := range []struct {
		given, payload  string
		pushType, topic string
		priority        string
		size            int // the most bytes of a payload
	}{
		{"", `{"aps":{"alert":"a"}}`, "alert", bundle, "", 4096},
		{"alert", `{"aps":{"badge":0}}`, "alert", bundle, "", 4096},
		{"", `{"aps":{"content-available":1}}`, "background", bundle, "5", 4096},
		{"background", `{"aps":{"content-available":1}}`, "background", bundle, "5", 4096},
		{"voip", `{"call":1}`, "voip", bundle + ".voip", "", 5120},
		{"complication", `{"steps":1}`, "complication", bundle + ".complication", "", 4096},
		{"fileprovider", `{"container-identifier":"c"}`, "fileprovider", bundle + ".pushkit.fileprovider", "", 4096},
		{"", `{"mdm":"magic"}`, "mdm", bundle, "", 4096},
		{"location", `{"aps":{}}`, "location", bundle + ".location-query", "", 4096},
		{"", `{"aps":{"event":"update","content-state":{}}}`, "liveactivity", bundle + ".push-type.liveactivity", "", 4096},
		{"liveactivity", `{"aps":{"event":"start","attributes-type":"T","attributes":{}}}`, "liveactivity", bundle + ".push-type.liveactivity", "", 4096},
		{"pushtotalk", `{"speaker":"s"}`, "pushtotalk", bundle + ".voip-ptt", "", 4096},
		{"widgets", `{"aps":{"content-changed":true}}`, "widgets", bundle + ".push-type.widgets", "", 4096},
		{"controls", `{"aps":{"content-changed":true}}`, "controls", bundle + ".push-type.controls", "", 4096},
	} {
		padded := func(n int) []byte {
			rest := n - len(test.payload) - len(`"pad":"",`)
			return []byte(`{"pad":"` + strings.Repeat("x", rest) + `",` + test.payload[1:])
		}
		s.server.Ledger().Reset()
		for _, payload := range [][]byte{[]byte(test.payload), padded(test.size)} {
			out := deliver(t, s.Client, &Request{Tokens: tokens(1), Payload: payload, PushType: test.given})[0]
			if out.Class != sender.Accepted {
				t.Errorf("%s of %d bytes: %+v", test.pushType, len(payload), out.Reason)
			}
		}
		if out := deliver(t, s.Client, &Request{Tokens: tokens(1), Payload: padded(test.size + 1), PushType: test.given})[0]; out.Reason != Reason("PayloadTooLarge") {
			t.Errorf("%s above the limit: %+v", test.pushType, out)
		}
		lines := s.server.Ledger().All()
		if len(lines) != 2 {
			t.Fatalf("%s: %d arrived", test.pushType, len(lines))
		}
		got := []string{lines[0].Headers["apns-push-type"], lines[0].Headers["apns-topic"], lines[0].Headers["apns-priority"]}
		if diff := cmp.Diff([]string{test.pushType, test.topic, test.priority}, got); diff != "" {
			t.Errorf("%s: %s", test.pushType, diff)
		}
	}
}
