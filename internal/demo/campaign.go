package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender/simulator"
)

// publication is one message of the campaign and what has to come of it.
type publication struct {
	platform jobs.Platform
	lane     jobs.Lane
	app, id  string
	// shown is the job's id in events; it differs from id where the id can't be read from the body.
	shown string
	body  []byte
	// recipients are the ids in the job; nil for one that is broken as a whole.
	recipients []string
	// dead is the reason of the dead letter that a broken job must become; "" for a good one.
	dead string
}

// part is one kind of job in the campaign.
type part struct {
	platform jobs.Platform
	app      string
	lane     jobs.Lane
	name     string
	jobs     int
	each     int
	fields   map[string]any
}

// campaign is what the demo publishes: at least 20,000 recipients for Apple and 20,000 for Google, in jobs of one recipient,
// of a few hundred, of exactly one segment, of one more than that, and of many segments.
func campaign() ([]publication, error) {
	apns := map[string]any{"message": "Volley demo", "badge": 1, "sound": "default", "expiration": 600}
	background := map[string]any{"message": nil, "content_available": true, "push_type": "background", "priority": 5, "expiration": 600}
	data := map[string]any{"message": map[string]any{"story": "42", "unread": 3}, "time_to_live": 600}
	alert := map[string]any{"message": nil, "notification": map[string]any{"title": "Volley", "body": "demo"}, "time_to_live": 600}
	parts := []part{
		{jobs.APNS, "default", jobs.LaneHigh, "hello", 150, 1, apns},
		{jobs.APNS, "default", jobs.LaneNormal, "group", 20, 240, apns},
		{jobs.APNS, "default", jobs.LaneNormal, "segment", 2, 1000, apns},
		{jobs.APNS, "legacy", jobs.LaneNormal, "onemore", 1, 1001, background},
		{jobs.APNS, "default", jobs.LaneBulk, "blast", 1, 12500, apns},
		{jobs.APNS, "binary", jobs.LaneNormal, "group", 4, 240, apns},
		{jobs.APNS, "binary", jobs.LaneNormal, "onemore", 1, 1001, apns},
		{jobs.GCM, "default", jobs.LaneHigh, "hello", 150, 1, data},
		{jobs.GCM, "default", jobs.LaneNormal, "group", 12, 300, alert},
		{jobs.GCM, "default", jobs.LaneBulk, "blast", 1, 5000, data},
		{jobs.GCM, "legacy", jobs.LaneNormal, "segment", 2, 1000, data},
		{jobs.GCM, "legacy", jobs.LaneNormal, "onemore", 1, 1001, alert},
		{jobs.GCM, "legacy", jobs.LaneBulk, "blast", 1, 9000, data},
	}
	var all []publication
	for _, p := range parts {
		for n := range p.jobs {
			published, err := p.publication(n)
			if err != nil {
				return nil, err
			}
			all = append(all, published)
		}
	}
	for _, p := range broken() {
		if p.app == "_" {
			p.shown, _ = jobs.ResolveID("", string(p.platform)+"."+p.app+"."+p.id, 0, time.Time{})
		}
		all = append(all, p)
	}
	for i := range all {
		if all[i].shown == "" {
			all[i].shown = all[i].id
		}
	}
	return all, nil
}

func (p part) publication(n int) (publication, error) {
	id := fmt.Sprintf("%s-%s-%d", p.name, p.app, n)
	ids := make([]string, p.each)
	for i := range ids {
		ids[i] = recipient(p.platform, p.app, id, i)
	}
	if p.each >= 1000 {
		ids[17] = "not a token" // fails alone
		if p.platform == jobs.GCM {
			ids[17] = ""
		}
	}
	job := map[string]any{"id": id, "app": p.app, "campaign": "demo", "ids": ids}
	maps.Copy(job, p.fields)
	body, err := json.Marshal(job)
	if err != nil {
		return publication{}, fmt.Errorf("writing job %s: %w", id, err)
	}
	return publication{platform: p.platform, lane: p.lane, app: p.app, id: id, body: body, recipients: ids}, nil
}

