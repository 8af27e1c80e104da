package app

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/natsembed"
)

// Verdict is what a check came to.
type Verdict string

// The verdicts.
const (
	OK      Verdict = "ok"
	Warning Verdict = "warning"
	Bad     Verdict = "error"
)

// Finding is one line of a Report.
type Finding struct {
	Verdict Verdict `json:"verdict"`
	// Subject is what was looked at: "stream PUSH_JOBS", "app shop, Apple".
	Subject string `json:"subject"`
	// Text is what was found, Remedy what to do about it; "" for nothing.
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
	// mark says whose trouble an error is: ErrCredentials, ErrBroker, or nil.
	mark error
}

// Report is what Check found, in the order in which it looked.
type Report struct{ Findings []Finding }

// Count says how many findings have a verdict.
func (r *Report) Count(v Verdict) (n int) {
	for _, f := range r.Findings {
		if f.Verdict == v {
			n++
		}
	}
	return n
}

// Is says whether an error of the report is one of configuration and credentials (ErrCredentials) or of the broker (ErrBroker).
func (r *Report) Is(mark error) bool {
	for _, f := range r.Findings {
		if f.Verdict == Bad && f.mark != nil && errors.Is(f.mark, mark) {
			return true
		}
	}
	return false
}

func (r *Report) ok(subject, text string) { r.add(Finding{Verdict: OK, Subject: subject, Text: text}) }

func (r *Report) warn(subject, text, remedy string) {
	r.add(Finding{Verdict: Warning, Subject: subject, Text: text, Remedy: remedy})
}

func (r *Report) fail(mark error, subject, text, remedy string) {
	r.add(Finding{Verdict: Bad, Subject: subject, Text: text, Remedy: remedy, mark: mark})
}

func (r *Report) add(f Finding) { r.Findings = append(r.Findings, f) }

// doctor looks at everything that a worker needs. Its functions ask the world.
type doctor struct {
	*Report
	config *config.Config
	keeper *keeper
	now    func() time.Time
	free   func(dir string) (int64, error)
	lookup func(ctx context.Context, host string) ([]string, error)
}

// Check looks at what a validated configuration names: credentials, limits, the disk. With ask it also connects: to the broker, whose streams and
// durables it compares with what a worker makes, and to the providers, which are asked whether they take each credential, with one
// notification to a device token that no device has (Apple) and a message that is checked and not delivered (Google). Nothing is changed. The error,
// ErrCredentials, is about credentials that can't be read.
func Check(ctx context.Context, c *config.Config, ask bool) (*Report, error) {
	registry, keeper, err := openApps(c, time.Now, func(string) zerolog.Logger { return zerolog.Nop() })
	if err != nil {
		return nil, err
	}
	d := &doctor{Report: &Report{}, config: c, keeper: keeper, now: time.Now, free: natsembed.Free, lookup: net.DefaultResolver.LookupHost}
	d.settings()
	d.store()
	for _, s := range keeper.sides() {
		d.side(s)
	}
	if ask {
		d.broker(ctx)
		for _, s := range keeper.sides() {
			d.provider(ctx, s)
		}
	}
	return d.Report, registry.Close()
}
