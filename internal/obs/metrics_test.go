package obs

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/results"
)

// everything is sources that have something to say of everything.
func everything() Sources {
	return Sources{
		Apps: func() []AppState {
			return []AppState{{Platform: "apns", App: "shop", BreakerOpen: true, Connections: 2, UnderWay: 7, CredentialExpires: time.Unix(1795430000, 0), ClockSkew: -90 * time.Second, Backlog: 600, BacklogLimit: 1024}}
		},
		Worker: func() WorkerState {
			return WorkerState{Connected: true, Draining: true, Reconnects: 3, ClockOffset: time.Second, Slots: []SlotState{{"segments", 1, 4}}}
		},
		Queue: func() (QueueState, bool) {
			return QueueState{
				Durables: []DurableState{{"PUSH_WORK", "apns", "shop", "bulk", 12, 2, time.Minute}},
				Streams:  []StreamState{{"PUSH_DEAD", 5, 4096, 1 << 20}, {"PUSH_WORK", 14, 9000, 0}},
			}, true
		},
	}
}

// scraped is what a scrape of the metrics says, without the lines of the Go runtime and the process, and without help and type.
func scraped(t *testing.T, m *Metrics) string {
	t.Helper()
	var kept []string
	for line := range strings.Lines(serve(t, m)) {
		if strings.HasPrefix(line, "volley_") && !strings.HasPrefix(line, "volley_build_info") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func serve(t *testing.T, m *Metrics) string {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	text, err := io.ReadAll(answer.Result().Body)
	if err != nil || answer.Code != http.StatusOK {
		t.Fatalf("%d %v", answer.Code, err)
	}
	return string(text)
}

// wants says which of the lines are missing.
func wants(t *testing.T, got string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+got, "\n"+line+"\n") {
			t.Errorf("%s is not in\n%s", line, got)
		}
	}
}

func no(string) bool { return false }

func TestEventsAreCounted(t *testing.T) {
	m := NewMetrics(Sources{}, zerolog.Nop())
	m.Event(&results.Event{
		Kind: results.KindSegment, Platform: "gcm", App: "shop", Recipients: 14, Sent: 3,
		Failures: []results.Failure{
			{Reason: "BadDeviceToken", Action: results.ActionDeleteToken},
			{Reason: "BadDeviceToken", Action: results.ActionDeleteToken},
			{Reason: "PayloadTooLarge", Action: results.ActionFixPayload},
		},
		ExpiredTokens: []results.ExpiredToken{{Failure: results.Failure{Reason: "Unregistered", Action: results.ActionDeleteToken}}},
		Uncertain:     make([]results.Uncertain, 2),
		Skipped:       []results.Skipped{{Indexes: []int{7, 8}, Why: results.SkippedExpired}},
		Retry: &results.Retry{Indexes: []int{9, 10, 11}, Groups: []results.RetryGroup{
			{Indexes: []int{9, 10}, Reason: "AnswerLost"}, {Indexes: []int{11}, Reason: "InternalServerError"},
		}},
	}, true, func(reason string) bool { return reason == "AnswerLost" })
	m.Event(&results.Event{Kind: results.KindSegment, Platform: "gcm", App: "shop", Sent: 1, Done: true}, true, no)
	m.Event(&results.Event{Kind: results.KindJobDone, Platform: "gcm", App: "shop", Recipients: 15, Sent: 0, Totals: &results.Totals{Sent: 15}, Done: true}, true, no)
	wants(t, scraped(t, m),
		`volley_push_total{action="none",app="shop",outcome="sent",platform="gcm"} 4`,
		`volley_push_total{action="delete_token",app="shop",outcome="failed",platform="gcm"} 2`,
		`volley_push_total{action="fix_payload",app="shop",outcome="failed",platform="gcm"} 1`,
		`volley_push_total{action="delete_token",app="shop",outcome="expired",platform="gcm"} 1`,
		`volley_push_total{action="none",app="shop",outcome="uncertain",platform="gcm"} 2`,
		`volley_push_total{action="none",app="shop",outcome="skipped",platform="gcm"} 2`,
		`volley_push_total{action="retry",app="shop",outcome="retry",platform="gcm"} 3`,
		`volley_resent_total{app="shop",platform="gcm"} 2`,
		`volley_failures_total{app="shop",platform="gcm",reason="BadDeviceToken"} 2`,
		`volley_failures_total{app="shop",platform="gcm",reason="Unregistered"} 1`,
		`volley_events_total{app="shop",kind="segment",platform="gcm"} 2`,
		`volley_events_total{app="shop",kind="job_done",platform="gcm"} 1`,
		`volley_jobs_done_total{app="shop",platform="gcm"} 2`,
	)
}

