package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// fate is what becomes of a recipient, by the beginning of its token.
type fate struct {
	prefix, answer string
	// every is how rare it is: one recipient in so many.
	every int
	// want is the error and reason of the event, or "canonical"; "" for an acceptance and nothing more.
	want string
}

// fates are, for each protocol, the answers that a campaign meets: for good, and once before it goes well.
func fates() map[string][]fate {
	return map[string][]fate{
		"apns.default": {
			{"bb", `{"reason":"Unregistered"}`, 40, "expired APNSInvalidTokenError Unregistered"},
			{"bc", `{"reason":"BadDeviceToken"}`, 50, "APNSInvalidTokenError BadDeviceToken"},
			{"bd", `{"reason":"ServiceUnavailable","retry_after":"1"}`, 60, ""},
		},
		"gcm.default": {
			{"v1-gone-", `{"reason":"UNREGISTERED"}`, 40, "expired GCMUnregisteredDeviceError UNREGISTERED"},
			{"v1-bad-", `{"reason":"INVALID_ARGUMENT"}`, 50, "GCMInvalidRegistrationError INVALID_ARGUMENT_TOKEN"},
			{"v1-ios-", `{"reason":"THIRD_PARTY_AUTH_ERROR"}`, 60, "GCMServerError THIRD_PARTY_AUTH_ERROR"},
			{"v1-foreign-", `{"reason":"SENDER_ID_MISMATCH"}`, 70, "GCMMismatchedSenderError SENDER_ID_MISMATCH"},
			{"v1-busy-", `{"reason":"UNAVAILABLE","retry_after":"1"}`, 80, ""},
			{"v1-page-", `{"reason":"BAD_GATEWAY"}`, 90, ""},
		},
		"gcm.legacy": {
			{"old-gone-", `{"status":200,"reason":"NotRegistered"}`, 40, "expired GCMUnregisteredDeviceError NotRegistered"},
			{"old-bad-", `{"status":200,"reason":"InvalidRegistration"}`, 50, "GCMInvalidRegistrationError InvalidRegistration"},
			{"old-odd-", `{"status":200,"reason":"BrandNew"}`, 60, "GCMServerError BrandNew"},
			{"old-new-", `{"canonical_id":"newer"}`, 70, "canonical"},
			{"old-busy-", `{"status":200,"reason":"Unavailable","retry_after":"1"}`, 80, ""},
		},
	}
}

// recipients makes n tokens of a protocol with their fates mixed in, and says what is to become of each.
func recipientsOf(key, good string, n int) (ids []string, want map[int]string) {
	want = map[int]string{}
	for i := range n {
		prefix := good
		for _, f := range fates()[key] {
			if i%f.every == f.every-1 {
				if prefix = f.prefix; f.want != "" {
					want[i] = f.want
				}
				break
			}
		}
		id := fmt.Sprintf("%s%06d", prefix, i)
		if strings.HasPrefix(key, "apns") {
			id = fmt.Sprintf("%s%062x", prefix, i)
		}
		ids = append(ids, id)
	}
	return ids, want
}

// One campaign through APNs, FCM v1 and GCM's legacy protocol, with every kind of answer in it: each recipient ends where its answer puts it, in the
// same shape whatever the protocol, and what the events say is what the providers have seen.
func TestMixedCampaignBalances(t *testing.T) {
	var rules []string
	for key, list := range fates() {
		for _, f := range list {
			times := 0
			if f.want == "" {
				times = 1
			}
			platform, _, _ := strings.Cut(key, ".")
			rules = append(rules, fmt.Sprintf(`{"platform":%q,"prefix":%q,"times":%d,"answer":%s}`, platform, f.prefix, times, f.answer))
		}
	}
	s := openTheatre(t, startProvidersWith(t, `{"rules":[`+strings.Join(rules, ",")+`]}`), startServer(t).url())
	want := map[recipient]string{}
	for _, c := range []struct {
		app, good string
		platform  jobs.Platform
		n         int
	}{{"default", "aa", jobs.APNS, 2500}, {"default", "v1-", jobs.GCM, 2500}, {"legacy", "old-", jobs.GCM, 2001}, {"legacy", "small-", jobs.GCM, 2}} {
		o := &order{platform: c.platform, app: c.app, lane: jobs.LaneNormal, id: fmt.Sprintf("campaign-%s%d", strings.Trim(c.good, "-"), c.n)}
		var fates map[int]string
		o.ids, fates = recipientsOf(string(c.platform)+"."+c.app, c.good, c.n)
		for i, f := range fates {
			want[recipient{o.key(), i}] = f
		}
		body, err := json.Marshal(map[string]any{"id": o.id, "app": o.app, "campaign": "mixed", "message": "hi", "ids": o.ids})
		if err != nil {
			t.Fatal(err)
		}
		o.body = string(body)
		s.orders = append(s.orders, o)
	}
	workers := []*process{s.worker("one"), s.worker("two")}
	if err := s.publish(s.orders...); err != nil {
		t.Fatal(err)
	}
	s.settle()
	for _, w := range workers {
		s.end(w)
	}
	b := s.balance()
	if len(b.faults) > 0 || b.missing+b.unplaced+len(b.twice)+len(b.uncertain) > 0 || b.recipients != 7003 {
		t.Errorf("%d recipients, %d missing, %d unplaced, %d twice, %d uncertain: %q", b.recipients, b.missing, b.unplaced, len(b.twice), len(b.uncertain), b.faults)
	}
	got := map[recipient]string{}
	alarms := map[string]int{}
	for _, e := range s.events {
		if e.Kind == results.KindCredential {
			alarms[fmt.Sprint(e.Platform, ".", e.App, " ", e.State)]++
		}
		if e.Kind == results.KindSegment && e.Campaign != "mixed" {
			t.Errorf("%s is of campaign %q", e.ID, e.Campaign)
		}
		maps.Copy(got, placesOf(e))
	}
	// One, of both workers; two if a slot of ten minutes ends meanwhile.
	if n := alarms["gcm.default push_key_rejected"]; n < 1 || n > 2 || len(alarms) != 1 {
		t.Errorf("alarms %v", alarms)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(recipient{})); diff != "" {
		t.Error(diff)
	}
}

// placesOf are the recipients of which an event says more than that they were accepted, or go on.
func placesOf(e *results.Event) map[recipient]string {
	places := map[recipient]string{}
	key := string(e.Platform) + "." + e.App + "." + e.Job
	for _, f := range e.Failures {
		places[recipient{key, f.Index}] = f.Error + " " + f.Reason
	}
	for _, f := range e.ExpiredTokens {
		places[recipient{key, f.Index}] = "expired " + f.Error + " " + f.Reason
		if f.Action != results.ActionDeleteToken {
			places[recipient{key, f.Index}] += " with the action " + string(f.Action)
		}
	}
	for _, c := range e.CanonicalIDs {
		places[recipient{key, c.Index}] = "canonical"
		if c.NewID != "newer" || !strings.HasPrefix(c.OldID, "old-new-") {
			places[recipient{key, c.Index}] += " " + c.OldID + " " + c.NewID
		}
	}
	return places
}
