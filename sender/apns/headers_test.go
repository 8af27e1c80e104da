package apns

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPushTypeOf(t *testing.T) {
	for payload, want := range map[string]string{
		`{"aps":{}}`:                            PushTypeAlert,
		`{"aps":{"alert":"a"}}`:                 PushTypeAlert,
		`{"aps":{"badge":0}}`:                   PushTypeAlert,
		`{"aps":{"sound":"d"}}`:                 PushTypeAlert,
		`{"k":1}`:                               PushTypeAlert,
		`[]`:                                    PushTypeAlert,
		`{`:                                     PushTypeAlert,
		`{"aps":[]}`:                            PushTypeAlert,
		`{"mdm":"magic"}`:                       PushTypeMDM,
		`{"mdm":"magic","aps":1}`:               PushTypeAlert,
		`{"aps":{"content-available":1}}`:       PushTypeBackground,
		`{"aps":{"content-available":1},"k":1}`: PushTypeBackground,
		`{"aps":{"content-available":0}}`:       PushTypeAlert,
		`{"aps":{"content-available":1,"alert":"a"}}`:   PushTypeAlert,
		`{"aps":{"content-available":1,"badge":1}}`:     PushTypeAlert,
		`{"aps":{"content-available":1,"sound":"d"}}`:   PushTypeAlert,
		`{"aps":{"content-state":{}}}`:                  PushTypeLiveActivity,
		`{"aps":{"event":"end","content-available":1}}`: PushTypeLiveActivity,
		`{"aps":{"attributes-type":"T","alert":"a"}}`:   PushTypeLiveActivity,
		`{"aps":{"attributes":{},"event":"start"}}`:     PushTypeLiveActivity,
		`{"aps":{"timestamp":1,"alert":"not enough"}}`:  PushTypeAlert,
		`{"aps":{"stale-date":1,"dismissal-date":1}}`:   PushTypeAlert,
		`{"aps":{"alert":"a","mutable-content":1}}`:     PushTypeAlert,
		`{"aps":{"content-available":1,"alert":null}}`:  PushTypeBackground,
		`{"mdm":null}`: PushTypeAlert,
		`{"aps":{"content-available":1,"category":"c"}}`: PushTypeBackground,
	} {
		if got := PushTypeOf([]byte(payload)); got != want {
			t.Errorf("%s: %s, want %s", payload, got, want)
		}
	}
}

// TestConflicts: a given push type that the payload contradicts is a fault, and any other is passed on.
func TestConflicts(t *testing.T) {
	const (
		empty    = `{"aps":{}}`
		alert    = `{"aps":{"alert":"a"}}`
		silent   = `{"aps":{"content-available":1}}`
		noisy    = `{"aps":{"content-available":1,"sound":"s"}}`
		badge    = `{"aps":{"content-available":1,"badge":0}}`
		activity = `{"aps":{"event":"update","content-state":{}}}`
		mdm      = `{"mdm":"magic"}`
	)
	c := newClient(t, Config{Key: testKey(t), Topic: bundle})
	for _, test := range []struct {
		pushType, payload string
		conflict          bool
	}{
		{"", empty, false},
		{"", silent, false},
		{"alert", alert, false},
		{"alert", empty, false},
		{"alert", silent, false},
		{"alert", activity, true},
		{"alert", mdm, true},
		{"background", silent, false},
		{"background", empty, true},
		{"background", alert, true},
		{"background", noisy, true},
		{"background", badge, true},
		{"mdm", mdm, false},
		{"mdm", alert, true},
		{"liveactivity", activity, false},
		{"liveactivity", alert, true},
		{"voip", empty, false},
		{"voip", silent, false},
		{"complication", silent, false},
		{"fileprovider", `{"container-identifier":"c"}`, false},
		{"location", empty, false},
		{"pushtotalk", empty, false},
		{"widgets", `{"aps":{"content-changed":true}}`, false},
		{"controls", empty, false},
		{"brandnew", mdm, false},
	} {
		err := c.Validate(&Request{PushType: test.pushType, Payload: []byte(test.payload)})
		if !test.conflict && err != nil || test.conflict && (err == nil || !strings.HasPrefix(err.Error(), "push_type: is "+test.pushType)) {
			t.Errorf("%s with %s: %v", test.pushType, test.payload, err)
		}
	}
}

func TestTopicFor(t *testing.T) {
	for pushType, want := range map[string]string{
		PushTypeAlert:        "com.example.app",
		PushTypeBackground:   "com.example.app",
		PushTypeVoIP:         "com.example.app.voip",
		PushTypeComplication: "com.example.app.complication",
		PushTypeFileProvider: "com.example.app.pushkit.fileprovider",
		PushTypeMDM:          "com.example.app",
		PushTypeLocation:     "com.example.app.location-query",
		PushTypeLiveActivity: "com.example.app.push-type.liveactivity",
		PushTypePushToTalk:   "com.example.app.voip-ptt",
		PushTypeWidgets:      "com.example.app.push-type.widgets",
		PushTypeControls:     "com.example.app.push-type.controls",
		"brandnew":           "com.example.app",
	} {
		if got := TopicFor(bundle, pushType); got != want {
			t.Errorf("%s: %s, want %s", pushType, got, want)
		}
		if got := TopicFor(want, pushType); got != want {
			t.Errorf("%s: the suffix is added twice: %s", pushType, got)
		}
	}
	if got := TopicFor("", PushTypeVoIP); got != "" {
		t.Errorf("no bundle id gives %q", got)
	}
}

