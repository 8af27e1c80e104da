package app

import (
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/obs"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// observer turns what the pipeline did into log lines and metrics: one line per event, without recipients.
type observer struct {
	log     zerolog.Logger
	metrics *obs.Metrics
	apps    pipeline.Apps
}

// Committed implements pipeline.Observer.
func (o observer) Committed(e *results.Event, _ time.Time) {
	app, known := o.apps.App(e.Platform, e.App)
	o.metrics.Event(e, known, func(reason string) bool { return known && app.Reason(reason).Class == sender.Uncertain })
	level := zerolog.InfoLevel
	if e.Kind == results.KindDead {
		level = zerolog.WarnLevel
	}
	line := o.log.WithLevel(level)
	if e.Dead != nil {
		line.Str("reason", e.Dead.Reason).Stringer("faults", faults(e.Dead.Faults))
	}
	if e.Retry != nil {
		line.Int("retry", len(e.Retry.Indexes)).Time("retry_at", e.Retry.At)
	}
	sent, failed, expired, uncertain := e.Sent, len(e.Failures), len(e.ExpiredTokens), len(e.Uncertain)
	if e.Kind == results.KindJobDone {
		sent, failed, expired, uncertain = e.Totals.Sent, e.Totals.Failures, e.Totals.ExpiredTokens, e.Totals.Uncertain
	}
	line.Str("event", e.ID).Str("kind", string(e.Kind)).Str("app", e.App).Str("job", e.Job).Int("recipients", e.Recipients).
		Int("sent", sent).Int("failed", failed).Int("expired", expired).Int("uncertain", uncertain).Bool("done", e.Done).Msg("event committed")
}

// Sent implements pipeline.Observer.
func (o observer) Sent(s pipeline.Sending) {
	o.metrics.Sent(string(s.Platform), s.App, s.Recipients, s.Took, s.Suspicious)
	if s.First {
		o.metrics.Waited(string(s.Platform), s.App, s.Age)
	}
}

// Trouble implements pipeline.Observer.
func (o observer) Trouble(where string, err error, again bool) {
	o.metrics.Trouble(again)
	line := o.log.Warn().Str("where", where).Err(err)
	if again {
		line.Msg("trying again")
		return
	}
	line.Msg("this delivery comes back after the ack wait")
}

// News implements pipeline.Observer.
func (o observer) News(e *results.Event) {
	o.metrics.News(e)
	o.log.Warn().Str("event", e.ID).Str("platform", string(e.Platform)).Str("app", e.App).Str("state", e.State).Msg(e.Detail)
}
