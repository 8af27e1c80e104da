package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender/apns"
)

// The feedback service of Apple's binary protocol lists the device tokens that are gone, and forgets what it has handed out. So
// nothing is read while nothing can be stored, and what was read is kept until it is.

const (
	// firstStorePause and lastStorePause are the pauses between attempts to store a part of the list.
	firstStorePause = 50 * time.Millisecond
	lastStorePause  = 2 * time.Second
)

// feedback reads the lists of a worker's apps and stores them as events.
type feedback struct {
	read       func(ctx context.Context, app string) ([]apns.ExpiredToken, error)
	events     pipeline.Events
	now        func() time.Time
	nonce      func() string
	wait       func(ctx context.Context, d time.Duration) error
	worker     string
	maxPayload int
	log        zerolog.Logger
}

// FeedbackReading is what one reading of a feedback service came to, the answer to a request on jobs.SubjectFeedback.
type FeedbackReading struct {
	// Reading is the id that its events have.
	Reading string `json:"reading"`
	// Tokens is how many the list had, Events in how many events they are stored.
	Tokens int `json:"tokens"`
	Events int `json:"events"`
	// Error is why there may be more than that, one sentence; "" if there is not.
	Error string `json:"error,omitempty"`
}

// run reads the app's list now, after each interval (0 is never) and for whoever asks, until ctx ends. A reading that has begun goes
// on under storing.
func (f *feedback) run(ctx, storing context.Context, app string, every time.Duration, asks <-chan chan<- FeedbackReading) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := timer.C
	if every == 0 {
		due = nil
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-due:
			f.reading(storing, app)
			timer.Reset(every)
		case reply := <-asks:
			reply <- f.reading(storing, app)
		}
	}
}

// answerer asks run for a reading, in the form of requests and answers on jobs.SubjectFeedback.
func answerer(ctx context.Context, asks chan<- chan<- FeedbackReading) func([]byte) []byte {
	return func([]byte) []byte {
		reply := make(chan FeedbackReading, 1)
		var reading FeedbackReading
		select {
		case asks <- reply:
			reading = <-reply
		case <-ctx.Done():
			reading.Error = "the worker is stopping; ask again"
		}
		text, err := json.Marshal(reading)
		if err != nil {
			return nil // it consists of texts and numbers
		}
		return text
	}
}

// reading reads the list once and stores what it has.
func (f *feedback) reading(ctx context.Context, app string) FeedbackReading {
	r := FeedbackReading{Reading: f.nonce()}
	tokens, err := f.list(ctx, app, r.Reading)
	if len(tokens) > 0 {
		var unstored error
		r.Tokens = len(tokens)
		if r.Events, unstored = f.store(ctx, app, r.Reading, tokens); unstored != nil {
			err = errors.Join(err, unstored)
		}
	}
	if err != nil {
		r.Error = err.Error()
		f.log.Warn().Str("app", app).Int("tokens", r.Tokens).Err(err).Msg("reading the feedback service")
		return r
	}
	f.log.Info().Str("app", app).Int("tokens", r.Tokens).Int("events", r.Events).Msg("the feedback service was read")
	return r
}

// list reads the list, unless the broker can't be asked at this moment whether it has the list's event already.
func (f *feedback) list(ctx context.Context, app, reading string) ([]apns.ExpiredToken, error) {
	if _, err := f.events.Find(ctx, f.event(app, reading, 0, nil).Subject()); err != nil {
		return nil, fmt.Errorf("the list is left where it is, because it could not be stored: %w", err)
	}
	return f.read(ctx, app)
}

// store stores the tokens in as many events as they need, each as often as it takes. One that is too large after all, because the broker
// takes less than it did, becomes two.
func (f *feedback) store(ctx context.Context, app, reading string, tokens []apns.ExpiredToken) (events int, err error) {
	ids := make([]jobs.Token, len(tokens))
	for i, t := range tokens {
		ids[i] = jobs.NewToken(t.Token)
	}
	var parts [][]apns.ExpiredToken
	for bounds := jobs.Split(ids, f.maxPayload); len(bounds) > 1; bounds = bounds[1:] {
		parts = append(parts, tokens[bounds[0]:bounds[1]])
	}
	for number := 0; len(parts) > 0; number++ {
		part := parts[0]
		err := f.commit(ctx, f.event(app, reading, number, part))
		switch {
		case err == nil:
			events++
			parts = parts[1:]
		case errors.Is(err, pipeline.ErrRefused) && len(part) > 1:
			half := len(part) / 2
			parts = append([][]apns.ExpiredToken{part[:half], part[half:]}, parts[1:]...)
		default:
			return events, fmt.Errorf("%d device tokens that the feedback service has forgotten are lost: %w", len(slices.Concat(parts...)), err)
		}
	}
	return events, nil
}

// commit stores one event. An unknown outcome is answered by the same commit again: the event's key is its own.
func (f *feedback) commit(ctx context.Context, e *results.Event) error {
	for pause := firstStorePause; ; pause = min(2*pause, lastStorePause) {
		_, err := f.events.Commit(ctx, e)
		if err == nil || errors.Is(err, pipeline.ErrRefused) {
			return err
		}
		if pause == firstStorePause {
			f.log.Warn().Str("event", e.ID).Err(err).Msg("storing a part of the feedback service's list; it is tried again")
		}
		if f.wait(ctx, pause) != nil {
			return err
		}
	}
}

// event is one part of the list.
func (f *feedback) event(app, reading string, part int, tokens []apns.ExpiredToken) *results.Event {
	e := &results.Event{
		V: results.Version, Kind: results.KindFeedback, Platform: jobs.APNS, App: app, Reading: reading, Round: part,
		Recipients: len(tokens), At: f.now().UTC().Truncate(time.Millisecond), Worker: f.worker,
	}
	row := apns.Reason(apns.FeedbackService)
	for _, t := range tokens {
		e.ExpiredTokens = append(e.ExpiredTokens, results.ExpiredToken{
			Failure: results.Failure{
				Index: t.Index, Token: t.Token, Error: row.Error, Code: row.Code, Reason: row.Name, Description: row.Description, Action: row.Action,
			},
			Timestamp: t.Timestamp.Unix(), TimestampMS: t.Timestamp.UnixMilli(),
		})
	}
	e.SetID()
	return e
}
