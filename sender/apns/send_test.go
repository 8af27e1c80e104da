package apns

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns/apnstest"
	"github.com/volleypush/volley/sender/simulator"
)

func TestSend(t *testing.T) { onEngines(t, testSend) }

func testSend(t *testing.T, e Engine) {
	scripts := simulator.NewScripts()
	ids := tokens(6)
	if err := scripts.Set(simulator.Script{Rules: []simulator.Rule{
		{Token: ids[1], Answer: simulator.Answer{Reason: "BadDeviceToken"}},
		{Token: ids[3], Answer: simulator.Answer{Reason: "Unregistered", TimestampMS: 1795430000123}},
	}}); err != nil {
		t.Fatal(err)
	}
	s := simulateOn(t, e, func(o *apnstest.Options, _ *Config) { o.Scripts = scripts })
	ids = append(ids, "not hex", ids[1], ids[0]) // and two of them again
	response, err := s.Send(t.Context(), ids, NewMessage("hello"))
	if err != nil {
		t.Fatal(err)
	}
	want := []*Error{
		{Name: InvalidTokenError, Code: "8", Description: "Invalid token", Index: 1, Reason: "BadDeviceToken", Status: 400, Class: sender.Rejected, Action: "check_environment"},
		{Name: InvalidTokenError, Code: "8", Description: "Invalid token", Index: 3, Reason: "Unregistered", Status: 410, Class: sender.Expired, Action: "delete_token"},
		{Name: InvalidTokenError, Code: "8", Description: "Invalid token", Index: 6, Reason: MalformedToken, Class: sender.Rejected, Action: "none"},
		{Name: InvalidTokenError, Code: "8", Description: "Invalid token", Index: 7, Reason: "BadDeviceToken", Status: 400, Class: sender.Rejected, Action: "check_environment"},
	}
	if diff := cmp.Diff(want, response.Errors); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{ids[1], ids[3], ids[6], ids[7]}, response.Failures); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{ids[0], ids[2], ids[4], ids[5], ids[8]}, response.Successes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]*Error{ids[1]: want[3], ids[3]: want[1], ids[6]: want[2]}, response.TokenErrors); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]ExpiredToken{{3, ids[3], time.UnixMilli(1795430000123)}}, response.Expired); diff != "" {
		t.Error(diff)
	}
	if len(response.Tokens) != 9 || *response.Message.Text != "hello" || len(response.Outcomes) != 9 {
		t.Errorf("%+v", response)
	}
}

// TestSendOptions: what each option puts on the wire.
func TestSendOptions(t *testing.T) { onEngines(t, testSendOptions) }

