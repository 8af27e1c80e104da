package jobs

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// decodeFaults decodes a job that must be refused.
func decodeFaults(t *testing.T, p Platform, body string) Faults {
	t.Helper()
	_, err := Decode(p, []byte(body))
	var faults Faults
	if !errors.As(err, &faults) || len(faults) == 0 {
		t.Fatalf("Decode(%s) = %v, want Faults", body, err)
	}
	return faults
}

func mustDecode(t testing.TB, p Platform, body string) *Job {
	t.Helper()
	job, err := Decode(p, []byte(body))
	if err != nil {
		t.Fatalf("Decode(%.300s): %v", body, err)
	}
	return job
}

func TestAcceptedJobs(t *testing.T) {
	for _, c := range acceptedJobs() {
		t.Run(c.name, func(t *testing.T) {
			// Every accepted job must be accepted again in the form that segments carry.
			job, err := Decode(c.platform, []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			again, err := Decode(c.platform, job.encode())
			if err != nil {
				t.Fatalf("re-encoded as %s: %v", job.encode(), err)
			}
			if diff := cmp.Diff(job, again, cmpJob); diff != "" {
				t.Errorf("re-encoded as %s: %s", job.encode(), diff)
			}
		})
	}
}

func TestRefusedJobs(t *testing.T) {
	for _, c := range refusedJobs() {
		t.Run(c.name, func(t *testing.T) {
			_, err := Decode(c.platform, []byte(c.body))
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("got %v, want faults", err)
			}
			if got := faults.Error(); got != c.want {
				t.Errorf("faults are\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestDefaultsOfAJob(t *testing.T) {
	job := mustDecode(t, APNS, `{"ids":"ab"}`)
	if job.App != DefaultApp || job.OnUncertain != OnUncertainResend || job.ID != "" || job.Campaign != "" || !job.DeliverAt.IsZero() {
		t.Errorf("%+v", job)
	}
	if job.GCM != nil || job.APNS == nil || job.Message.Kind != MessageNone {
		t.Errorf("%+v", job)
	}
	if got := job.Recipient(0); got != "ab" || job.Recipients() != 1 {
		t.Errorf("recipients %d, first %q", job.Recipients(), got)
	}
}

func TestEveryFieldArrives(t *testing.T) {
	apns := mustDecode(t, APNS, `{"id":"promo-7","app":"shop","campaign":"promo","ids":["ab","cd"],"deliver_at":"2026-11-23T10:00:00.5+01:00","on_uncertain":"resend",
		"message":"text","title":"1","title_loc_key":"2","title_loc_args":["3"],"subtitle":"4","subtitle_loc_key":"5","subtitle_loc_args":[],
		"action_loc_key":"6","loc_key":"7","loc_args":["8","9"],"launch_image":"10","badge":0,"sound":{"volume":0.50,"name":"x","critical":1},"category":"11",
		"content_available":false,"mutable_content":true,"thread_id":"12","interruption_level":"time-sensitive","relevance_score":1e-1,
		"target_content_id":"13","filter_criteria":"14","stale_date":15,"content_state":{"b":1,"a":"\u00e9"},"timestamp":16,"event":"update","dismissal_date":17,
		"attributes_type":"18","attributes":{},"extra":{"k":[ 1 ]},"max_payload_length":19,"topic":"com.example.app","push_type":"alert","priority":10,
		"collapse_id":"20","expiration":0,"batch_size":21,"error_timeout":2.5,"retries":22}`)
	want := &Job{
		Platform: APNS, ID: "promo-7", App: "shop", Campaign: "promo", IDs: []Token{NewToken("ab"), NewToken("cd")},
		Message:   Message{Kind: MessageText, Text: "text"},
		DeliverAt: time.Date(2026, 11, 23, 9, 0, 0, 5e8, time.UTC), OnUncertain: OnUncertainResend,
		APNS: &APNSOptions{
			Title: new("1"), TitleLocKey: new("2"), TitleLocArgs: []string{"3"},
			Subtitle: new("4"), SubtitleLocKey: new("5"), SubtitleLocArgs: []string{},
			ActionLocKey: new("6"), LocKey: new("7"), LocArgs: []string{"8", "9"}, LaunchImage: new("10"),
			Badge: new(int64(0)), Sound: raw(`{"critical":1,"name":"x","volume":0.50}`), Category: new("11"),
			ContentAvailable: new(false), MutableContent: new(true), ThreadID: new("12"), InterruptionLevel: new("time-sensitive"),
			RelevanceScore: raw("1e-1"), TargetContentID: new("13"), FilterCriteria: new("14"), StaleDate: new(int64(15)),
			ContentState: raw(`{"a":"é","b":1}`), Timestamp: new(int64(16)), Event: new("update"), DismissalDate: new(int64(17)),
			AttributesType: new("18"), Attributes: raw("{}"), Extra: rawMap("k", "[1]"), MaxPayloadLength: new(19),
			Topic: new("com.example.app"), PushType: new("alert"), Priority: new(10), CollapseID: new("20"), Expiration: new(int64(0)),
			BatchSize: new(21), ErrorTimeout: new(2.5), Retries: new(22),
		},
	}
	if diff := cmp.Diff(want, apns, cmpJob); diff != "" {
		t.Error(diff)
	}
	gcm := mustDecode(t, GCM, `{"ids":"x","message":{"a":1},"notification":{"title":"t"},"collapse_key":"1","delay_while_idle":false,"time_to_live":0,
		"low_priority":true,"restricted_package_name":"2","dry_run":true,"fid":true,"android":{"ttl":"3s"},"apns":{},"webpush":{"b":2,"a":1},"fcm_options":{"analytics_label":"x"}}`)
	want = &Job{
		Platform: GCM, App: DefaultApp, IDs: []Token{NewToken("x")}, OnUncertain: OnUncertainResend,
		Message: Message{Kind: MessageData, Object: rawMap("a", "1")},
		GCM: &GCMOptions{
			Notification: rawMap("title", `"t"`), CollapseKey: new("1"), DelayWhileIdle: new(false), TimeToLive: new(int64(0)),
			LowPriority: new(true), RestrictedPackageName: new("2"), DryRun: new(true), FID: new(true),
			Android: raw(`{"ttl":"3s"}`), APNS: raw("{}"), Webpush: raw(`{"a":1,"b":2}`), FCMOptions: raw(`{"analytics_label":"x"}`),
		},
	}
	if diff := cmp.Diff(want, gcm, cmpJob); diff != "" {
		t.Error(diff)
	}
}

// A payload is the publisher's own bytes: neither order nor spaces nor escapes change, in a segment neither.
func TestRawPayloadIsKeptAsItIs(t *testing.T) {
	const payload = "{ \"z\": 1.0,\n\"aps\":{\"alert\":\"caf\\u00e9\"} }"
	for _, p := range Platforms() {
		job := mustDecode(t, p, `{"ids":"ab","payload":`+payload+`}`)
		again := mustDecode(t, p, string(job.encode()))
		for _, j := range []*Job{job, again} {
			got := j.GCM
			if p == APNS {
				got = &GCMOptions{Payload: j.APNS.Payload}
			}
			if string(got.Payload) != payload {
				t.Errorf("%s payload became %s", p, got.Payload)
			}
		}
	}
}

func TestCanonicalValues(t *testing.T) {
	for in, want := range map[string]string{
		`{"b":1,"a":{"d":null,"c":[true, false,"\u00e9\ud83d\ude00"]}}`: `{"a":{"c":[true,false,"é😀"],"d":null},"b":1}`,
		`{"n":[1.50,1E+2,-0,12345678901234567890]}`:                     `{"n":[1.50,1E+2,-0,12345678901234567890]}`,
		`{"s":"<&>\/\u2028\u007f"}`:                                     "{\"s\":\"<&>/\u2028\u007f\"}",
		`{"s":"\"\\\b\f\n\r\t\u0001"}`:                                  `{"s":"\"\\\b\f\n\r\t\u0001"}`,
	} {
		job := mustDecode(t, APNS, `{"ids":"ab","extra":{"x":`+in+`}}`)
		if got := string(job.APNS.Extra["x"]); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

// Whatever is wrong, and wherever a token or a text stands, no fault shows it.
func TestFaultsNeverQuoteTokensOrTexts(t *testing.T) {
	const secret = "5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e7"
	for _, p := range Platforms() {
		table := apnsFields
		if p == GCM {
			table = gcmFields
		}
		for _, name := range append([]string{"bagde"}, table.names...) {
			for _, v := range []string{
				`"` + secret + `"`, `["` + secret + `",1]`, `{"` + secret + `":1}`, `{"body":"` + secret + `","badge":"` + secret + `"}`,
				`{"x":"` + secret + `","x":"` + secret + `"}`, `"` + secret, `"` + secret + `\ud800"`, `"` + secret + "\xff\"", `123` + `"` + secret + `"`,
			} {
				for _, ids := range []string{`"ids":["` + secret + `",7],`, ``} {
					_, err := Decode(p, []byte(`{`+ids+`"`+name+`":`+v+`}`))
					if err != nil && strings.Contains(err.Error(), secret[:12]) {
						t.Errorf("%s %s: %v", p, name, err)
					}
				}
			}
		}
		if _, err := Decode(p, []byte(`{"`+secret+`":1}`)); strings.Contains(err.Error(), secret[:12]) {
			t.Errorf("%v", err)
		}
	}
}

func TestFaultsAreCapped(t *testing.T) {
	for _, n := range []int{MaxFaults, MaxFaults + 1, 10_000} {
		var b strings.Builder
		b.WriteString(`{"ids":"ab"`)
		for i := range n {
			fmt.Fprintf(&b, `,"zz%d":1`, i)
		}
		b.WriteString("}")
		faults := decodeFaults(t, APNS, b.String())
		want := min(n, MaxFaults+1)
		if len(faults) != want {
			t.Fatalf("%d unknown fields gave %d faults, want %d", n, len(faults), want)
		}
		if n > MaxFaults && faults[MaxFaults].Problem != fmt.Sprintf("%d more faults are not listed", n-MaxFaults) {
			t.Errorf("last fault %q", faults[MaxFaults])
		}
	}
}

func TestDecodeNeitherKeepsNorChangesTheBody(t *testing.T) {
	body := []byte(`{"ids":["ab"],"message":{"body":"text"},"extra":{"k":"v"}}`)
	job := mustDecode(t, APNS, string(body))
	same, err := Decode(APNS, body)
	if err != nil {
		t.Fatal(err)
	}
	clear(body)
	if diff := cmp.Diff(job, same, cmpJob); diff != "" {
		t.Error(diff)
	}
}

func TestUnknownPlatform(t *testing.T) {
	if faults := decodeFaults(t, "wns", `{}`); faults[0].Problem != `"wns" is not a platform` {
		t.Error(faults)
	}
}

func TestExamples(t *testing.T) {
	files, err := os.ReadDir("../examples")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".json") {
			continue
		}
		seen++
		body, err := os.ReadFile("../examples/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if f.Name() == "typo.json" {
			want := Faults{{"bagde", `unknown field; did you mean "badge"?`}}
			if diff := cmp.Diff(want, decodeFaults(t, APNS, string(body))); diff != "" {
				t.Errorf("%s: %s", f.Name(), diff)
			}
			continue
		}
		platform, _, _ := strings.Cut(f.Name(), "-")
		job := mustDecode(t, Platform(platform), string(body))
		for _, id := range job.IDs {
			if err := ValidateRecipient(job.Platform, id); err != nil {
				t.Errorf("%s: %v", f.Name(), err)
			}
		}
	}
	if seen != 8 {
		t.Errorf("%d examples, want 8", seen)
	}
}