func TestExpirationHasThreeStates(t *testing.T) {
	for want, e := range map[string]Expiration{
		"":           {},
		"0":          ExpireNow(),
		"1795430000": ExpireAt(time.Unix(1795430000, 999)),
	} {
		if got := e.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := ExpireAt(time.Time{}).String(); got != "0" {
		t.Errorf("a time before 1970 is %q", got)
	}
}

func TestValidToken(t *testing.T) {
	for token, want := range map[string]bool{
		"":                       false,
		"a":                      false,
		"ab":                     true,
		"AB":                     true,
		"0123456789abcdefABCDEF": true,
		"abc":                    false,
		"ag":                     false,
		"a ":                     false,
		"a/":                     false,
		"a\x00":                  false,
		"@@":                     false,
		strings.Repeat("a", 64):  true,
		strings.Repeat("a", 108): true,
		strings.Repeat("a", 200): true,
		strings.Repeat("a", 202): false,
	} {
		if got := ValidToken(token); got != want {
			t.Errorf("%q: %t", token, got)
		}
	}
}

func TestIsUUID(t *testing.T) {
	for id, want := range map[string]bool{
		"123e4567-e89b-12d3-a456-426614174000":  true,
		"123E4567-E89B-12D3-A456-426614174000":  true,
		"123e4567e89b12d3a456426614174000":      false,
		"123e4567-e89b-12d3-a456-42661417400":   false,
		"123e4567-e89b-12d3-a456-4266141740000": false,
		"123e4567-e89b-12d3-a456-42661417400g":  false,
		"123e4567-e89b-12d3-a456x426614174000":  false,
		"":                                      false,
	} {
		if got := isUUID(id); got != want {
			t.Errorf("%q: %t", id, got)
		}
	}
}

// TestValidate lists what Apple would refuse for everybody, at each limit and one beyond.
func TestValidate(t *testing.T) {
	alert := []byte(`{"aps":{"alert":"a"}}`)
	background := []byte(`{"aps":{"content-available":1}}`)
	activity := []byte(`{"aps":{"event":"end"}}`)
	sized := func(n int) []byte { return []byte(`{"k":"` + strings.Repeat("x", n-8) + `"}`) }
	for name, test := range map[string]struct {
		request Request
		topic   string
		want    string // field and reason of each problem
	}{
		"fine":                      {Request{Payload: alert}, bundle, ""},
		"all headers":               {Request{Payload: alert, PushType: "alert", Priority: 10, Expiration: ExpireNow(), CollapseID: "c"}, bundle, ""},
		"a new push type":           {Request{Payload: alert, PushType: "brandnew"}, bundle, ""},
		"no topic":                  {Request{Payload: alert}, "", "topic MissingTopic"},
		"own topic":                 {Request{Payload: alert, Topic: "com.example.other"}, "", ""},
		"bad topic":                 {Request{Payload: alert, Topic: "a\r\nb"}, bundle, "topic BadTopic"},
		"bad push type":             {Request{Payload: alert, PushType: "a b"}, bundle, "push_type InvalidPushType"},
		"priority 1":                {Request{Payload: alert, Priority: 1}, bundle, ""},
		"priority 5":                {Request{Payload: alert, Priority: 5}, bundle, ""},
		"priority 7":                {Request{Payload: alert, Priority: 7}, bundle, "priority BadPriority"},
		"priority -1":               {Request{Payload: alert, Priority: -1}, bundle, "priority BadPriority"},
		"background":                {Request{Payload: background}, bundle, ""},
		"background with 5":         {Request{Payload: background, Priority: 5}, bundle, ""},
		"activity with 5":           {Request{Payload: activity, Priority: 5}, bundle, ""},
		"activity with 1":           {Request{Payload: activity, Priority: 1}, bundle, "priority BadPriority"},
		"background with 10":        {Request{Payload: background, Priority: 10}, bundle, "priority BadPriority"},
		"background with 1":         {Request{Payload: background, Priority: 1}, bundle, "priority BadPriority"},
		"collapse id of 64 bytes":   {Request{Payload: alert, CollapseID: strings.Repeat("c", 64)}, bundle, ""},
		"collapse id of 65 bytes":   {Request{Payload: alert, CollapseID: strings.Repeat("c", 65)}, bundle, "collapse_id BadCollapseId"},
		"collapse id with a break":  {Request{Payload: alert, CollapseID: "a\nb"}, bundle, "collapse_id BadCollapseId"},
		"collapse id with a blank":  {Request{Payload: alert, CollapseID: "a "}, bundle, "collapse_id BadCollapseId"},
		"collapse id beyond ASCII":  {Request{Payload: alert, CollapseID: "é"}, bundle, "collapse_id BadCollapseId"},
		"no payload":                {Request{}, bundle, "message PayloadEmpty"},
		"payload of 4096":           {Request{Payload: sized(4096)}, bundle, ""},
		"payload of 4097":           {Request{Payload: sized(4097)}, bundle, "message PayloadTooLarge"},
		"voip payload of 5120":      {Request{Payload: sized(5120), PushType: "voip"}, bundle, ""},
		"voip payload of 5121":      {Request{Payload: sized(5121), PushType: "voip"}, bundle, "message PayloadTooLarge"},
		"payload is no JSON":        {Request{Payload: []byte("{")}, bundle, "payload BadRequestPayload"},
		"fewer ids than tokens":     {Request{Payload: alert, Tokens: tokens(2), IDs: []string{"x"}}, bundle, " BadMessageId"},
		"everything wrong at once":  {Request{Priority: 2, CollapseID: strings.Repeat("c", 65)}, "", "topic MissingTopic; priority BadPriority; collapse_id BadCollapseId; message PayloadEmpty"},
		"location with a key":       {Request{Payload: alert, PushType: "location"}, bundle, ""},
		"tokens are not looked at":  {Request{Payload: alert, Tokens: []string{"nope"}}, bundle, ""},
		"topic with the suffix too": {Request{Payload: alert, PushType: "voip", Topic: bundle + ".voip"}, bundle, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, Config{Key: testKey(t), Topic: test.topic})
			var got []string
			if err := c.Validate(&test.request); err != nil {
				for _, problem := range func() Problems {
					var target Problems
					_ = errors.As(err, &target)
					return target
				}() {
					got = append(got, problem.Field+" "+problem.Reason.Name)
				}
			}
			if diff := cmp.Diff(test.want, strings.Join(got, "; ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHeadersOfARequest(t *testing.T) {
	c := newClient(t, Config{Key: testKey(t), Topic: bundle})
	for name, test := range map[string]struct {
		request Request
		want    headers
	}{
		"defaults": {Request{Payload: []byte(`{"aps":{"alert":"a"}}`)}, headers{topic: bundle, pushType: "alert"}},
		"background gets 5": {
			Request{Payload: []byte(`{"aps":{"content-available":1}}`)}, headers{topic: bundle, pushType: "background", priority: "5"},
		},
		"given type wins over the payload": {
			Request{Payload: []byte(`{"aps":{"content-available":1}}`), PushType: "voip", Priority: 10},
			headers{topic: bundle + ".voip", pushType: "voip", priority: "10", ownTopic: true},
		},
		"own topic": {
			Request{Payload: []byte(`{}`), Topic: "com.example.other"}, headers{topic: "com.example.other", pushType: "alert", ownTopic: true},
		},
		"the app's topic, said again": {
			Request{Payload: []byte(`{}`), Topic: bundle + ".voip", PushType: "voip"}, headers{topic: bundle + ".voip", pushType: "voip", ownTopic: true},
		},
		"expiration and collapse id": {
			Request{Payload: []byte(`{}`), Expiration: ExpireNow(), CollapseID: "c"},
			headers{topic: bundle, pushType: "alert", expiration: "0", collapseID: "c"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, problems := c.headersOf(&test.request)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

func TestHeaderFields(t *testing.T) {
	c := newClient(t, Config{Key: testKey(t), Topic: bundle, Dial: noDial(t)})
	got, err := c.HeaderFields(&Request{
		Tokens: tokens(2), IDs: []string{"", "123E4567-E89B-12D3-A456-426614174000"}, Payload: []byte(`{}`), Priority: 5, Expiration: ExpireNow(),
	}, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := []HeaderField{
		{"apns-topic", bundle},
		{"apns-push-type", "alert"},
		{"apns-priority", "5"},
		{"apns-expiration", "0"},
		{"apns-id", "123e4567-e89b-12d3-a456-426614174000"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, err = c.HeaderFields(&Request{Priority: 5}, 0); err == nil {
		t.Errorf("headers of a request that can't be sent: %v", got)
	}
}

func FuzzPushTypeOf(f *testing.F) {
	f.Add([]byte(`{"aps":{"content-available":1}}`))
	f.Add([]byte(`{"mdm":1}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if got := PushTypeOf(payload); !isWord(got) || (!json.Valid(payload) && got != PushTypeAlert) {
			t.Errorf("%q is of type %q", payload, got)
		}
	})
}

// TestValidateReadsThePayloadOnce: what Deliver would find again is kept, and only for the very bytes that were read.
func TestValidateReadsThePayloadOnce(t *testing.T) {
	c := newClient(t, Config{Key: testKey(t), Topic: bundle})
	r := &Request{Tokens: tokens(1), Payload: []byte(`{"aps":{"content-available":1}}`)}
	if err := c.Validate(r); err != nil {
		t.Fatal(err)
	}
	if r.reading() != r.read {
		t.Error("the payload is read again")
	}
	r.Payload = []byte(`{"aps":{"alert":"other bytes !!"}}`)[:len(r.Payload)]
	if r.reading() == r.read {
		t.Error("another payload passes for the one that was read")
	}
}
