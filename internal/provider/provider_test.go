package provider

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns"
	"github.com/volleypush/volley/sender/apns/apnstest"
	"github.com/volleypush/volley/sender/gcm"
)

var published = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func segment(t *testing.T, platform jobs.Platform, body string) *jobs.Segment {
	t.Helper()
	job, err := jobs.Decode(platform, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return &jobs.Segment{Job: job, JobID: "j", Segments: 1, Total: job.Recipients(), Published: published}
}

func apnsRegistry(t *testing.T) *Registry {
	t.Helper()
	made, p8, err := apnstest.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := apns.ParseKey(p8, made.KeyID, made.TeamID)
	if err != nil {
		t.Fatal(err)
	}
	client, err := apns.New(apns.Config{Key: key, Topic: "com.example"})
	if err != nil {
		t.Fatal(err)
	}
	r := NewRegistry()
	r.AddAPNS(APNSParams{
		Name: "default", Client: client, Topic: "com.example", ErrorTimeout: 10 * time.Second, Expiration: 720 * time.Hour,
		BatchSize: 100, MaxAttempts: 10,
	})
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func prepareAPNS(t *testing.T, body string) (*apnsBatch, error) {
	t.Helper()
	app, ok := apnsRegistry(t).App(jobs.APNS, "default")
	if !ok {
		t.Fatal("no app")
	}
	batch, err := app.Prepare(segment(t, jobs.APNS, body))
	if err != nil {
		return nil, err
	}
	return batch.(*apnsBatch), nil
}

func TestAPNSRequest(t *testing.T) {
	tests := []struct {
		name, fields    string
		payload         string
		priority        int
		expiration      apns.Expiration
		deadline        time.Time
		pushType, topic string
		collapse        string
		batch           int
		timeout         time.Duration
	}{
		{name: "defaults", fields: `"message":"hi"`, payload: `{"aps":{"alert":"hi"}}`, deadline: published.Add(720 * time.Hour)},
		{name: "null message", fields: `"message":null,"badge":0`, payload: `{"aps":{"badge":0}}`, deadline: published.Add(720 * time.Hour)},
		{name: "expiration counts from the publish", fields: `"message":"hi","expiration":60`, payload: `{"aps":{"alert":"hi"}}`, deadline: published.Add(time.Minute)},
		{
			name: "or from deliver_at", fields: `"message":"hi","expiration":60,"deliver_at":"2026-11-23T11:00:00Z"`, payload: `{"aps":{"alert":"hi"}}`,
			deadline: published.Add(time.Hour + time.Minute),
		},
		{name: "expiration 0 is one attempt", fields: `"message":"hi","expiration":0`, payload: `{"aps":{"alert":"hi"}}`, expiration: apns.ExpireNow()},
		{name: "low priority", fields: `"message":"hi","low_priority":true`, payload: `{"aps":{"alert":"hi"}}`, priority: 5, deadline: published.Add(720 * time.Hour)},
		{
			name: "headers", fields: `"message":"hi","priority":10,"push_type":"voip","topic":"com.other","collapse_id":"c","batch_size":7,"error_timeout":1.5`,
			payload: `{"aps":{"alert":"hi"}}`, priority: 10, pushType: "voip", topic: "com.other", collapse: "c", batch: 7, timeout: 1500 * time.Millisecond,
			deadline: published.Add(720 * time.Hour),
		},
		{name: "raw payload", fields: `"payload":{"b":1, "aps":{"alert":"x"}}`, payload: `{"b":1, "aps":{"alert":"x"}}`, deadline: published.Add(720 * time.Hour)},
		{name: "alert object", fields: `"message":{"body":"b"},"title":"t"`, payload: `{"aps":{"alert":{"body":"b","title":"t"}}}`, deadline: published.Add(720 * time.Hour)},
		{
			name: "every option", fields: `"message":"m","sound":{"critical":1,"name":"n","volume":0.5},"category":"c","content_available":true,"mutable_content":true,
			"title":"t","title_loc_key":"k","title_loc_args":["a"],"action_loc_key":"al","loc_key":"lk","loc_args":[],"launch_image":"li","thread_id":"th","extra":{"x":{"y":1}},
			"subtitle":"s","subtitle_loc_key":"sk","subtitle_loc_args":["z"],"interruption_level":"active","relevance_score":0.25,"target_content_id":"tc","filter_criteria":"fc"`,
			payload: `{"aps":{"alert":{"action-loc-key":"al","body":"m","launch-image":"li","loc-args":[],"loc-key":"lk","subtitle":"s","subtitle-loc-args":["z"],` +
				`"subtitle-loc-key":"sk","title":"t","title-loc-args":["a"],"title-loc-key":"k"},"category":"c","content-available":1,"filter-criteria":"fc",` +
				`"interruption-level":"active","mutable-content":1,"relevance-score":0.25,"sound":{"critical":1,"name":"n","volume":0.5},"target-content-id":"tc","thread-id":"th"},"x":{"y":1}}`,
			deadline: published.Add(720 * time.Hour),
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			batch, err := prepareAPNS(t, `{`+test.fields+`,"ids":"ab"}`)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.payload, string(batch.request.Payload)); diff != "" {
				t.Error(diff)
			}
			if !batch.Deadline().Equal(test.deadline) {
				t.Errorf("deadline %s, want %s", batch.Deadline(), test.deadline)
			}
			want := test.expiration
			if !test.deadline.IsZero() {
				want = apns.ExpireAt(test.deadline)
			}
			r := batch.request
			if r.Expiration.String() != want.String() {
				t.Errorf("expiration %q, want %q", r.Expiration, want)
			}
			if r.Priority != test.priority || r.PushType != test.pushType || r.CollapseID != test.collapse {
				t.Errorf("priority %d, push type %q, collapse id %q", r.Priority, r.PushType, r.CollapseID)
			}
			if want := cmpOr(test.topic, "com.example"); r.Topic != want {
				t.Errorf("topic %q, want %q", r.Topic, want)
			}
			if want := cmpOr(test.batch, 100); r.BatchSize != want {
				t.Errorf("batch size %d, want %d", r.BatchSize, want)
			}
			if want := cmpOr(test.timeout, 10*time.Second); r.ErrorTimeout != want {
				t.Errorf("error timeout %s, want %s", r.ErrorTimeout, want)
			}
		})
	}
}

