package app

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/obs"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

const (
	// burst is how many warnings of a kind are written in each burstPeriod; the next one says how many were not.
	burst       = 10
	burstPeriod = time.Minute
	// sumEvery is how often jobs of one recipient are summed up in a line.
	sumEvery = time.Minute
)

// observer turns what the pipeline did into metrics and log lines, none of which names a recipient:
//
//   - a line for each job that is done, at info; at debug for a job of one recipient, of which there may be millions: they are summed up in
//     one line a minute for each app;
//   - a line for each segment, at debug;
//   - a warning for each dead letter, trouble and change of state, a few of each kind in a minute.
type observer struct {
	log     zerolog.Logger
	metrics *obs.Metrics
	apps    pipeline.Apps
	now     func() time.Time
	burst   *obs.Burst
	jobs    jobBook

	mu   sync.Mutex
	sums map[sideKey]*jobSum
}

func newObserver(log zerolog.Logger, metrics *obs.Metrics, apps pipeline.Apps, now func() time.Time) *observer {
	return &observer{
		log: log, metrics: metrics, apps: apps, now: now, burst: &obs.Burst{Most: burst, Period: burstPeriod, Now: now}, sums: map[sideKey]*jobSum{},
	}
}

// Committed implements pipeline.Observer.
func (o *observer) Committed(e *results.Event, published time.Time) {
	app, known := o.apps.App(e.Platform, e.App)
	o.metrics.Event(e, known, func(reason string) bool { return known && app.Reason(reason).Class == sender.Uncertain })
	switch {
	case e.Kind == results.KindDead:
		o.dead(e, known)
	case e.Kind == results.KindJobDone:
		o.done(e, e.Totals, o.jobs.take(e), published)
	case e.Done:
		seen := o.jobs.take(e)
		seen.add(e)
		o.done(e, e.Totals, seen, published)
	default:
		o.jobs.note(e)
		o.segment(e)
	}
}

// run writes sums until the context ends. Call tellSums for the last ones when nothing is in flight any more.
func (o *observer) run(ctx context.Context) error {
	tick := time.NewTicker(sumEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			o.tellSums()
		case <-ctx.Done():
			return nil
		}
	}
}

// segment writes the line of a segment whose job goes on.
func (o *observer) segment(e *results.Event) {
	line := o.log.Debug()
	if !line.Enabled() {
		return
	}
	if e.Retry != nil {
		line.Int("retry", len(e.Retry.Indexes)).Time("retry_at", e.Retry.At)
	}
	line.Str("event", e.ID).Str("app", e.App).Str("job", e.Job).Int("recipients", e.Recipients).Int("sent", e.Sent).Int("failed", len(e.Failures)).
		Int("expired", len(e.ExpiredTokens)).Int("uncertain", len(e.Uncertain)).Msg("segment settled")
}

// done writes the line of a job that is done.
func (o *observer) done(e *results.Event, totals *results.Totals, seen jobSeen, published time.Time) {
	if totals == nil {
		totals = &results.Totals{}
	}
	level := zerolog.InfoLevel
	if totals.Recipients <= 1 {
		level = zerolog.DebugLevel
		o.sum(e, totals, seen)
	}
	line := o.log.WithLevel(level)
	if !line.Enabled() {
		return
	}
	line.Str("platform", string(e.Platform)).Str("app", e.App).Str("job", e.Job)
	if e.Campaign != "" {
		line.Str("campaign", e.Campaign)
	}
	line.Int("recipients", totals.Recipients).Int("sent", totals.Sent).Int("failed", totals.Failures).Int("expired", totals.ExpiredTokens).
		Int("uncertain", totals.Uncertain).Int("skipped", totals.Skipped)
	if len(seen.reasons) > 0 {
		name := "reasons"
		if seen.failed() < totals.Failures+totals.ExpiredTokens {
			name = "reasons_here" // other workers saw the others
		}
		line.Interface(name, seen.reasons)
	}
	line.Int("rounds", seen.rounds+1).Dur("took", max(e.At.Sub(published), 0)).Msg("job done")
}

// dead writes the warning of a dead letter.
func (o *observer) dead(e *results.Event, known bool) {
	if e.Done {
		o.jobs.take(e)
	}
	kind := "dead " + string(e.Platform) + "." + e.App
	if !known {
		kind = "dead" // anybody may invent names of apps
	}
	ok, held := o.burst.Allow(kind)
	if !ok {
		return
	}
	line := o.log.Warn()
	if held > 0 {
		line.Int("not_written", held)
	}
	line.Str("reason", e.Dead.Reason).Stringer("faults", faults(e.Dead.Faults)).Str("event", e.ID).Str("app", e.App).Str("job", e.Job).
		Int("recipients", e.Recipients).Msg("dead letter: see worker dead list")
}

// Sent implements pipeline.Observer.
func (o *observer) Sent(s pipeline.Sending) {
	o.metrics.Sent(string(s.Platform), s.App, s.Recipients, s.Took, s.Suspicious)
	if s.First {
		o.metrics.Waited(string(s.Platform), s.App, s.Age)
	}
}

// Trouble implements pipeline.Observer.
func (o *observer) Trouble(where string, err error, again bool) {
	o.metrics.Trouble(again)
	kind, text := "left", "this delivery comes back after the ack wait"
	if again {
		kind, text = "again", "trying again"
	}
	if ok, held := o.burst.Allow(kind); ok {
		line := o.log.Warn().Str("where", where).Err(err)
		if held > 0 {
			line.Int("not_written", held)
		}
		line.Msg(text)
	}
}

// News implements pipeline.Observer.
func (o *observer) News(e *results.Event) {
	o.metrics.News(e)
	o.log.Warn().Str("event", e.ID).Str("platform", string(e.Platform)).Str("app", e.App).Str("state", e.State).Msg(e.Detail)
}

// jobSum is what jobs of one recipient came to since the last line.
type jobSum struct {
	jobs    int
	totals  results.Totals
	reasons map[string]int
}

// sum adds a job of one recipient.
func (o *observer) sum(e *results.Event, totals *results.Totals, seen jobSeen) {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := sideKey{e.Platform, e.App}
	s := o.sums[k]
	if s == nil {
		s = &jobSum{reasons: map[string]int{}}
		o.sums[k] = s
	}
	s.jobs++
	s.totals.AddTotals(*totals)
	for reason, n := range seen.reasons {
		count(s.reasons, reason, n)
	}
}

// tellSums writes what the jobs of one recipient came to since the last time.
func (o *observer) tellSums() {
	o.mu.Lock()
	sums := o.sums
	o.sums = map[sideKey]*jobSum{}
	o.mu.Unlock()
	for _, platform := range jobs.Platforms() {
		for k, s := range sums {
			if k.platform != platform {
				continue
			}
			line := o.log.Info().Str("platform", string(k.platform)).Str("app", k.name).Int("jobs", s.jobs).Int("sent", s.totals.Sent).
				Int("failed", s.totals.Failures).Int("expired", s.totals.ExpiredTokens).Int("uncertain", s.totals.Uncertain).Int("skipped", s.totals.Skipped)
			if len(s.reasons) > 0 {
				line.Interface("reasons", s.reasons)
			}
			line.Msg("jobs of one recipient done")
		}
	}
}