// Anybody may write a job for any app: its name must not become a label, or memory would grow with their fantasy.
func TestUnknownAppsShareOneLabel(t *testing.T) {
	m := NewMetrics(Sources{}, zerolog.Nop())
	for i := range 1000 {
		m.Event(&results.Event{Kind: results.KindDead, Platform: "apns", App: fmt.Sprintf("invented-%d", i), Dead: &results.Dead{Reason: results.DeadUnknownApp}}, false, no)
	}
	got := scraped(t, m)
	wants(t, got, `volley_dead_letters_total{app="_",platform="apns",reason="unknown_app"} 1000`)
	if strings.Contains(got, "invented") {
		t.Error("the name of an unknown app is a label")
	}
}

// A provider's words come from the network.
func TestReasonsAreBounded(t *testing.T) {
	m := NewMetrics(Sources{}, zerolog.Nop())
	event := func(reason string) *results.Event {
		return &results.Event{Kind: results.KindSegment, Platform: "apns", App: "shop", Failures: []results.Failure{{Reason: reason, Action: results.ActionNone}}}
	}
	for i := range 2 * maxReasons {
		m.Event(event(fmt.Sprintf("Word%d", i)), true, no)
	}
	m.Event(event("Word0"), true, no)
	if n := testutil.CollectAndCount(m.failures); n != maxReasons+1 {
		t.Errorf("%d series, want %d and one for the rest", n, maxReasons)
	}
	wants(t, scraped(t, m),
		fmt.Sprintf(`volley_failures_total{app="shop",platform="apns",reason="other"} %d`, maxReasons),
		`volley_failures_total{app="shop",platform="apns",reason="Word0"} 2`,
	)
}

func TestSendingsAreTimed(t *testing.T) {
	m := NewMetrics(Sources{}, zerolog.Nop())
	m.Sent("apns", "shop", 1, 30*time.Millisecond, false)
	m.Sent("apns", "shop", 1000, 2*time.Second, true)
	m.Waited("apns", "shop", 90*time.Second)
	wants(t, scraped(t, m),
		`volley_sending_seconds_bucket{app="shop",platform="apns",recipients="one",le="0.02"} 0`,
		`volley_sending_seconds_bucket{app="shop",platform="apns",recipients="one",le="0.04"} 1`,
		`volley_sending_seconds_sum{app="shop",platform="apns",recipients="many"} 2`,
		`volley_publish_to_provider_seconds_bucket{app="shop",platform="apns",le="60"} 0`,
		`volley_publish_to_provider_seconds_bucket{app="shop",platform="apns",le="300"} 1`,
		`volley_suspicious_total{app="shop",platform="apns"} 1000`,
	)
}

func TestTroubleAndNews(t *testing.T) {
	m := NewMetrics(Sources{}, zerolog.Nop())
	wants(t, scraped(t, m), `volley_trouble_total{then="left"} 0`)
	m.Trouble(true)
	m.Trouble(false)
	m.Trouble(false)
	m.News(&results.Event{Kind: results.KindCredential, Platform: "apns", App: "shop", State: "rejected"})
	wants(t, scraped(t, m), `volley_trouble_total{then="repeated"} 1`, `volley_trouble_total{then="left"} 2`,
		`volley_news_total{app="shop",kind="credential",platform="apns",state="rejected"} 1`)
}

// A series must be there before its first increase: rate() sees nothing in a series that begins with 1.
func TestKnownAppsHaveTheirSeriesFromTheStart(t *testing.T) {
	m := NewMetrics(Sources{}, zerolog.Nop())
	m.Know("apns", "shop")
	wants(t, scraped(t, m), `volley_push_total{action="none",app="shop",outcome="sent",platform="apns"} 0`, `volley_resent_total{app="shop",platform="apns"} 0`,
		`volley_push_total{action="none",app="shop",outcome="uncertain",platform="apns"} 0`,
		`volley_news_total{app="shop",kind="credential",platform="apns",state="rejected"} 0`,
		`volley_dead_letters_total{app="shop",platform="apns",reason="poison"} 0`,
		`volley_dead_letters_total{app="_",platform="apns",reason="unknown_app"} 0`)
}

