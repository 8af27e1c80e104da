package provider

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns"
)

// APNSParams are the credentials and defaults of one app for Apple. A job's field overrides its app's default.
type APNSParams struct {
	Name   string
	Client *apns.Client
	// Topic is the app's bundle id; a job's topic overrides it, a push type may add its suffix.
	Topic string
	// ErrorTimeout is how long answers are awaited after the last write.
	ErrorTimeout time.Duration
	// Expiration is the default expiration, from when the job was published.
	Expiration       time.Duration
	BatchSize        int
	MaxPayloadLength int
	// Retries is how many connections in a row may fail under a segment, with the binary protocol.
	Retries     int
	MaxAttempts int
	// Backlog is about how many bytes of the app may wait on PUSH_WORK; 0 is no limit.
	Backlog    int64
	MessageIDs bool
	// Rate is the app's own; nil is no limit.
	Rate *Rate
	// Source is the file that the credential was read from, for people; "" if it is of no use to them.
	Source string
	// WrongEnvironment is told once when so many device tokens are refused that they are probably of the other environment; nil
	// for nobody. It must not block.
	WrongEnvironment func(detail string)
}

// AddAPNS registers an app's APNs side. The registry closes the client.
func (r *Registry) AddAPNS(p APNSParams) { r.Put(jobs.APNS, p.Name, NewAPNS(p)) }

// NewAPNS makes an app's APNs side, which owns the client.
func NewAPNS(p APNSParams) App { return newAPNS(p) }

func newAPNS(p APNSParams) *apnsApp {
	return &apnsApp{APNSParams: p, environment: newEnvironment(), tenancy: tenancy{end: p.Client.Close}}
}

type apnsApp struct {
	APNSParams
	tenancy
	environment *environment
}

func (a *apnsApp) Reason(name string) *sender.Reason { return apns.Reason(name) }
func (a *apnsApp) MaxAttempts() int                  { return a.APNSParams.MaxAttempts }
func (a *apnsApp) Backlog() int64                    { return a.APNSParams.Backlog }
func (a *apnsApp) Project() string                   { return "" } // Apple's limits are per device and connection
func (a *apnsApp) MessageIDs() bool                  { return a.APNSParams.MessageIDs }
func (a *apnsApp) Close() error                      { return a.Client.Close() }
func (a *apnsApp) Rated() bool                       { return a.Rate.PerSecond() > 0 }

// Explain implements pipeline.App.
func (a *apnsApp) Explain(reason *sender.Reason) string {
	text := a.Client.Explain(reason)
	if a.Source != "" && reason.Wide {
		text += " (credential: " + a.Source + ")"
	}
	return text
}

// Prepare implements pipeline.App.
func (a *apnsApp) Prepare(seg *jobs.Segment) (pipeline.Batch, error) {
	b := &apnsBatch{app: a, seg: seg}
	var err error
	if b.request, b.deadline, b.personal, err = a.request(seg); err != nil {
		return nil, faultsOf(err)
	}
	return b, nil
}

// request renders what all recipients of the segment share. Of a job with variables that is a sample of its payload, and how each is made.
func (a *apnsApp) request(seg *jobs.Segment) (apns.Request, time.Time, *personal, error) {
	o := seg.Job.APNS
	request := apns.Request{
		Topic: or(o.Topic, a.Topic), BatchSize: or(o.BatchSize, a.BatchSize),
		CollapseID: or(o.CollapseID, ""), PushType: or(o.PushType, ""), ErrorTimeout: a.ErrorTimeout, Channel: or(o.Channel, ""),
		Retries: or(o.Retries, a.Retries), NoProviderIDs: !a.APNSParams.MessageIDs,
	}
	if o.ErrorTimeout != nil {
		// 0 is no wait at all, which the sender would take for its default.
		request.ErrorTimeout = max(time.Duration(*o.ErrorTimeout*float64(time.Second)), 1)
	}
	switch {
	case o.Priority != nil:
		request.Priority = *o.Priority
	case o.LowPriority != nil && *o.LowPriority:
		request.Priority = apns.PriorityLow
	}
	expiration := a.Expiration
	if o.Expiration != nil {
		expiration = time.Duration(*o.Expiration) * time.Second
	}
	var deadline time.Time
	if expiration > 0 {
		deadline = laterOf(seg.Published, seg.Job.DeliverAt).Add(expiration)
		request.Expiration = apns.ExpireAt(deadline)
	} else {
		request.Expiration = apns.ExpireNow()
	}
	message := apnsMessage(seg.Job)
	message.MaxPayloadLength = or(o.MaxPayloadLength, a.MaxPayloadLength)
	var each *personal
	if seg.Job.Vars != nil {
		each = &personal{shorten: message.MaxPayloadLength, raw: o.Payload != nil}
		message.MaxPayloadLength = 0
	}
	// The limit follows from the push type, and a push type that is not given from the payload.
	limit, binary := 0, a.Client.Protocol() == apns.Binary
	switch {
	case binary:
		limit = apns.MaxBinaryPayload
	case request.Channel != "":
		limit = apns.MaxBroadcastPayload
	case request.PushType != "":
		limit = apns.PayloadLimit(request.PushType)
	}
	if each != nil {
		if limit > 0 {
			each.shorten = min(each.shorten, limit)
		}
		limit = 0 // a placeholder has another length than what it becomes
	}
	err := request.Render(message, limit)
	if err != nil && binary {
		request.Payload = []byte("{}") // so that what else the protocol has no place for is named in one go
		return request, deadline, nil, together(err, a.Client.Validate(&request))
	}
	if err != nil {
		return request, deadline, nil, err
	}
	if each != nil {
		each.template = jobs.CompileTemplate(string(request.Payload))
		request.Payload = each.template.Sample()
	}
	err = a.Client.Validate(&request)
	return request, deadline, each, err
}