// recipient makes the i-th id of a job: 64 hex digits for Apple, the look of a registration ID for Google.
func recipient(platform jobs.Platform, app, job string, i int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%s/%d", platform, app, job, i))
	if platform == jobs.APNS {
		return hex.EncodeToString(sum[:])
	}
	return app + "-" + hex.EncodeToString(sum[:8]) + ":APA91b" + hex.EncodeToString(sum[8:])
}

// broken are jobs that must become dead letters without touching anything else.
func broken() []publication {
	token := recipient(jobs.APNS, "default", "broken", 0)
	long := make([]byte, 5000)
	for i := range long {
		long[i] = 'x'
	}
	return []publication{
		{platform: jobs.APNS, lane: jobs.LaneNormal, app: "_", id: "broken-json", body: []byte(`{"id":"broken-json","ids":[`), dead: "invalid"},
		{
			platform: jobs.APNS, lane: jobs.LaneNormal, app: "default", id: "broken-typo", dead: "invalid",
			body: fmt.Appendf(nil, `{"id":"broken-typo","mesage":"hi","bagde":1,"ids":[%q]}`, token),
		},
		{
			platform: jobs.APNS, lane: jobs.LaneNormal, app: "nobody", id: "broken-app", dead: "unknown_app",
			body: fmt.Appendf(nil, `{"id":"broken-app","app":"nobody","message":"hi","ids":[%q]}`, token),
		},
		{
			platform: jobs.APNS, lane: jobs.LaneNormal, app: "default", id: "broken-size", dead: "payload",
			body: fmt.Appendf(nil, `{"id":"broken-size","message":%q,"ids":[%q]}`, long, token),
		},
		{platform: jobs.GCM, lane: jobs.LaneNormal, app: "default", id: "broken-empty", dead: "invalid", body: []byte(`{"id":"broken-empty","message":"hi","ids":[]}`)},
	}
}

// script is how the simulated providers treat the campaign: most recipients are accepted; shares of them, chosen by a
// hash of the token, are gone, wrong, replaced, or answered "not now" once.
func script() simulator.Script {
	latency := simulator.Duration(3 * time.Millisecond)
	share := func(platform, prefix, salt string, percent float64, times int, a simulator.Answer) simulator.Rule {
		a.Latency = latency
		return simulator.Rule{Platform: platform, Prefix: prefix, Salt: salt, Percent: percent, Times: times, Answer: a}
	}
	gone := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC).UnixMilli()
	return simulator.Script{Rules: []simulator.Rule{
		share("apns", "", "gone", 0.8, 0, simulator.Answer{Status: 410, Reason: "Unregistered", TimestampMS: gone}),
		share("apns", "", "bad", 0.5, 0, simulator.Answer{Status: 400, Reason: "BadDeviceToken"}),
		share("apns", "", "busy", 0.4, 1, simulator.Answer{Status: 503, Reason: "ServiceUnavailable"}),
		share("apns", "", "error", 0.2, 1, simulator.Answer{Status: 500, Reason: "InternalServerError", RetryAfter: "1"}),
		share("gcm", "legacy-", "gone", 0.8, 0, simulator.Answer{Status: 200, Reason: "NotRegistered"}),
		share("gcm", "legacy-", "bad", 0.4, 0, simulator.Answer{Status: 200, Reason: "InvalidRegistration"}),
		share("gcm", "legacy-", "new", 0.9, 0, simulator.Answer{CanonicalID: "replaced"}),
		share("gcm", "legacy-", "busy", 0.5, 1, simulator.Answer{Status: 200, Reason: "Unavailable"}),
		share("gcm", "default-", "gone", 0.8, 0, simulator.Answer{Status: 404, Reason: "UNREGISTERED"}),
		share("gcm", "default-", "busy", 0.4, 1, simulator.Answer{Status: 503, Reason: "UNAVAILABLE"}),
		{Percent: 100, Answer: simulator.Answer{Latency: latency}},
	}}
}

// slowed makes every answer take its time.
func slowed(s simulator.Script) simulator.Script {
	for i := range s.Rules {
		s.Rules[i].Answer.Latency = simulator.Duration(500 * time.Millisecond)
	}
	return s
}

// outcome is what the events say about one job so far.
type outcome struct {
	events []*results.Event
	done   bool
}
