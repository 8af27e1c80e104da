package app

import (
	"github.com/volleypush/volley/internal/obs"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
)

// The values of the label "of" of the slots.
const (
	slotsDeliveries = "deliveries"
	slotsSegments   = "segments"
	slotsSending    = "sending"
)

// sources are what a scrape of the metrics reads. They exist before what they read does: the pipeline, which is observed, comes last.
type sources struct {
	worker               *Worker
	deliveries, segments *queue.Slots
}

// of fills in what was made since.
func (s *sources) of(deliveries, segments *queue.Slots) {
	s.deliveries, s.segments = deliveries, segments
}

// metrics makes the worker's metrics. Nothing may be scraped before of.
func (s *sources) metrics() *obs.Metrics {
	w := s.worker
	m := obs.NewMetrics(obs.Sources{Apps: s.apps, Worker: s.state, Queue: s.queue}, w.options.Log("volley.http"))
	for _, platform := range jobs.Platforms() {
		for _, name := range w.registry.Known(platform) {
			m.Know(string(platform), name)
		}
	}
	return m
}

func (s *sources) apps() []obs.AppState {
	states := s.worker.registry.States()
	out := make([]obs.AppState, len(states))
	for i, a := range states {
		out[i] = obs.AppState{
			Platform: string(a.Platform), App: a.App, BreakerOpen: s.worker.core.Breaker(a.Platform, a.App).Open, Backlog: s.worker.core.Backlog(a.Platform, a.App),
			Connections: a.Connections, UnderWay: a.UnderWay, CredentialExpires: a.CredentialExpires, ClockSkew: a.ClockSkew,
		}
		if app, ok := s.worker.registry.App(a.Platform, a.App); ok {
			out[i].BacklogLimit = app.Backlog()
		}
	}
	return out
}

func (s *sources) state() obs.WorkerState {
	sending, most := s.worker.core.Segments()
	return obs.WorkerState{
		Connected: s.worker.broker.Connected(), Reconnects: s.worker.broker.Reconnects(), ClockOffset: s.worker.broker.ClockOffset(),
		Draining: s.worker.running.Err() != nil,
		Slots: []obs.SlotState{
			{Of: slotsDeliveries, Taken: s.deliveries.Taken(), Most: s.deliveries.Size()},
			{Of: slotsSegments, Taken: s.segments.Taken(), Most: s.segments.Size()},
			{Of: slotsSending, Taken: sending, Most: most},
		},
	}
}

func (s *sources) queue() (obs.QueueState, bool) {
	load, ok := s.worker.loads.get()
	var q obs.QueueState
	for _, d := range load.Durables {
		if !d.Ours { // whoever has the app tells of it; labels are bounded by our own configuration
			continue
		}
		q.Durables = append(q.Durables, obs.DurableState{
			Stream: d.Stream, Platform: string(d.Platform), App: d.App, Lane: string(d.Lane), Pending: d.Pending, InFlight: d.InFlight, Age: d.Age,
		})
	}
	for _, one := range load.Streams {
		q.Streams = append(q.Streams, obs.StreamState{Stream: one.Stream, Messages: one.Messages, Bytes: one.Bytes, Limit: one.Limit})
	}
	return q, ok
}
