package provider

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender/apns"
	"github.com/volleypush/volley/sender/apns/apnstest"
)

// TestBroadcastJob: a channel takes the place of the ids, with the limit and the path of its own API.
func TestBroadcastJob(t *testing.T) {
	const channel = "Y2hhbm5lbA=="
	batch, err := prepareAPNS(t, `{"channel":"`+channel+`","event":"update","content_state":{"a":1},"expiration":0}`)
	if err != nil {
		t.Fatal(err)
	}
	if r := batch.request; r.Channel != channel || string(r.Payload) != `{"aps":{"content-state":{"a":1},"event":"update"}}` || !batch.Deadline().IsZero() {
		t.Errorf("%+v", r)
	}
	long := strings.Repeat("x", 5120-len(`{"aps":{"event":"end"},"k":""}`))
	if _, err := prepareAPNS(t, `{"channel":"`+channel+`","event":"end","extra":{"k":"`+long+`"}}`); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := prepareAPNS(t, `{"channel":"`+channel+`","event":"end","extra":{"k":"`+long+`x"}}`); err == nil {
		t.Error("over the limit: no fault")
	}
	text, err := Preview(segment(t, jobs.APNS, `{"id":"j","channel":"`+channel+`","event":"end"}`).Job, published)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"POST https://api.push.apple.com/4/broadcasts/apps/TOPIC-OF-THE-APP\n", "apns-channel-id: " + channel + "\n", "apns-push-type: liveactivity\n",
		"apns-request-id: ", `{"aps":{"event":"end"}}`,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("%s lacks %q", text, line)
		}
	}
}

// FuzzAPNSRequest: every job that is taken becomes a request that can be sent, or faults; and the same job the same request.
func FuzzAPNSRequest(f *testing.F) {
	for _, body := range []string{
		`{"ids":"ab","message":"hi","title":"t","badge":0,"max_payload_length":40}`,
		`{"ids":"ab","message":{"alert":{"body":"b"},"content-available":1},"sound":{"critical":1}}`,
		`{"ids":"ab","payload":{"mdm":"magic"},"push_type":"mdm","topic":"com.apple.mgmt.External.x"}`,
		`{"ids":"ab","push_type":"background","content_available":true,"expiration":0}`,
		`{"channel":"Y2g=","event":"update","content_state":{"a":[1,{"b":null}]},"low_priority":true}`,
		`{"ids":["ab","zz"],"collapse_id":"é","extra":{"k":"\ud83d\ude00"},"priority":1,"push_type":"voip"}`,
	} {
		f.Add([]byte(body))
	}
	made, p8, err := apnstest.NewKey()
	if err != nil {
		f.Fatal(err)
	}
	key, err := apns.ParseKey(p8, made.KeyID, made.TeamID)
	if err != nil {
		f.Fatal(err)
	}
	client, err := apns.New(apns.Config{Key: key, Topic: "com.example"})
	if err != nil {
		f.Fatal(err)
	}
	app := newAPNS(APNSParams{Client: client, Topic: "com.example", BatchSize: 100})
	f.Fuzz(func(t *testing.T, body []byte) {
		job, err := jobs.Decode(jobs.APNS, body)
		if err != nil {
			return
		}
		seg := &jobs.Segment{Job: job, JobID: "j", Segments: 1, Total: job.Recipients(), Published: published}
		batch, err := app.Prepare(seg)
		if err != nil {
			var faults jobs.Faults
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		r := batch.(*apnsBatch).request
		limit := apns.PayloadLimit(r.PushType)
		if r.Channel != "" {
			limit = apns.MaxBroadcastPayload
		}
		if !json.Valid(r.Payload) || len(r.Payload) > limit {
			t.Errorf("payload %q of %d bytes", r.Payload, len(r.Payload))
		}
		fields, err := client.HeaderFields(&r, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range fields {
			if strings.ContainsAny(field.Value, "\r\n\x00") || strings.TrimSpace(field.Value) != field.Value {
				t.Errorf("header %q: %q", field.Name, field.Value)
			}
		}
		again, err := app.Prepare(seg)
		if err != nil || string(again.(*apnsBatch).request.Payload) != string(r.Payload) {
			t.Errorf("another time %v", err)
		}
	})
}

// TestEveryKeyReachesTheProvider: what a job may say in a message object is what the sender takes, for each key of Apple's payload page.
func TestEveryKeyReachesTheProvider(t *testing.T) {
	for name, test := range map[string]struct{ message, want string }{
		"alert": {
			`{"title":"t","subtitle":"s","body":"b","launch-image":"l","title-loc-key":"k","title-loc-args":["a"],"subtitle-loc-key":"k","subtitle-loc-args":["a"],` +
				`"loc-key":"k","loc-args":["a"],"action-loc-key":"a","action":"a","summary-arg":"s","summary-arg-count":2}`,
			`{"aps":{"alert":{"action":"a","action-loc-key":"a","body":"b","launch-image":"l","loc-args":["a"],"loc-key":"k","subtitle":"s","subtitle-loc-args":["a"],` +
				`"subtitle-loc-key":"k","summary-arg":"s","summary-arg-count":2,"title":"t","title-loc-args":["a"],"title-loc-key":"k"}}}`,
		},
		"aps": {
			`{"alert":"a","badge":0,"sound":{"critical":1,"name":"n","volume":0.5},"thread-id":"t","category":"c","content-available":1,"mutable-content":1,"target-content-id":"t",` +
				`"interruption-level":"critical","relevance-score":0.5,"filter-criteria":"f","stale-date":1,"content-state":{"b":1,"a":2},"timestamp":1,"event":"start","dismissal-date":1,` +
				`"attributes-type":"a","attributes":{},"input-push-channel":"c","input-push-token":1,"url-args":["u"],"content-changed":true}`,
			`{"aps":{"alert":"a","attributes":{},"attributes-type":"a","badge":0,"category":"c","content-available":1,"content-changed":true,"content-state":{"a":2,"b":1},` +
				`"dismissal-date":1,"event":"start","filter-criteria":"f","input-push-channel":"c","input-push-token":1,"interruption-level":"critical","mutable-content":1,` +
				`"relevance-score":0.5,"sound":{"critical":1,"name":"n","volume":0.5},"stale-date":1,"target-content-id":"t","thread-id":"t","timestamp":1,"url-args":["u"]}}`,
		},
	} {
		batch, err := prepareAPNS(t, `{"message":`+test.message+`,"ids":"ab"}`)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(test.want, string(batch.request.Payload)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
