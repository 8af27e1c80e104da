package obs

import (
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/version"
	"github.com/volleypush/volley/results"
)

// Labels that stand for what must not become one.
const (
	// unknownApp is the label of every app that this worker does not have: jobs name apps, and anybody may write jobs.
	unknownApp = "_"
	// otherReason is the label of a provider's words beyond the first maxReasons: they come from the network.
	otherReason = "other"
	// maxReasons is how many reasons of each platform get a label; the tables of both providers together have fewer.
	maxReasons = 100
)

// The values of the label outcome of volley_push_total: a recipient's place in an event.
const (
	outcomeSent      = "sent"
	outcomeFailed    = "failed"
	outcomeExpired   = "expired"
	outcomeUncertain = "uncertain"
	outcomeSkipped   = "skipped"
	outcomeRetry     = "retry"
)

// Metrics counts what a worker did, in a registry of its own. What is counted costs a few additions for each segment, not for each
// recipient. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	log      zerolog.Logger

	pushes, failures, events, resent, dead, news, trouble, suspicious *prometheus.CounterVec
	jobs                                                              *prometheus.CounterVec
	sending, age                                                      *prometheus.HistogramVec

	mu      sync.RWMutex
	apps    map[appKey]*appSeries
	reasons map[string]map[string]bool // by platform: those that have a label
}

type appKey struct{ platform, app string }

// appSeries are the series of an app that every segment adds to, looked up once.
type appSeries struct {
	sent, segments, jobs     prometheus.Counter
	sendingOne, sendingMany  prometheus.Observer
	age                      prometheus.Observer
	suspicious, resentUnsure prometheus.Counter
}

// NewMetrics makes the metrics of a worker. from is asked at each scrape; log learns of a scrape that failed.
func NewMetrics(from Sources, log zerolog.Logger) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(), log: log, apps: map[appKey]*appSeries{}, reasons: map[string]map[string]bool{},
		pushes: counter("push_total", "Recipients by what an event says of them: sent, failed, expired, uncertain or skipped for good, retry for those who "+
			"go on to another round; action is what the event advises.", "platform", "app", "outcome", "action"),
		failures: counter("failures_total", "Recipients that failed or whose token expired, by the provider's reason; \"other\" for the words after the first hundred.",
			"platform", "app", "reason"),
		events: counter("events_total", "Events that this worker stored.", "platform", "app", "kind"),
		jobs:   counter("jobs_done_total", "Jobs whose last recipient found its place in an event of this worker.", "platform", "app"),
		resent: counter("resent_total", "Recipients that go on to another round although an earlier sending may have reached them (on_uncertain: resend).",
			"platform", "app"),
		suspicious: counter("suspicious_total", "Recipients sent to although another worker may have begun with them: their delivery came again, or is older than the "+
			"connection to the broker. An upper bound of those reached twice by a crash.", "platform", "app"),
		dead: counter("dead_letters_total", "Dead letters.", "platform", "app", "reason"),
		news: counter("news_total", "Credential and provider events that this worker raised, whichever worker stored them.", "platform", "app", "kind", "state"),
		trouble: counter("trouble_total", "Steps that failed at the broker: repeated at once (\"repeated\"), or left to whoever gets the delivery after the ack wait (\"left\").",
			"then"),
		sending: histogram("sending_seconds", "How long a call of the provider took, for one recipient (\"one\": the latency of the provider) or for a segment of several (\"many\").",
			prometheus.ExponentialBuckets(0.005, 2, 14), "platform", "app", "recipients"),
		age: histogram("publish_to_provider_seconds", "How long a job had waited when it was sent to the provider first: since it was published, or since its deliver_at.",
			[]float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400}, "platform", "app"),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "1, with the version of the worker.", ConstLabels: prometheus.Labels{"version": version.String()},
	})
	build.Set(1)
	m.registry.MustRegister(
		m.pushes, m.failures, m.events, m.jobs, m.resent, m.suspicious, m.dead, m.news, m.trouble, m.sending, m.age, build, &scrape{from: from},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	for _, then := range []string{thenRepeated, thenLeft} {
		m.trouble.WithLabelValues(then)
	}
	return m
}

const namespace = "volley"

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

// Handler serves the metrics in the formats that Prometheus asks for. A source that fails costs its own series, not the scrape.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorLog: scrapeLog{m.log}, ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// scrapeLog is a log of faults of scrapes.
type scrapeLog struct{ log zerolog.Logger }

// Println implements promhttp.Logger.
func (l scrapeLog) Println(v ...any) {
	l.log.Warn().Interface("fault", v).Msg("a scrape of the metrics is not complete")
}

// newsStates are the states of credential and provider events.
var newsStates = map[results.Kind][]string{
	results.KindCredential: {"rejected", "reloaded", "unusable", "expiring", "expired", "wrong_environment", "push_key_rejected", "added", "removed"},
	results.KindProvider:   {"opened", "closed"},
}

// Know makes the series of an app that this worker has: the first increase of one that is not there is not seen as an increase.
func (m *Metrics) Know(platform, app string) {
	m.series(platform, app)
	for _, outcome := range []string{outcomeUncertain, outcomeSkipped} {
		m.pushes.WithLabelValues(platform, app, outcome, string(results.ActionNone))
	}
	for kind, states := range newsStates {
		for _, state := range states {
			m.news.WithLabelValues(platform, app, string(kind), state)
		}
	}
	for _, name := range []string{app, unknownApp} {
		for _, reason := range results.DeadReasons() {
			m.dead.WithLabelValues(platform, name, reason)
		}
	}
}