func cmpOr[T comparable](a, b T) T {
	var zero T
	if a == zero {
		return b
	}
	return a
}

func TestPayloadOverTheLimitIsAFaultOfTheJob(t *testing.T) {
	long := strings.Repeat("x", 5100)
	if _, err := prepareAPNS(t, `{"message":"`+long[:4076]+`","ids":"ab"}`); err != nil { // with {"aps":{"alert":""}} exactly 4,096
		t.Errorf("at the limit: %v", err)
	}
	_, err := prepareAPNS(t, `{"message":"`+long[:4077]+`","ids":"ab"}`)
	var faults jobs.Faults
	if !errors.As(err, &faults) || len(faults) != 1 || strings.Contains(err.Error(), "xx") {
		t.Errorf("over the limit: %v", err)
	}
	if _, err := prepareAPNS(t, `{"message":"`+long[:5100]+`","push_type":"voip","ids":"ab"}`); err != nil {
		t.Errorf("voip: %v", err)
	}
	if _, err := prepareAPNS(t, `{"message":"`+long+`","max_payload_length":100,"ids":"ab"}`); err != nil {
		t.Errorf("shortened: %v", err)
	}
}

func prepareGCM(t *testing.T, protocol gcm.Protocol, now time.Time, body string) (*gcmBatch, error) {
	t.Helper()
	app := &gcmApp{GCMParams: GCMParams{Protocol: protocol, Now: func() time.Time { return now }, Notice: func(text string) { t.Log(text) }}, noticed: map[string]bool{}}
	seg := segment(t, jobs.GCM, body)
	if now.Sub(published) > time.Second {
		seg.Round = 1
	}
	batch, err := app.Prepare(seg)
	if err != nil {
		return nil, err
	}
	return batch.(*gcmBatch), nil
}

// An option without effect is accepted, is no part of the message, and is told of once and not with every job.
func TestIgnoredOptionIsToldOnce(t *testing.T) {
	var told []string
	app := &gcmApp{
		GCMParams: GCMParams{Protocol: gcm.V1, Now: func() time.Time { return published }, Notice: func(text string) { told = append(told, text) }},
		noticed:   map[string]bool{},
	}
	for range 3 {
		batch, err := app.Prepare(segment(t, jobs.GCM, `{"message":"hi","ids":"r","delay_while_idle":true}`))
		if err != nil {
			t.Fatal(err)
		}
		if body := string(batch.(*gcmBatch).prepared.Body("r")); strings.Contains(body, "idle") {
			t.Error(body)
		}
	}
	if diff := cmp.Diff([]string{"delay_while_idle has no effect: FCM v1 has no such option"}, told); diff != "" {
		t.Error(diff)
	}
}

