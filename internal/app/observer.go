package app

import (
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/results"
)

// observer turns what the pipeline did into log lines: one per event, without recipients.
type observer struct{ log zerolog.Logger }

// Committed implements pipeline.Observer.
func (o observer) Committed(e *results.Event) {
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

// Trouble implements pipeline.Observer.
func (o observer) Trouble(where string, err error, again bool) {
	line := o.log.Warn().Str("where", where).Err(err)
	if again {
		line.Msg("trying again")
		return
	}
	line.Msg("this delivery comes back after the ack wait")
}

// News implements pipeline.Observer.
func (o observer) News(e *results.Event) {
	o.log.Warn().Str("event", e.ID).Str("platform", string(e.Platform)).Str("app", e.App).Str("state", e.State).Msg(e.Detail)
}
