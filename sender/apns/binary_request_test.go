package apns

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/simulator"
)

// TestBinaryRefusesWhatItLacks: everything at once, each with its field and the way out.
func TestBinaryRefusesWhatItLacks(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, nil, nil)
	plain := []byte(`{"aps":{"alert":"hello"}}`)
	background := []byte(`{"aps":{"content-available":1}}`)
	for name, test := range map[string]struct {
		change func(*Request)
		fields []string
	}{
		"plain":               {func(*Request) {}, nil},
		"the topic it has":    {func(r *Request) { r.Topic = bundle }, nil},
		"another topic":       {func(r *Request) { r.Topic = "com.example.other" }, []string{"topic"}},
		"collapse id":         {func(r *Request) { r.CollapseID = "a" }, []string{"collapse_id"}},
		"push type":           {func(r *Request) { r.PushType = "alert" }, []string{"push_type"}},
		"apns-ids":            {func(r *Request) { r.IDs = []string{"x"} }, []string{""}},
		"channel":             {func(r *Request) { r.Channel = "dGVzdA==" }, []string{"channel"}},
		"live activity":       {func(r *Request) { r.Payload = []byte(`{"aps":{"event":"update","content-state":{}}}`) }, []string{"event"}},
		"priority 5":          {func(r *Request) { r.Priority = 5 }, nil},
		"priority 1":          {func(r *Request) { r.Priority = 1 }, []string{"priority"}},
		"priority 7":          {func(r *Request) { r.Priority = 7 }, []string{"priority"}},
		"background":          {func(r *Request) { r.Payload = background }, nil},
		"background at 10":    {func(r *Request) { r.Payload, r.Priority = background, 10 }, []string{"priority"}},
		"the largest payload": {func(r *Request) { r.Payload = []byte(`"` + strings.Repeat("x", 2046) + `"`) }, nil},
		"one byte more":       {func(r *Request) { r.Payload = []byte(`"` + strings.Repeat("x", 2047) + `"`) }, []string{"message"}},
		"no payload":          {func(r *Request) { r.Payload = nil }, []string{"message"}},
		"the last moment":     {func(r *Request) { r.Expiration = ExpireAt(time.Unix(1<<32-1, 0)) }, nil},
		"one second later":    {func(r *Request) { r.Expiration = ExpireAt(time.Unix(1<<32, 0)) }, []string{"expiration"}},
		"all at once": {func(r *Request) {
			r.CollapseID, r.PushType, r.Topic, r.Priority = "a", "voip", "other", 1
		}, []string{"priority", "collapse_id", "push_type", "topic"}},
	} {
		r := &Request{Tokens: tokens(1), Payload: plain}
		test.change(r)
		err := f.Validate(r)
		problems, _ := errors.AsType[Problems](err)
		var fields []string
		for _, p := range problems {
			fields = append(fields, p.Field)
			if strings.Contains(p.Text, "has no") && !strings.Contains(p.Text, "protocol: http2") {
				t.Errorf("%s: %q says no way out", name, p.Text)
			}
		}
		if diff := cmp.Diff(test.fields, fields); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if len(fields) > 0 {
			out := make([]sender.Outcome, 1)
			if f.Deliver(t.Context(), r, out); out[0].Class == sender.Accepted || out[0].Class == sender.Unset {
				t.Errorf("%s: it is sent all the same: %s", name, out[0].Class)
			}
		}
	}
	if n := f.gateway.Ledger().Len(); n > 0 {
		t.Errorf("%d arrived", n)
	}
}

// TestBinaryItems: priority and expiration as they arrive.
func TestBinaryItems(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, nil, nil)
	at := time.Unix(1_900_000_000, 0)
	for _, test := range []struct {
		request Request
		want    map[string]string
	}{
		{Request{}, map[string]string{"apns-priority": "10"}},
		{Request{Priority: 5, Expiration: ExpireNow()}, map[string]string{"apns-priority": "5", "apns-expiration": "0"}},
		{Request{Priority: 10, Expiration: ExpireAt(at)}, map[string]string{"apns-priority": "10", "apns-expiration": "1900000000"}},
		{Request{Payload: []byte(`{"aps":{"content-available":1}}`)}, map[string]string{"apns-priority": "5"}},
	} {
		test.request.Tokens = tokens(1)
		deliver(t, f.Client, &test.request)
		var got map[string]string
		for n := range f.gateway.Ledger().Each() {
			if n.Token != "" {
				got = n.Headers
			}
		}
		delete(got, "connection")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestBinaryNeedsACertificate(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, nil, nil)
	authority, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.ClientCertificate("test", bundle)
	if err != nil {
		t.Fatal(err)
	}
	over := simulate(t, nil)
	key, err := ParseKey(over.p8, over.key.KeyID, over.key.TeamID)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		config Config
		want   string
	}{
		"nothing":           {Config{Protocol: Binary}, "needs a certificate"},
		"a key":             {Config{Protocol: Binary, Key: key}, "can't use a provider key"},
		"an URL":            {Config{Protocol: Binary, Certificate: &certificate, Endpoint: "https://example.com"}, "endpoint must have the form host:port"},
		"a feedback URL":    {Config{Protocol: Binary, Certificate: &certificate, FeedbackEndpoint: "example.com"}, "feedback_endpoint must have the form host:port"},
		"another protocol":  {Config{Protocol: "smtp", Certificate: &certificate}, "must be http2 or binary"},
		"another's topic":   {Config{Protocol: Binary, Certificate: &certificate, Topic: "com.example.other"}, "not for topic"},
		"Apple, production": {Config{Protocol: Binary, Certificate: &certificate}, ""},
	} {
		_, err := New(test.config)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A certificate of another authority is never answered.
	other := f.gateway.Addr()
	client := newClient(t, Config{Protocol: Binary, Certificate: &certificate, Endpoint: other, RootCAs: f.gateway.Authority().Pool()})
	for _, o := range deliver(t, client, &Request{Tokens: tokens(2), Retries: 2}) {
		if o.Class != sender.Uncertain && o.Class != sender.Unsent {
			t.Errorf("it is %s", o.Class)
		}
	}
}
