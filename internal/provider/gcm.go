package provider

import (
	"context"
	"sync"
	"time"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/gcm"
)

// GCMParams are the credentials and defaults of one app for Google.
type GCMParams struct {
	Name     string
	Client   *gcm.Client
	Protocol gcm.Protocol
	// Project names the quota that the app shares with others; "" for none.
	Project string
	// Now is the broker's time: time_to_live counts from when the job was published, and a retry sends what is left of it.
	Now         func() time.Time
	MaxAttempts int
	// Backlog is about how many bytes of the app may wait on PUSH_WORK; 0 is no limit.
	Backlog    int64
	MessageIDs bool
	// Rate is the app's own; nil is no limit.
	Rate *Rate
	// Notice is called once for each option that a job gave and the protocol ignores; nil for nobody.
	Notice func(text string)
	// PushKeyRejected is told, now and then, that Apple or a browser refuses the key in the Firebase project; nil for nobody.
	PushKeyRejected func(detail string)
}

// AddGCM registers an app's GCM side. The registry closes the client.
func (r *Registry) AddGCM(p GCMParams) { r.Put(jobs.GCM, p.Name, NewGCM(p)) }

// NewGCM makes an app's GCM side, which owns the client.
func NewGCM(p GCMParams) App {
	return &gcmApp{GCMParams: p, noticed: map[string]bool{}, tenancy: tenancy{end: p.Client.Close}}
}

type gcmApp struct {
	GCMParams
	tenancy
	mu      sync.Mutex
	noticed map[string]bool
	// alarmed is when PushKeyRejected was told last.
	alarmed time.Time
}

func (a *gcmApp) Reason(name string) *sender.Reason { return gcm.Reason(name) }
func (a *gcmApp) MaxAttempts() int                  { return a.GCMParams.MaxAttempts }
func (a *gcmApp) Backlog() int64                    { return a.GCMParams.Backlog }
func (a *gcmApp) Project() string                   { return a.GCMParams.Project }
func (a *gcmApp) MessageIDs() bool                  { return a.GCMParams.MessageIDs }
func (a *gcmApp) Close() error                      { return a.Client.Close() }
func (a *gcmApp) Rated() bool                       { return a.Rate.PerSecond() > 0 }

// Authenticate gets an access token for the app; see gcm.Client.
func (a *gcmApp) Authenticate(ctx context.Context) error { return a.Client.Authenticate(ctx) }

// Explain implements pipeline.App.
func (a *gcmApp) Explain(reason *sender.Reason) string {
	if reason.Description == "" {
		return reason.Name
	}
	return reason.Name + " (" + reason.Description + ")"
}

// Prepare implements pipeline.App.
func (a *gcmApp) Prepare(seg *jobs.Segment) (pipeline.Batch, error) {
	message := gcmMessage(seg.Job)
	now := a.Now()
	from := laterOf(seg.Published, seg.Job.DeliverAt)
	deadline := from.Add(jobs.MaxTimeToLive * time.Second)
	if ttl := message.TimeToLive; ttl != nil {
		deadline = from.Add(time.Duration(*ttl) * time.Second)
		if *ttl == 0 {
			deadline = time.Time{} // now or never
		} else if seg.Round > 0 {
			left := max(int64((deadline.Sub(now)+time.Second-1)/time.Second), 1) // 0 would mean something else
			message.TimeToLive = &left
		}
	}
	b := &gcmBatch{app: a, seg: seg, deadline: deadline}
	var notices []string
	var err error
	if seg.Job.Vars != nil {
		if b.personal, err = gcm.PreparePersonal(a.Protocol, message, now); err == nil {
			notices = b.personal.Notices()
		}
	} else if b.prepared, err = gcm.Prepare(a.Protocol, message, now); err == nil {
		notices = b.prepared.Notices()
	}
	if err != nil {
		return nil, err
	}
	for _, text := range notices {
		a.notice(text)
	}
	return b, nil
}

func (a *gcmApp) notice(text string) {
	a.mu.Lock()
	known := a.noticed[text]
	a.noticed[text] = true
	a.mu.Unlock()
	if !known && a.Notice != nil {
		a.Notice(text)
	}
}

