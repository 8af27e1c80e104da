package pipeline

import (
	"context"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// scriptedApp answers each recipient by its script; without one it accepts.
type scriptedApp struct {
	attempts int
	backlog  int64
	rated    bool
	full     bool // no room under the rate
	project  string
	deadline time.Time
	faults   jobs.Faults
	script   func(position int) sender.Outcome
	sent     []int
	onSend   func()
}

var reasons = map[string]*sender.Reason{
	"ServiceUnavailable":   {Name: "ServiceUnavailable", Class: sender.Transient, Error: "APNSProcessingError", Code: "1", Action: results.ActionRetry},
	"TooManyRequests":      {Name: "TooManyRequests", Class: sender.Throttled, Floor: 7 * time.Minute, Error: "APNSUnknownError", Code: "255", Action: results.ActionSlowDown},
	"BadDeviceToken":       {Name: "BadDeviceToken", Class: sender.Rejected, Error: "APNSInvalidTokenError", Code: "8", Action: results.ActionCheckEnvironment},
	"Unregistered":         {Name: "Unregistered", Class: sender.Expired, Error: "APNSInvalidTokenError", Code: "8", Action: results.ActionDeleteToken},
	"ConnectionFailed":     {Name: "ConnectionFailed", Class: sender.Unsent, Error: "APNSTimeoutError", Action: results.ActionRetry},
	"InvalidProviderToken": {Name: "InvalidProviderToken", Class: sender.Credential, Wide: true, Error: "APNSAuthError", Description: "Invalid token: check key_id", Action: results.ActionFixCredential},
	"Quota":                {Name: "Quota", Class: sender.Throttled, Wide: true, Floor: time.Minute, Error: "GCMError", Action: results.ActionSlowDown},
	"Paced":                {Name: "Paced", Class: sender.Unsent, Unasked: true, Error: "GCMServerError", Action: results.ActionSlowDown},
	"AnswerLost":           {Name: "AnswerLost", Class: sender.Uncertain, Error: "APNSTimeoutError", Action: results.ActionNone},
}

func answer(reason string, status int) sender.Outcome { return sender.Failed(reasons[reason], status) }

func (a *scriptedApp) Prepare(seg *jobs.Segment) (Batch, error) {
	if len(a.faults) > 0 {
		return nil, a.faults
	}
	return &scriptedBatch{a, seg}, nil
}
func (a *scriptedApp) Reason(name string) *sender.Reason { return reasons[name] }
func (a *scriptedApp) MaxAttempts() int                  { return a.attempts }
func (a *scriptedApp) Backlog() int64                    { return a.backlog }
func (a *scriptedApp) Project() string                   { return a.project }
func (a *scriptedApp) MessageIDs() bool                  { return true }
func (a *scriptedApp) Rated() bool                       { return a.rated }
func (a *scriptedApp) Explain(r *sender.Reason) string   { return r.Name + " (" + r.Description + ")" }

func (a *scriptedApp) SendEach(ctx context.Context, batches []Batch, proceed func() bool, out []sender.Outcome) {
	for i, b := range batches {
		b.Send(ctx, []int{0}, proceed, out[i:i+1])
	}
}

type scriptedBatch struct {
	*scriptedApp
	seg *jobs.Segment
}

func (b *scriptedBatch) Deadline() time.Time { return b.deadline }
func (b *scriptedBatch) Book() bool          { return !b.full }

func (b *scriptedBatch) Send(_ context.Context, recipients []int, proceed func() bool, out []sender.Outcome) {
	if b.onSend != nil {
		b.onSend()
	}
	for _, i := range recipients {
		if !proceed() {
			out[i] = answer("ConnectionFailed", 0)
			continue
		}
		b.sent = append(b.sent, b.seg.Position(i))
		out[i] = sender.Outcome{Class: sender.Accepted}
		if b.script != nil {
			out[i] = b.script(b.seg.Position(i))
		}
	}
}