// Event counts a stored event. known says that its app is one of this worker's.
func (m *Metrics) Event(e *results.Event, known bool, unsure func(reason string) bool) {
	platform, app := string(e.Platform), e.App
	if !known {
		app = unknownApp
	}
	s := m.series(platform, app)
	if e.Kind == results.KindSegment {
		s.segments.Inc()
	} else {
		m.events.WithLabelValues(platform, app, string(e.Kind)).Inc()
	}
	if e.Done || e.Kind == results.KindJobDone {
		s.jobs.Inc()
	}
	if e.Kind == results.KindJobDone {
		return // it repeats what its segments' events said
	}
	if e.Sent > 0 {
		s.sent.Add(float64(e.Sent))
	}
	m.failed(platform, app, e)
	add := func(outcome string, n int) {
		if n > 0 {
			m.pushes.WithLabelValues(platform, app, outcome, string(results.ActionNone)).Add(float64(n))
		}
	}
	add(outcomeUncertain, len(e.Uncertain))
	for _, skipped := range e.Skipped {
		add(outcomeSkipped, len(skipped.Indexes))
	}
	if e.Retry != nil {
		m.pushes.WithLabelValues(platform, app, outcomeRetry, string(results.ActionRetry)).Add(float64(len(e.Retry.Indexes)))
		for _, group := range e.Retry.Groups {
			if group.Reason != "" && unsure(group.Reason) {
				s.resentUnsure.Add(float64(len(group.Indexes)))
			}
		}
	}
	if e.Dead != nil {
		m.dead.WithLabelValues(platform, app, e.Dead.Reason).Inc()
	}
}

// failed counts the failures and expired tokens of an event, all of one kind with one addition.
func (m *Metrics) failed(platform, app string, e *results.Event) {
	if len(e.Failures)+len(e.ExpiredTokens) == 0 {
		return
	}
	type place struct {
		outcome string
		action  results.Action
	}
	places, reasons := map[place]int{}, map[string]int{}
	for i := range e.Failures {
		places[place{outcomeFailed, e.Failures[i].Action}]++
		reasons[e.Failures[i].Reason]++
	}
	for i := range e.ExpiredTokens {
		places[place{outcomeExpired, e.ExpiredTokens[i].Action}]++
		reasons[e.ExpiredTokens[i].Reason]++
	}
	for p, n := range places {
		m.pushes.WithLabelValues(platform, app, p.outcome, string(p.action)).Add(float64(n))
	}
	for reason, n := range reasons {
		m.failures.WithLabelValues(platform, app, m.reason(platform, reason)).Add(float64(n))
	}
}

// The values of the label then of volley_trouble_total.
const (
	thenRepeated = "repeated"
	thenLeft     = "left"
)

// Trouble counts a step that failed; again says that it is repeated at once.
func (m *Metrics) Trouble(again bool) {
	then := thenLeft
	if again {
		then = thenRepeated
	}
	m.trouble.WithLabelValues(then).Inc()
}

// News counts a credential or provider event. Its app is one of this worker's, its state one of a closed set.
func (m *Metrics) News(e *results.Event) {
	m.news.WithLabelValues(string(e.Platform), e.App, string(e.Kind), e.State).Inc()
}

// Sent counts a call of the provider for so many recipients.
func (m *Metrics) Sent(platform, app string, recipients int, took time.Duration, suspicious bool) {
	s := m.series(platform, app)
	if recipients == 1 {
		s.sendingOne.Observe(took.Seconds())
	} else {
		s.sendingMany.Observe(took.Seconds())
	}
	if suspicious {
		s.suspicious.Add(float64(recipients))
	}
}

// Waited counts how long a job had waited when it was sent first.
func (m *Metrics) Waited(platform, app string, age time.Duration) {
	m.series(platform, app).age.Observe(age.Seconds())
}

// series are the app's, made when they are first needed.
func (m *Metrics) series(platform, app string) *appSeries {
	k := appKey{platform, app}
	m.mu.RLock()
	s := m.apps[k]
	m.mu.RUnlock()
	if s != nil {
		return s
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s = m.apps[k]; s == nil {
		s = &appSeries{
			sent:       m.pushes.WithLabelValues(platform, app, outcomeSent, string(results.ActionNone)),
			segments:   m.events.WithLabelValues(platform, app, string(results.KindSegment)),
			jobs:       m.jobs.WithLabelValues(platform, app),
			sendingOne: m.sending.WithLabelValues(platform, app, "one"), sendingMany: m.sending.WithLabelValues(platform, app, "many"),
			age:        m.age.WithLabelValues(platform, app),
			suspicious: m.suspicious.WithLabelValues(platform, app), resentUnsure: m.resent.WithLabelValues(platform, app),
		}
		m.apps[k] = s
	}
	return s
}

// reason is the label of a reason.
func (m *Metrics) reason(platform, reason string) string {
	m.mu.RLock()
	known := m.reasons[platform][reason]
	m.mu.RUnlock()
	if known {
		return reason
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.reasons[platform] == nil {
		m.reasons[platform] = map[string]bool{}
	}
	if !m.reasons[platform][reason] && len(m.reasons[platform]) >= maxReasons {
		return otherReason
	}
	m.reasons[platform][reason] = true
	return reason
}