func gcmMessage(job *jobs.Job) *gcm.Message {
	o := job.GCM
	m := &gcm.Message{
		CollapseKey: o.CollapseKey, DelayWhileIdle: o.DelayWhileIdle, TimeToLive: o.TimeToLive,
		LowPriority: o.LowPriority, RestrictedPackageName: o.RestrictedPackageName, DryRun: o.DryRun, FID: o.FID, Topic: o.Topic,
		Condition: o.Condition, Android: raw(o.Android), APNS: raw(o.APNS), Webpush: raw(o.Webpush), FCMOptions: raw(o.FCMOptions), Payload: raw(o.Payload),
	}
	if o.Notification != nil {
		m.Notification = object(o.Notification)
	}
	switch job.Message.Kind { //nolint:exhaustive // the others say nothing, or are APNs'
	case jobs.MessageText:
		m.Data = job.Message.Text
	case jobs.MessageData:
		if job.Message.Object != nil {
			m.Data = object(job.Message.Object)
		} else {
			m.Data = job.Message.Value
		}
	}
	return m
}

// gcmBatch is one prepared segment.
type gcmBatch struct {
	app      *gcmApp
	seg      *jobs.Segment
	prepared *gcm.Prepared
	personal *gcm.Personal // instead, for a job with variables
	deadline time.Time
	booking
}

// Deadline implements pipeline.Batch.
func (b *gcmBatch) Deadline() time.Time { return b.deadline }

// Book implements pipeline.Batch.
func (b *gcmBatch) Book() bool { return b.ask(b.app.Rate, b.seg.Job.Recipients()) }

// Send implements pipeline.Batch.
func (b *gcmBatch) Send(ctx context.Context, recipients []int, proceed func() bool, out []sender.Outcome) {
	b.spread(ctx, b.app.Rate, recipients, proceed, out, gcm.Reason("Paced"), func(part []int) { b.deliver(ctx, part, proceed, out) })
}

// deliver sends at once. A malformed registration ID fails alone, in the sender.
func (b *gcmBatch) deliver(ctx context.Context, recipients []int, proceed func() bool, out []sender.Outcome) {
	request := gcm.Request{Message: b.prepared, Proceed: proceed, NoProviderIDs: !b.app.GCMParams.MessageIDs}
	if b.personal != nil {
		if recipients, request.Messages = b.personalise(recipients, out); len(recipients) == 0 {
			return
		}
		request.Message = request.Messages[0]
	}
	if _, target := b.seg.Job.Target(); !target {
		request.Tokens = make([]string, len(recipients))
		for k, i := range recipients {
			request.Tokens[k] = b.seg.Job.IDs[i].Reveal()
		}
	}
	answers := make([]sender.Outcome, len(recipients))
	b.app.enter()
	b.app.Client.Deliver(ctx, &request, answers)
	b.app.leave()
	b.app.judge(answers)
	for k, i := range recipients {
		out[i] = answers[k]
	}
}

// personalise renders the message of each recipient. Who can't have one gets an outcome; the others are returned with their messages.
func (b *gcmBatch) personalise(recipients []int, out []sender.Outcome) (sendable []int, messages []*gcm.Prepared) {
	vars, failures := make([][]jobs.Var, len(recipients)), make([]sender.Outcome, len(recipients))
	for k, i := range recipients {
		vars[k] = b.seg.Job.Vars[i]
	}
	sendable = make([]int, 0, len(recipients))
	for k, message := range b.personal.For(vars, failures) {
		i := recipients[k]
		if message == nil {
			out[i] = failures[k]
			continue
		}
		sendable, messages = append(sendable, i), append(messages, message)
	}
	return sendable, messages
}

// SendEach implements pipeline.App.
func (a *gcmApp) SendEach(ctx context.Context, batches []pipeline.Batch, proceed func() bool, out []sender.Outcome) {
	requests := make([]*gcm.Request, len(batches))
	for i, one := range batches {
		b := one.(*gcmBatch)
		requests[i] = &gcm.Request{Message: b.prepared, NoProviderIDs: !a.GCMParams.MessageIDs}
		if _, target := b.seg.Job.Target(); !target {
			requests[i].Tokens = []string{b.seg.Job.IDs[0].Reveal()}
		}
	}
	a.enter()
	a.Client.DeliverEach(ctx, requests, proceed, out)
	a.leave()
	a.judge(out)
}