// together makes one list of the problems that two checks found.
func together(first, second error) error {
	a, ok := errors.AsType[apns.Problems](first)
	if b, too := errors.AsType[apns.Problems](second); ok && too {
		return append(a, b...)
	}
	return first
}

// faultsOf turns what a sender found wrong with a message into faults of the job.
func faultsOf(err error) error {
	if problems, ok := errors.AsType[apns.Problems](err); ok {
		faults := make(jobs.Faults, len(problems))
		for i, p := range problems {
			faults[i] = jobs.Fault{Field: p.Field, Problem: p.Text}
		}
		return faults
	}
	return err
}

func apnsMessage(job *jobs.Job) *apns.Message {
	o := job.APNS
	m := &apns.Message{
		Raw: o.Payload, Title: o.Title, Subtitle: o.Subtitle, TitleLocKey: o.TitleLocKey, TitleLocArgs: o.TitleLocArgs,
		SubtitleLocKey: o.SubtitleLocKey, SubtitleLocArgs: o.SubtitleLocArgs, ActionLocKey: o.ActionLocKey, LocKey: o.LocKey,
		LocArgs: o.LocArgs, LaunchImage: o.LaunchImage, Badge: o.Badge, Sound: raw(o.Sound), Category: o.Category, ThreadID: o.ThreadID,
		TargetContentID: o.TargetContentID, InterruptionLevel: o.InterruptionLevel, FilterCriteria: o.FilterCriteria,
		ContentAvailable: or(o.ContentAvailable, false), MutableContent: or(o.MutableContent, false), RelevanceScore: raw(o.RelevanceScore),
		StaleDate: o.StaleDate, ContentState: raw(o.ContentState), Timestamp: o.Timestamp, Event: o.Event, DismissalDate: o.DismissalDate,
		AttributesType: o.AttributesType, Attributes: raw(o.Attributes), ExtraJSON: o.Extra,
	}
	switch job.Message.Kind { //nolint:exhaustive // the others say nothing, or are GCM's
	case jobs.MessageText:
		m.Text = &job.Message.Text
	case jobs.MessageAlert:
		m.Alert = object(job.Message.Object)
	case jobs.MessageAPS:
		m.APS = object(job.Message.Object)
	}
	return m
}

// apnsBatch is one prepared segment.
type apnsBatch struct {
	app      *apnsApp
	seg      *jobs.Segment
	request  apns.Request
	deadline time.Time
	personal *personal // nil for a job without variables
	booking
}

// Deadline implements pipeline.Batch.
func (b *apnsBatch) Deadline() time.Time { return b.deadline }

// Book implements pipeline.Batch.
func (b *apnsBatch) Book() bool { return b.ask(b.app.Rate, b.seg.Job.Recipients()) }

// Send implements pipeline.Batch.
func (b *apnsBatch) Send(ctx context.Context, recipients []int, proceed func() bool, out []sender.Outcome) {
	b.spread(ctx, b.app.Rate, recipients, proceed, out, apns.Reason(apns.Paced), func(part []int) { b.deliver(ctx, part, proceed, out) })
}

// deliver sends at once. A malformed device token fails alone, in the sender.
func (b *apnsBatch) deliver(ctx context.Context, recipients []int, proceed func() bool, out []sender.Outcome) {
	request := b.request
	request.Proceed = proceed
	if b.personal != nil {
		if recipients, request.Payloads = b.personal.payloads(b.seg.Job.Vars, recipients, out); len(recipients) == 0 {
			return
		}
	}
	positions := make([]int, len(recipients))
	for k, i := range recipients {
		positions[k] = b.seg.Position(i)
		if request.Channel == "" {
			request.Tokens = append(request.Tokens, b.seg.Job.IDs[i].Reveal())
		}
	}
	client := b.app.Client
	b.app.enter()
	if client.Protocol() != apns.Binary {
		request.IDs = apnsIDs(b.seg.Job.App, b.seg.JobID, positions)
	}
	answers := make([]sender.Outcome, len(recipients))
	client.Deliver(ctx, &request, answers)
	b.app.leave()
	b.app.judge(answers)
	for k, i := range recipients {
		out[i] = answers[k]
	}
}

// SendEach implements pipeline.App.
func (a *apnsApp) SendEach(ctx context.Context, batches []pipeline.Batch, proceed func() bool, out []sender.Outcome) {
	a.enter()
	requests := make([]*apns.Request, len(batches))
	room := make([]string, 2*len(batches)) // what each request lists
	for i, one := range batches {
		b := one.(*apnsBatch)
		requests[i] = &b.request
		own := room[2*i : 2*i+2 : 2*i+2]
		if b.request.Channel == "" {
			b.request.Tokens, own[0] = own[:1:1], b.seg.Job.IDs[0].Reveal()
		}
		if a.Client.Protocol() != apns.Binary {
			b.request.IDs, own[1] = own[1:], apnsID(b.seg.Job.App, b.seg.JobID, b.seg.Position(0))
		}
	}
	a.Client.DeliverEach(ctx, requests, proceed, out)
	a.leave()
	a.judge(out)
}

func or[T any](given *T, otherwise T) T {
	if given == nil {
		return otherwise
	}
	return *given
}

func laterOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// raw keeps an absent value absent: a nil json.RawMessage in an interface would not be nil.
func raw(value json.RawMessage) any {
	if value == nil {
		return nil
	}
	return value
}

func object(fields map[string]json.RawMessage) map[string]any {
	if fields == nil {
		return nil
	}
	out := make(map[string]any, len(fields))
	for k, v := range fields {
		out[k] = v
	}
	return out
}
