package apns

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns/apnstest"
)

const (
	storing    = "dGhpcyBvbmUgc3RvcmVzIQ=="
	fleeting   = "bm90IHRoaXMgb25l"
	activityID = "123e4567-e89b-12d3-a456-426614174000"
)

// channels is a simulator with two channels and a client of it.
func channels(t *testing.T, e Engine) *simulated {
	return simulateOn(t, e, func(o *apnstest.Options, _ *Config) {
		o.Channels = []apnstest.Channel{{ID: storing, Bundle: bundle, Stores: true}, {ID: fleeting, Bundle: bundle}}
	})
}

func activity() *Message {
	return &Message{Event: new("update"), Timestamp: new(int64(1)), ContentState: map[string]any{"score": "1:0"}}
}

// TestBroadcast: one request for the whole channel, with the headers of the broadcast API and no others.
func TestBroadcast(t *testing.T) { onEngines(t, testBroadcast) }

func testBroadcast(t *testing.T, e Engine) {
	s := channels(t, e)
	response, err := s.Broadcast(t.Context(), storing, activity(), WithIDs([]string{strings.ToUpper(activityID)}), WithPriority(5))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{storing}, response.Successes); diff != "" {
		t.Fatalf("%s%v", diff, response.Errors)
	}
	if id := response.Outcomes[0].ProviderID; id != activityID {
		t.Errorf("the provider's id is %q", id)
	}
	lines := s.server.Ledger().All()
	if len(lines) != 1 || lines[0].Token != storing || string(lines[0].Body) != `{"aps":{"content-state":{"score":"1:0"},"event":"update","timestamp":1}}` {
		t.Fatalf("%+v", lines)
	}
	got := lines[0].Headers
	if got["apns-expiration"] == "" || got["authorization"] == "" {
		t.Errorf("headers %v", got)
	}
	delete(got, "apns-expiration")
	delete(got, "authorization")
	delete(got, "content-length")
	want := map[string]string{"apns-channel-id": storing, "apns-push-type": "liveactivity", "apns-priority": "5", "apns-request-id": activityID}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestBroadcastRefusals: what only Apple knows about a channel.
func TestBroadcastRefusals(t *testing.T) { onEngines(t, testBroadcastRefusals) }

func testBroadcastRefusals(t *testing.T, e Engine) {
	s := channels(t, e)
	for name, test := range map[string]struct {
		channel string
		options []Option
		reason  string
	}{
		"nothing is stored":        {fleeting, nil, "BadExpirationDate"},
		"nothing needs be stored":  {fleeting, []Option{WithExpiration(0)}, ""},
		"no such channel":          {"bm9uZQ==", nil, "ChannelNotRegistered"},
		"a channel of another app": {storing, []Option{WithTopic("com.example.other")}, "ChannelNotRegistered"},
	} {
		response, err := s.Broadcast(t.Context(), test.channel, activity(), test.options...)
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case test.reason == "" && len(response.Successes) != 1:
			t.Errorf("%s: %v", name, response.Errors)
		case test.reason != "" && (len(response.Errors) != 1 || response.Errors[0].Reason != test.reason || response.Errors[0].Class != sender.BadJob):
			t.Errorf("%s: %v", name, response.Errors)
		}
	}
}

// TestBroadcastFaults: what Apple would refuse is not sent.
func TestBroadcastFaults(t *testing.T) { onEngines(t, testBroadcastFaults) }

func testBroadcastFaults(t *testing.T, e Engine) {
	sized := func(n int) *Message {
		m := &Message{Event: new("end"), Extra: map[string]any{"k": ""}}
		text, err := m.Payload(0)
		if err != nil {
			t.Fatal(err)
		}
		m.Extra["k"] = strings.Repeat("x", n-len(text))
		return m
	}
	s := channels(t, e)
	for name, test := range map[string]struct {
		channel string
		message *Message
		options []Option
		want    string // field and text; "" for no fault
	}{
		"at the limit":        {storing, sized(MaxBroadcastPayload), nil, ""},
		"beyond it":           {storing, sized(MaxBroadcastPayload + 1), nil, "message: the payload has 5121 bytes, at most 5120 are allowed"},
		"not base64":          {"a channel", activity(), nil, "channel: must be the base64 text that the creation of the channel answered"},
		"a start":             {storing, &Message{Event: new("start")}, nil, "event: can't be start for a channel: a broadcast updates or ends an activity"},
		"a start, as it is":   {storing, &Message{Raw: raw(`{"aps":{"event":"start"}}`)}, nil, "event: can't be start for a channel: a broadcast updates or ends an activity"},
		"an alert":            {storing, NewMessage("hi"), nil, "push_type: is liveactivity, but the payload says nothing of an activity; set event and content_state"},
		"another type":        {storing, activity(), []Option{WithPushType("alert")}, "push_type: must be liveactivity for a channel; push_type: is alert, but the payload is that of a liveactivity push; leave push_type out"},
		"a collapse id":       {storing, activity(), []Option{WithCollapseID("c")}, "collapse_id: can't go with a channel: a broadcast replaces nothing"},
		"a path in the topic": {storing, activity(), []Option{WithTopic("a/b")}, "topic: must be a bundle id of letters, digits, dots, hyphens and underscores"},
		"priority 1":          {storing, activity(), []Option{WithPriority(1)}, "priority: a Live Activity push must have priority 10 or 5, not 1"},
		"the suffix is known": {storing, activity(), []Option{WithTopic(bundle + ".push-type.liveactivity")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			response, err := s.Broadcast(t.Context(), test.channel, test.message, test.options...)
			if test.want == "" {
				if err != nil || len(response.Successes) != 1 {
					t.Fatalf("%v, %+v", err, response)
				}
				return
			}
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("response %v, error %v", response, err)
			}
			if diff := cmp.Diff(test.want, problems.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
	err := s.Validate(&Request{Channel: storing, Tokens: tokens(1), Payload: []byte(`{"aps":{"event":"end"}}`)})
	if err == nil || err.Error() != "ids: can't go with a channel; send to one or the other" {
		t.Errorf("ids beside a channel: %v", err)
	}
	if err := newClient(t, Config{Key: testKey(t)}).Validate(&Request{Channel: storing, Payload: []byte(`{"aps":{"event":"end"}}`)}); err == nil ||
		err.Error() != "topic: is needed: set the app's topic (its bundle id) or the job's" {
		t.Errorf("no topic: %v", err)
	}
}