// The key in the Firebase project is refused recipient by recipient; that is told once in ten minutes, and nobody is to be deleted.
func TestRefusedPushKeyIsTold(t *testing.T) {
	now := published
	var told []string
	app := &gcmApp{GCMParams: GCMParams{Name: "shop", Now: func() time.Time { return now }, PushKeyRejected: func(text string) { told = append(told, text) }}}
	answer := func(reason string) []sender.Outcome {
		return []sender.Outcome{{Class: sender.Accepted}, sender.Failed(gcm.Reason(reason), 401)}
	}
	app.judge(answer("UNREGISTERED"))
	if len(told) > 0 {
		t.Errorf("told of a dead token: %s", told)
	}
	app.judge(answer("THIRD_PARTY_AUTH_ERROR"))
	app.judge(answer("InvalidApnsCredential"))
	now = now.Add(alarmEvery - 1)
	app.judge(answer("THIRD_PARTY_AUTH_ERROR"))
	if len(told) != 1 || !strings.HasPrefix(told[0], `app "shop": THIRD_PARTY_AUTH_ERROR: `) {
		t.Errorf("%q", told)
	}
	now = now.Add(1)
	app.judge(answer("InvalidApnsCredential"))
	if len(told) != 2 {
		t.Errorf("%q", told)
	}
	for _, name := range []string{"THIRD_PARTY_AUTH_ERROR", "InvalidApnsCredential"} {
		if r := gcm.Reason(name); r.Action == results.ActionDeleteToken {
			t.Errorf("%s asks for the deletion of a token", name)
		}
	}
	app.PushKeyRejected = nil
	app.judge(answer("THIRD_PARTY_AUTH_ERROR"))
}

func TestGCMTimeToLive(t *testing.T) {
	tests := []struct {
		name, fields string
		now          time.Time
		deadline     time.Time
		ttl          string // in the legacy body; "" for none
	}{
		{"default", ``, published, published.Add(28 * 24 * time.Hour), ""},
		{"given", `"time_to_live":600,`, published, published.Add(10 * time.Minute), "600"},
		{"all of it in the first round", `"time_to_live":600,`, published.Add(3 * time.Millisecond), published.Add(10 * time.Minute), "600"},
		{"the remainder on a retry", `"time_to_live":600,`, published.Add(4 * time.Minute), published.Add(10 * time.Minute), "360"},
		{"never 0 by counting down", `"time_to_live":600,`, published.Add(11 * time.Minute), published.Add(10 * time.Minute), "1"},
		{"now or never", `"time_to_live":0,`, published, time.Time{}, "0"},
		{"counts from deliver_at", `"time_to_live":600,"deliver_at":"2026-11-23T11:00:00Z",`, published, published.Add(70 * time.Minute), "600"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			batch, err := prepareGCM(t, gcm.Legacy, test.now, `{`+test.fields+`"message":{"k":"v"},"ids":"r"}`)
			if err != nil {
				t.Fatal(err)
			}
			if !batch.Deadline().Equal(test.deadline) {
				t.Errorf("deadline %s, want %s", batch.Deadline(), test.deadline)
			}
			var body struct {
				TTL json.Number `json:"time_to_live"`
			}
			if err := json.Unmarshal(batch.prepared.Body("r"), &body); err != nil {
				t.Fatal(err)
			}
			if body.TTL.String() != test.ttl {
				t.Errorf("time_to_live %q, want %q", body.TTL, test.ttl)
			}
		})
	}
}

func TestGCMBodies(t *testing.T) {
	tests := []struct {
		name     string
		protocol gcm.Protocol
		fields   string
		want     string
	}{
		{"legacy text", gcm.Legacy, `"message":"hi"`, `{"data":{"message":"hi"},"priority":"high","to":"r"}`},
		{"legacy null", gcm.Legacy, `"message":null`, `{"data":{"message":null},"priority":"high","to":"r"}`},
		{"legacy object", gcm.Legacy, `"message":{"a":1},"low_priority":true,"dry_run":true`, `{"data":{"a":1},"dry_run":true,"priority":"normal","to":"r"}`},
		{"v1 data", gcm.V1, `"message":{"a":1}`, `"data":{"a":"1"}`},
		{"v1 fid", gcm.V1, `"message":{"a":"b"},"fid":true`, `"fid":"r"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			batch, err := prepareGCM(t, test.protocol, published, `{`+test.fields+`,"ids":"r"}`)
			if err != nil {
				t.Fatal(err)
			}
			got := string(batch.prepared.Body("r"))
			if test.protocol == gcm.Legacy && got != test.want || !strings.Contains(got, test.want) {
				t.Errorf("body %s, want %s", got, test.want)
			}
		})
	}
}
