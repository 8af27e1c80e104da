package dash

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// furnish puts something of everything on the stage.
func furnish(st *stage) {
	st.store.add(
		segmentEvent("promo-1", "spring", 0, 2, 990, strings.Repeat("ab", 32)), segmentEvent("promo-2", "spring", 0, 1, 10), segmentEvent("alone", "", 0, 1, 1),
	)
	dead := segmentEvent("broken", "", 0, 1, 0)
	dead.Kind, dead.Recipients, dead.Skipped = results.KindDead, 1, []results.Skipped{{Indexes: jobs.Indexes{0}, Why: results.SkippedDead}}
	dead.Dead = &results.Dead{Reason: "invalid", Faults: []jobs.Fault{{Field: "badge", Problem: "must be a whole number"}}}
	news := &results.Event{V: 1, Kind: results.KindProvider, Platform: jobs.GCM, App: "default", State: "opened", Detail: "the provider can't take notifications", At: noon, Worker: "w-2"}
	news.SetID()
	st.store.add(dead, news)
	st.store.letters = []Letter{{
		Sequence: 12, Stored: noon.Add(-time.Hour), Platform: jobs.APNS, App: "default", Reason: "invalid", Event: dead.ID, Job: "broken", Recipients: 1, Size: 80,
		Faults: dead.Dead.Faults, Header: map[string][]string{"Volley-Reason": {"invalid"}}, Body: []byte(`{"ids":["` + strings.Repeat("cd", 32) + `"],"badge":"one"}`),
	}}
	st.store.load = Backlog{At: noon, Letters: 1, Queues: []Queue{{Platform: jobs.APNS, Lane: jobs.LaneNormal, Waiting: 4021, InFlight: 12, Age: 3 * time.Second}, {Platform: jobs.GCM, App: "theirs", Lane: jobs.LaneBulk, Waiting: 7, Age: time.Hour}}}
	st.store.waits = Waiting{Partial: true, Jobs: []WaitingJob{
		{JobKey: JobKey{jobs.APNS, "default", "promo-1"}, Campaign: "spring", State: "paused", Recipients: 991, Published: noon.Add(-time.Hour)}, // its events tell of it too
		{JobKey: JobKey{jobs.APNS, "shop", "promo-3"}, Campaign: "spring", State: "queued", Recipients: 2500, Published: noon.Add(-time.Hour)},
		{JobKey: JobKey{jobs.GCM, "shop", "fall-1"}, Campaign: "autumn", State: "scheduled", Recipients: 3, Published: noon.Add(-time.Hour), DeliverAt: noon.Add(2 * time.Hour)},
		{JobKey: JobKey{jobs.GCM, "shop", "lonely"}, State: "paused", Recipients: 1234, Published: noon.Add(-10 * time.Minute)},
	}}
	st.store.orders = []Order{{Kind: "pause", Scope: Scope{Campaign: "spring"}, At: noon.Add(-time.Minute)}}
	st.Fleet.Note(&State{V: 1, Worker: "w-1", Version: "devel", Started: noon.Add(-time.Hour), Apps: []AppState{
		{Platform: jobs.APNS, App: "default", Protocol: "http2", Environment: "production", Credential: "key ABC", Connections: 2, MaxConnections: 4},
		{Platform: jobs.GCM, App: "default", Protocol: "v1", Open: true, Cause: "QUOTA_EXCEEDED", Until: noon.Add(3 * time.Second), Expires: noon.Add(5 * 24 * time.Hour)},
	}})
	st.events.look()
	until(st.t, "the events are read", func() bool { _, n, _ := st.events.look().Since(); return n == 5 })
}