func TestScrapeAsksItsSources(t *testing.T) {
	m := NewMetrics(everything(), zerolog.Nop())
	want := `volley_broker_clock_offset_seconds 1
volley_broker_connected 1
volley_broker_reconnects_total 3
volley_backlog_bytes{app="shop",platform="apns"} 600
volley_backlog_limit_bytes{app="shop",platform="apns"} 1024
volley_breaker_open{app="shop",platform="apns"} 1
volley_credential_expiry_timestamp_seconds{app="shop",platform="apns"} 1.79543e+09
volley_draining 1
volley_provider_clock_skew_seconds{app="shop",platform="apns"} -90
volley_provider_connections{app="shop",platform="apns"} 2
volley_provider_requests{app="shop",platform="apns"} 7
volley_queue_in_flight{app="shop",lane="bulk",platform="apns",stream="PUSH_WORK"} 2
volley_queue_oldest_seconds{app="shop",lane="bulk",platform="apns",stream="PUSH_WORK"} 60
volley_queue_pending{app="shop",lane="bulk",platform="apns",stream="PUSH_WORK"} 12
volley_slots{of="segments"} 4
volley_slots_taken{of="segments"} 1
volley_stream_bytes{stream="PUSH_DEAD"} 4096
volley_stream_bytes{stream="PUSH_WORK"} 9000
volley_stream_limit_bytes{stream="PUSH_DEAD"} 1.048576e+06
volley_stream_messages{stream="PUSH_DEAD"} 5
volley_stream_messages{stream="PUSH_WORK"} 14
volley_trouble_total{then="left"} 0
volley_trouble_total{then="repeated"} 0
`
	got := strings.SplitAfter(scraped(t, m), "\n")
	slices.Sort(got)
	wanted := strings.SplitAfter(want, "\n")
	slices.Sort(wanted)
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Error(diff)
	}
}

// Figures of a broker that has not answered for long are left out: they would pass for new ones.
func TestOldFiguresAreNotTold(t *testing.T) {
	from := everything()
	from.Queue = func() (QueueState, bool) { q, _ := everything().Queue(); return q, false }
	if got := scraped(t, NewMetrics(from, zerolog.Nop())); strings.Contains(got, "volley_queue_") || strings.Contains(got, "volley_stream_") {
		t.Error(got)
	}
}

// full has a series of every metric.
func full() *Metrics {
	m := NewMetrics(everything(), zerolog.Nop())
	m.Know("apns", "shop")
	m.Event(&results.Event{
		Kind: results.KindDead, Platform: "apns", App: "shop", Dead: &results.Dead{Reason: results.DeadPoison},
		Failures: []results.Failure{{Reason: "BadTopic", Action: results.ActionFixPayload}},
	}, true, no)
	m.News(&results.Event{Kind: results.KindProvider, Platform: "apns", App: "shop", State: "opened"})
	return m
}

func TestMetricsKeepPrometheusRules(t *testing.T) {
	problems, err := testutil.GatherAndLint(prometheus.Gatherers{full().registry})
	if err != nil {
		t.Fatal(err)
	}
	problems = slices.DeleteFunc(problems, func(p promlint.Problem) bool { return !strings.HasPrefix(p.Metric, namespace) })
	if len(problems) > 0 {
		t.Error(problems)
	}
}

// The table in docs/metrics.md is what the registry has: paste what this test wants there.
func TestEveryMetricIsDocumented(t *testing.T) {
	families, err := full().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), namespace) {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, " "), f.GetHelp())
	}
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), table.String()) {
		t.Errorf("docs/metrics.md does not have this table:\n%s", &table)
	}
}

func BenchmarkEventOfOneRecipient(b *testing.B) {
	m := NewMetrics(Sources{}, zerolog.Nop())
	e := &results.Event{Kind: results.KindSegment, Platform: "apns", App: "shop", Recipients: 1, Sent: 1, Done: true}
	b.ReportAllocs()
	for b.Loop() {
		m.Event(e, true, no)
		m.Sent("apns", "shop", 1, time.Millisecond, false)
		m.Waited("apns", "shop", time.Millisecond)
	}
}