func testSendOptions(t *testing.T, e Engine) {
	now := time.Unix(1795430000, 0)
	s := simulateOn(t, e, func(o *apnstest.Options, c *Config) {
		o.Now = func() time.Time { return now }
		c.Now = o.Now
	})
	for name, test := range map[string]struct {
		message *Message
		options []Option
		want    map[string]string
		body    string
	}{
		"defaults": {NewMessage("x"), nil, map[string]string{"apns-expiration": "1798022000"}, `{"aps":{"alert":"x"}}`},
		"nothing":  {nil, nil, map[string]string{"apns-expiration": "1798022000"}, `{"aps":{}}`},
		"expiration": {
			nil, []Option{WithExpiration(time.Minute)}, map[string]string{"apns-expiration": "1795430060"}, `{"aps":{}}`,
		},
		"expiration 0": {nil, []Option{WithExpiration(0)}, map[string]string{"apns-expiration": "0"}, `{"aps":{}}`},
		"low priority": {
			nil, []Option{WithLowPriority()}, map[string]string{"apns-expiration": "1798022000", "apns-priority": "5"}, `{"aps":{}}`,
		},
		"all the rest": {
			&Message{Text: new("helloworld"), MaxPayloadLength: 30},
			[]Option{
				WithPriority(1), WithBatchSize(7), WithErrorTimeout(time.Second), WithMaxPayloadLength(29), WithTopic("com.example.other"),
				WithPushType(PushTypeVoIP), WithCollapseID("c"), WithIDs([]string{"123e4567-e89b-12d3-a456-426614174000"}),
			},
			map[string]string{
				"apns-expiration": "1798022000", "apns-priority": "1", "apns-topic": "com.example.other.voip", "apns-push-type": "voip",
				"apns-collapse-id": "c", "apns-id": "123e4567-e89b-12d3-a456-426614174000",
			},
			`{"aps":{"alert":"hellow..."}}`,
		},
		"truncation off": {
			&Message{Text: new("helloworld"), MaxPayloadLength: 29},
			[]Option{WithMaxPayloadLength(0)},
			map[string]string{"apns-expiration": "1798022000"},
			`{"aps":{"alert":"helloworld"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s.server.Ledger().Reset()
			response, err := s.Send(t.Context(), tokens(1), test.message, test.options...)
			if err != nil || len(response.Successes) != 1 {
				t.Fatalf("%v, %v", err, response)
			}
			got := s.server.Ledger().All()[0]
			defaults := map[string]string{"apns-topic": bundle, "apns-push-type": "alert", "authorization": got.Headers["authorization"]}
			for key, value := range defaults {
				if _, ok := test.want[key]; !ok {
					test.want[key] = value
				}
			}
			ignore := cmpopts.IgnoreMapEntries(func(key, _ string) bool { return key == "content-length" })
			if diff := cmp.Diff(test.want, got.Headers, ignore); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.body, string(got.Body)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSendDefaults: what the client was told for all its calls.
func TestSendDefaults(t *testing.T) { onEngines(t, testSendDefaults) }

func testSendDefaults(t *testing.T, e Engine) {
	now := time.Unix(1795430000, 0)
	s := simulateOn(t, e, func(o *apnstest.Options, c *Config) {
		o.Now = func() time.Time { return now }
		c.Now = o.Now
		c.Defaults = Defaults{ExpirationOffset: time.Hour, MaxPayloadLength: 29}
	})
	if _, err := s.Send(t.Context(), tokens(1), NewMessage("helloworld")); err != nil {
		t.Fatal(err)
	}
	got := s.server.Ledger().All()[0]
	if string(got.Body) != `{"aps":{"alert":"hellow..."}}` || got.Headers["apns-expiration"] != "1795433600" {
		t.Errorf("%s, %v", got.Body, got.Headers)
	}
}

// TestSendFaults: nothing is sent, and everything wrong is said at once.
func TestSendFaults(t *testing.T) {
	c := newClient(t, Config{Key: testKey(t), Topic: bundle, Dial: noDial(t)})
	for name, test := range map[string]struct {
		message *Message
		options []Option
		want    []string
		is      ErrorName
	}{
		"batch size 0":        {nil, []Option{WithBatchSize(0)}, []string{"batch_size: must be 1 to 1000, not 0"}, UnknownError},
		"batch size 1001":     {nil, []Option{WithBatchSize(1001)}, []string{"batch_size: must be 1 to 1000, not 1001"}, UnknownError},
		"error timeout":       {nil, []Option{WithErrorTimeout(301 * time.Second)}, []string{"error_timeout: must be 0 to 5m0s, not 5m1s"}, UnknownError},
		"negative":            {nil, []Option{WithErrorTimeout(-1), WithExpiration(-1)}, []string{"error_timeout", "expiration: must be 0 or more"}, UnknownError},
		"priority twice":      {nil, []Option{WithLowPriority(), WithPriority(10)}, []string{"low_priority: can't be given beside priority"}, UnknownError},
		"priority":            {nil, []Option{WithPriority(2)}, []string{"priority: must be 10, 5 or 1, not 2"}, UnknownError},
		"too large":           {NewMessage(strings.Repeat("x", 5000)), nil, []string{"the payload has 5020 bytes, at most 4096 are allowed"}, InvalidPayloadSizeError},
		"message and options": {&Message{Extra: map[string]any{"aps": 1}}, []Option{WithBatchSize(0)}, []string{"batch_size", "extra"}, UnknownError},
		"ids":                 {nil, []Option{WithIDs([]string{"a", "b"})}, []string{"2 apns-ids for 1 recipients"}, UnknownError},
	} {
		t.Run(name, func(t *testing.T) {
			response, err := c.Send(t.Context(), tokens(1), test.message, test.options...)
			var problems Problems
			if response != nil || !errors.As(err, &problems) || !errors.Is(err, test.is) || errors.Is(err, ShutdownError) {
				t.Fatalf("%v, %v", response, err)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
	for _, limit := range []int{1, 1000} {
		if _, err := c.Send(t.Context(), nil, nil, WithBatchSize(limit), WithErrorTimeout(300*time.Second)); err != nil {
			t.Errorf("at the limit: %v", err)
		}
	}
}

// TestErrorsHoldNoTokens: nothing that can be printed of a call names a device.
func TestErrorsHoldNoTokens(t *testing.T) { onEngines(t, testErrorsHoldNoTokens) }

func testErrorsHoldNoTokens(t *testing.T, e Engine) {
	s := simulateOn(t, e, func(o *apnstest.Options, _ *Config) {
		o.Scripts = simulator.NewScripts()
		if err := o.Scripts.Set(simulator.Script{Rules: []simulator.Rule{
			{Percent: 50, Answer: simulator.Answer{Reason: "BadDeviceToken"}},
			{Percent: 100, Answer: simulator.Answer{Status: 400, Body: `{"reason":"` + strings.Repeat("ab", 32) + `"}`}},
		}}); err != nil {
			t.Fatal(err)
		}
	})
	ids := append(tokens(10), "a broken token")
	response, err := s.Send(t.Context(), ids, NewMessage("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if len(response.Errors) != len(ids) {
		t.Fatalf("%d errors", len(response.Errors))
	}
	for _, err := range response.Errors {
		text := fmt.Sprintf("%v %+v %s", err, *err, err.Error())
		for _, token := range append(ids, strings.Repeat("ab", 32)) {
			if strings.Contains(text, token) {
				t.Errorf("%s names a device", text)
			}
		}
	}
}

func TestErrorText(t *testing.T) {
	err := newError(7, sender.Failed(Reason("BadDeviceToken"), 400))
	if got, want := err.Error(), "APNSInvalidTokenError (code=8): Invalid token for identifier 7 (BadDeviceToken, status 400)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	err = newError(0, sender.Failed(Reason(AnswerTimeout), 0))
	if got, want := err.Error(), "APNSTimeoutError: Timeout for identifier 0 (AnswerTimeout)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !errors.Is(err, TimeoutError) || errors.Is(err, InvalidTokenError) || errors.Is(err, errors.New("x")) {
		t.Error("errors.Is is wrong")
	}
	if errors.Is(Problems{{}}, errors.New("x")) || errors.Is(Problems{{}}, UnknownError) {
		t.Error("errors.Is of problems is wrong")
	}
	if (Problem{Text: "x"}).String() != "x" {
		t.Error("a problem of the whole")
	}
	if TimeoutError.Error() != "APNSTimeoutError" {
		t.Error("a name is its text")
	}
}