func TestPages(t *testing.T) {
	st := newStage(t, nil)
	furnish(st)
	id := segmentEvent("promo-1", "", 0, 1, 1).ID
	for target, want := range map[string][]string{
		"/":                                    {"Something needs you", "App default can&#39;t send to Google", "QUOTA_EXCEEDED", "4,021", "<b>theirs</b>", "w-1", "<svg", "in 3 s"},
		"/apps":                                {"key ABC", "can send", "waits", "expires <time", "http2, production"},
		"/campaigns":                           {"spring", "1,000", "paused", "alone", "Resume", "autumn", "1+ for later", "1+ queued", "lonely", "of 3<", "More jobs wait"},
		"/campaign?name=spring":                {"BadDeviceToken", "promo-1", "promo-2", "Resume", "Cancel…", "with campaign spring"},
		"/campaign?name=none":                  {"No event of this campaign"},
		"/campaign?name=autumn":                {"fall-1", "for later", "in 2 h", "1+ for later", "with 3 recipients", "gcm/shop", "Cancel…"},
		"/job?platform=gcm&app=shop&id=lonely": {"1,234", "paused", "It has no event yet; it was published", "10 min ago", "Cancel…"},
		"/search?q=lone":                       {"lonely"},
		"/search?q=autum":                      {"/campaign?name=autumn"},
		"/job?platform=apns&app=default&id=promo-1": {"promo-1", "990", "BadDeviceToken", "/campaign?name=spring"},
		"/events":                               {"promo-1", "broken", "provider", "opened"},
		"/events?kind=dead":                     {"broken"},
		"/event?id=" + id:                       {"BadDeviceToken", jobs.NewToken(strings.Repeat("ab", 32)).Fingerprint(), "check_environment"},
		"/dead":                                 {"12", "invalid", "badge", "Requeue"},
		"/letter?n=12":                          {"badge", jobs.NewToken(strings.Repeat("cd", 32)).Fingerprint(), "Volley-Reason", "tokens=yes"},
		"/search?q=promo":                       {"promo-1", "promo-2"},
		"/search?q=spring":                      {"/campaign?name=spring"},
		"/search":                               {"its fingerprint"},
		"/search?q=nonsense":                    {"Nothing was found"},
		"/search?q=" + strings.Repeat("ab", 32): {id, "Events that name"},
	} {
		status, body := st.get(target)
		if status != http.StatusOK {
			t.Errorf("%s: %d\n%s", target, status, body)
		}
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s does not say %q", target, w)
			}
		}
	}
	if _, body := st.get("/events?kind=dead"); strings.Contains(body, "promo-1") {
		t.Error("the filter lets an event of another kind through")
	}
	_, body := st.get("/letter?n=12&tokens=yes")
	if !strings.Contains(body, strings.Repeat("cd", 32)) {
		t.Error("a body that was asked for in full is not")
	}
	_, body = st.get("/event?id=" + id + "&show=0")
	if !strings.Contains(body, strings.Repeat("ab", 32)) {
		t.Error("a token that was asked for is not shown")
	}
}

// A job whose id is what was searched for comes before all that only contain it.
func TestSearchHasTheExactOneFirst(t *testing.T) {
	st := newStage(t, nil)
	for i := range 2 * shownLoose {
		e := segmentEvent(fmt.Sprintf("promo-%d", 20+i), "", 0, 1, 1)
		e.At = noon.Add(time.Duration(i) * time.Second)
		st.store.add(e)
	}
	st.store.add(segmentEvent("promo-2", "", 0, 1, 1))
	st.events.look()
	until(t, "the events are read", func() bool { _, n, _ := st.events.look().Since(); return n == 2*shownLoose+1 })
	_, body := st.get("/search?q=promo-2")
	if exact, other := strings.Index(body, "<b>promo-2</b>"), strings.Index(body, "<b>promo-2"); exact < 0 || exact != other {
		t.Errorf("it stands at %d, the first at %d", exact, other)
	}
}

// The end of a job is of no segment.
func TestTheEndOfAJobIsOfNoSegment(t *testing.T) {
	st := newStage(t, nil)
	end := &results.Event{
		V: results.Version, Kind: results.KindJobDone, Platform: jobs.APNS, App: "default", Job: "promo-1", Segments: 7, Totals: &results.Totals{Recipients: 2, Sent: 2}, At: noon, Worker: "w-1",
	}
	end.SetID()
	st.store.add(end)
	st.events.look()
	until(t, "the event is read", func() bool { _, n, _ := st.events.look().Since(); return n == 1 })
	if _, body := st.get("/events"); !strings.Contains(body, "all 7") || strings.Contains(body, "1<span class=\"dim\"> of 7") {
		t.Error("the list says that it is of a segment")
	}
	if _, body := st.get("/event?id=" + end.ID); !strings.Contains(body, "job_done") || strings.Contains(body, "1 of 7") {
		t.Error("its page says that it is of a segment")
	}
}

func TestTokensAreFingerprints(t *testing.T) {
	st := newStage(t, nil)
	furnish(st)
	for _, target := range []string{"/", "/events", "/event?id=apns.default.promo-1.0.0", "/letter?n=12", "/dead", "/campaign?name=spring", "/job?platform=apns&app=default&id=promo-1"} {
		_, body := st.get(target)
		for _, token := range []string{strings.Repeat("ab", 32), strings.Repeat("cd", 32)} {
			if strings.Contains(body, token) {
				t.Errorf("%s shows a device token that nobody asked for", target)
			}
		}
	}
}

func TestEmptyPagesTellHowToBegin(t *testing.T) {
	st := newStage(t, nil)
	for target, want := range map[string]string{
		"/": "No worker has been heard", "/apps": "apps.NAME.apns", "/campaigns": "enqueue apns --campaign", "/events": "enqueue apns", "/dead": "There are no dead letters",
	} {
		if status, body := st.get(target); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d, without %q", target, status, want)
		}
	}
}

