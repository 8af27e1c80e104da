package obs

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Sources are where a scrape reads what is not counted but is so at a moment. Each must return at once; one that is nil tells nothing.
type Sources struct {
	Apps   func() []AppState
	Worker func() WorkerState
	// Queue is what the broker last said; false if it has not said anything for too long.
	Queue func() (QueueState, bool)
}

// AppState is the state of one app's way to its provider.
type AppState struct {
	Platform, App         string
	BreakerOpen           bool
	Connections, UnderWay int
	// Backlog is about how many bytes the app has put aside, BacklogLimit how many it may have; 0 for not known, and no limit.
	Backlog, BacklogLimit int64
	// CredentialExpires is zero for a credential that does not by itself.
	CredentialExpires time.Time
	// ClockSkew is how far our clock was ahead of the provider's when that last told its time.
	ClockSkew time.Duration
}

// WorkerState is the state of the worker itself.
type WorkerState struct {
	Connected, Draining bool
	Reconnects          uint64
	// ClockOffset is how far the broker's clock is ahead of ours.
	ClockOffset time.Duration
	Slots       []SlotState
}

// SlotState says how many of something are handled at once, and how many may be.
type SlotState struct {
	Of          string
	Taken, Most int
}

// QueueState is what waits at the broker.
type QueueState struct {
	Durables []DurableState
	Streams  []StreamState
}

// DurableState is what waits for one durable; App is "" for those of PUSH_JOBS.
type DurableState struct {
	Stream, Platform, App, Lane string
	Pending, InFlight           int
	Age                         time.Duration
}

// StreamState is how full a stream is; Limit 0 is none.
type StreamState struct {
	Stream       string
	Messages     int
	Bytes, Limit int64
}

// scrape collects what the sources say.
type scrape struct{ from Sources }

// The series of a scrape.
var (
	descBreaker     = prometheus.NewDesc("volley_breaker_open", "1 while the jobs of the app wait, because its provider is out or refuses its credential.", []string{"platform", "app"}, nil)
	descConnections = prometheus.NewDesc("volley_provider_connections", "Connections to the provider that are up.", []string{"platform", "app"}, nil)
	descUnderWay    = prometheus.NewDesc("volley_provider_requests", "Requests to the provider that wait for an answer.", []string{"platform", "app"}, nil)
	descExpires     = prometheus.NewDesc("volley_credential_expiry_timestamp_seconds", "When the app's certificate runs out, in seconds since 1970. A key does not.", []string{"platform", "app"}, nil)
	descSkew        = prometheus.NewDesc("volley_provider_clock_skew_seconds", "How far this machine's clock was ahead of the provider's when that last told its time in a refusal.", []string{"platform", "app"}, nil)

	descBacklog      = prometheus.NewDesc("volley_backlog_bytes", "About how many bytes the app has put aside, now or for later, as a worker knows that puts some aside; 0 a minute after the last.", []string{"platform", "app"}, nil)
	descBacklogLimit = prometheus.NewDesc("volley_backlog_limit_bytes", "How many bytes the app may have put aside, if that is limited: a job that would have to wait beyond that becomes a dead letter.", []string{"platform", "app"}, nil)

	descConnected  = prometheus.NewDesc("volley_broker_connected", "1 while the worker is connected to NATS.", nil, nil)
	descReconnects = prometheus.NewDesc("volley_broker_reconnects_total", "How often the connection to NATS was lost and made again.", nil, nil)
	descOffset     = prometheus.NewDesc("volley_broker_clock_offset_seconds", "How far the broker's clock is ahead of this machine's.", nil, nil)
	descDraining   = prometheus.NewDesc("volley_draining", "1 while the worker finishes what it has begun and takes nothing new.", nil, nil)
	descSlots      = prometheus.NewDesc("volley_slots", "How many may be handled at once: deliveries of jobs, deliveries of segments, and segments with more than one recipient being sent.", []string{"of"}, nil)
	descSlotsTaken = prometheus.NewDesc("volley_slots_taken", "How many of the slots are in use, or reserved by a pull that is on its way.", []string{"of"}, nil)

	descPending  = prometheus.NewDesc("volley_queue_pending", "Messages that wait for a durable. An empty app is for the durables of PUSH_JOBS, which take the jobs of all apps.", queueLabels, nil)
	descInFlight = prometheus.NewDesc("volley_queue_in_flight", "Messages of a durable that some worker has taken and not acknowledged.", queueLabels, nil)
	descOldest   = prometheus.NewDesc("volley_queue_oldest_seconds", "Age of the oldest message of a durable that nobody has acknowledged; 0 if there is none.", queueLabels, nil)
	descMessages = prometheus.NewDesc("volley_stream_messages", "Messages in a stream; those in PUSH_DEAD are the dead letters that wait for somebody.", []string{"stream"}, nil)
	descBytes    = prometheus.NewDesc("volley_stream_bytes", "Bytes in a stream.", []string{"stream"}, nil)
	descLimit    = prometheus.NewDesc("volley_stream_limit_bytes", "Size limit of a stream that has one.", []string{"stream"}, nil)
)

// queueLabels are those of what waits for a durable.
var queueLabels = []string{"stream", "platform", "app", "lane"}

// Describe implements prometheus.Collector.
func (s *scrape) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descBreaker, descConnections, descUnderWay, descExpires, descSkew, descBacklog, descBacklogLimit, descConnected, descReconnects, descOffset, descDraining, descSlots, descSlotsTaken,
		descPending, descInFlight, descOldest, descMessages, descBytes, descLimit,
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (s *scrape) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	if s.from.Apps != nil {
		for _, a := range s.from.Apps() {
			gauge(descBreaker, yes(a.BreakerOpen), a.Platform, a.App)
			gauge(descConnections, float64(a.Connections), a.Platform, a.App)
			gauge(descUnderWay, float64(a.UnderWay), a.Platform, a.App)
			gauge(descBacklog, float64(a.Backlog), a.Platform, a.App)
			if a.BacklogLimit > 0 {
				gauge(descBacklogLimit, float64(a.BacklogLimit), a.Platform, a.App)
			}
			gauge(descSkew, a.ClockSkew.Seconds(), a.Platform, a.App)
			if !a.CredentialExpires.IsZero() {
				gauge(descExpires, float64(a.CredentialExpires.Unix()), a.Platform, a.App)
			}
		}
	}
	if s.from.Worker != nil {
		w := s.from.Worker()
		gauge(descConnected, yes(w.Connected))
		gauge(descDraining, yes(w.Draining))
		gauge(descOffset, w.ClockOffset.Seconds())
		to <- prometheus.MustNewConstMetric(descReconnects, prometheus.CounterValue, float64(w.Reconnects))
		for _, slots := range w.Slots {
			gauge(descSlots, float64(slots.Most), slots.Of)
			gauge(descSlotsTaken, float64(slots.Taken), slots.Of)
		}
	}
	if s.from.Queue == nil {
		return
	}
	q, ok := s.from.Queue()
	if !ok {
		return // old figures would pass for new ones
	}
	for _, d := range q.Durables {
		labels := []string{d.Stream, d.Platform, d.App, d.Lane}
		gauge(descPending, float64(d.Pending), labels...)
		gauge(descInFlight, float64(d.InFlight), labels...)
		gauge(descOldest, d.Age.Seconds(), labels...)
	}
	for _, one := range q.Streams {
		gauge(descMessages, float64(one.Messages), one.Stream)
		gauge(descBytes, float64(one.Bytes), one.Stream)
		if one.Limit > 0 {
			gauge(descLimit, float64(one.Limit), one.Stream)
		}
	}
}

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