func TestHostileNamesAreText(t *testing.T) {
	st := newStage(t, nil)
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`
	e := segmentEvent("plain", evil, 0, 1, 1)
	e.Failures = []results.Failure{{Index: 1, Token: evil, Reason: evil, Error: evil, Description: evil, Action: "none"}}
	e.Worker = evil
	news := &results.Event{V: 1, Kind: results.KindProvider, Platform: jobs.GCM, App: "default", State: "opened", Detail: evil, At: noon, Worker: evil}
	news.SetID()
	st.store.add(e, news)
	st.store.letters = []Letter{{
		Sequence: 1, Platform: jobs.APNS, App: "_", Job: evil, Reason: evil, Campaign: evil, Subject: evil, Event: evil, Faults: []jobs.Fault{{Field: evil, Problem: evil}},
		Header: map[string][]string{evil: {evil}}, Body: []byte(`{"a":"` + `<script>alert(1)</script>"}`),
	}}
	st.store.waits = Waiting{Jobs: []WaitingJob{{JobKey: JobKey{jobs.APNS, evil, evil}, Campaign: evil + "2", State: evil, Recipients: 1}}}
	st.store.orders = []Order{{Kind: "pause", Scope: Scope{Campaign: evil}}}
	st.Fleet.Note(&State{V: 1, Worker: evil, Version: evil, Trouble: evil, Apps: []AppState{{Platform: jobs.APNS, App: evil, Credential: evil, Endpoint: evil, Open: true, Cause: evil, Protocol: evil}}})
	until(t, "the events are read", func() bool { _, n, _ := st.events.look().Since(); return n == 2 })
	q := url.QueryEscape(evil)
	for _, target := range []string{
		"/", "/apps", "/campaigns", "/campaign?name=" + q, "/events", "/events?q=" + q + "&app=" + q, "/event?id=" + e.ID, "/event?id=" + e.ID + "&show=1", "/job?platform=apns&app=default&id=plain",
		"/dead", "/dead?job=" + q, "/letter?n=1", "/letter?n=1&tokens=yes", "/search?q=" + q, "/no-such?x=" + q, "/job?id=" + q, "/login?back=" + q,
	} {
		_, body := st.get(target)
		if strings.Contains(body, "<script>alert") || strings.Contains(body, "<img src=x") {
			t.Errorf("%s runs what a name says", target)
		}
	}
	_, body := text(st.ask(http.MethodPost, "/act", url.Values{"do": {"cancel"}, "campaign": {evil}, "back": {evil}}, nil))
	if strings.Contains(body, "<script>alert") {
		t.Error("the question runs what a name says")
	}
}

func TestWhatIsNotThere(t *testing.T) {
	st := newStage(t, nil)
	for target, want := range map[string]int{
		"/nothing": 404, "/static/nothing": 404, "/static/../server.go": 404, "/event?id=x": 404, "/event?id=apns.default.j.0.0": 404, "/letter?n=1": 404, "/letter?n=x": 404,
		"/job": 404, "/job?platform=apns&app=default&id=none": 404, "/campaign": 404, "/live?view=/nothing": 404, "/dead?app=a.b": 404, "/dead?platform=x": 404,
		"/campaign?name=" + strings.Repeat("x", 300): 404, "/search?q=" + strings.Repeat("x", 100_000): 200,
	} {
		resp := st.ask(http.MethodGet, target, nil, nil)
		if status, _ := text(resp); status != want && !(status/100 == 3 && want == 404) {
			t.Errorf("%.40s: %d, want %d", target, status, want)
		}
	}
	if status, _ := text(st.ask(http.MethodDelete, "/", nil, nil)); status != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d", status)
	}
}

func TestHeadHasNoBody(t *testing.T) {
	st := newStage(t, nil)
	resp := st.ask(http.MethodHead, "/", nil, nil)
	if status, body := text(resp); status != http.StatusOK || body != "" || resp.Header.Get("Content-Length") == "0" || resp.Header.Get("Content-Length") == "" {
		t.Errorf("HEAD: %d, %d bytes, Content-Length %q", status, len(body), resp.Header.Get("Content-Length"))
	}
}

func TestASilentBroker(t *testing.T) {
	st := newStage(t, nil)
	st.store.silent = true
	for target, want := range map[string]int{
		"/": 200, "/apps": 200, "/campaigns": 200, "/events": 200, "/search?q=x": 200, "/dead": 503, "/event?id=apns.default.j.0.0": 503, "/job?platform=apns&app=default&id=j": 503,
	} {
		if status, body := st.get(target); status != want || status == 503 && !strings.Contains(body, "broker does not answer") {
			t.Errorf("%s: %d, want %d", target, status, want)
		}
	}
	if _, body := st.get("/"); !strings.Contains(body, "The broker does not answer") {
		t.Error("the front page does not say that the broker is silent")
	}
}
