package apns

import (
	"context"
	"fmt"
	"time"
)

// Option is one option of Send.
type Option func(*sendOptions)

type sendOptions struct {
	request          Request
	expiration       time.Duration
	expirationGiven  bool
	lowPriority      bool
	maxPayloadLength int
	truncationGiven  bool
}

// WithExpiration is how long from now the notification is worth delivering, in whole seconds; 0 is one attempt, never
// stored. The default is Defaults.ExpirationOffset, 30 days.
func WithExpiration(fromNow time.Duration) Option {
	return func(o *sendOptions) { o.expiration, o.expirationGiven = fromNow, true }
}

// WithLowPriority sends with priority 5, which spares the device's battery, instead of 10.
func WithLowPriority() Option { return func(o *sendOptions) { o.lowPriority = true } }

// WithPriority sends with priority 10, 5 or 1.
func WithPriority(priority int) Option { return func(o *sendOptions) { o.request.Priority = priority } }

// WithBatchSize is the most notifications begun together, 1 to 1,000.
func WithBatchSize(n int) Option { return func(o *sendOptions) { o.request.BatchSize = n } }

// WithErrorTimeout is how long answers are awaited after the last notification was begun; what is unanswered then is
// uncertain. 0 means Defaults.ErrorTimeout.
func WithErrorTimeout(d time.Duration) Option {
	return func(o *sendOptions) { o.request.ErrorTimeout = d }
}

// WithMaxPayloadLength shortens the alert's text until the payload has at most n bytes; 0 switches truncation off. It
// goes before Message.MaxPayloadLength.
func WithMaxPayloadLength(n int) Option {
	return func(o *sendOptions) { o.maxPayloadLength, o.truncationGiven = n, true }
}

// WithRetries is how many connections in a row may fail before the rest is given back, with the binary protocol; 5 by
// default, at least 1.
func WithRetries(n int) Option { return func(o *sendOptions) { o.request.Retries = max(n, 1) } }

// WithTopic sends to another bundle id than Config.Topic.
func WithTopic(bundle string) Option { return func(o *sendOptions) { o.request.Topic = bundle } }

// WithPushType sets apns-push-type instead of deriving it from the payload.
func WithPushType(pushType string) Option {
	return func(o *sendOptions) { o.request.PushType = pushType }
}

// WithCollapseID lets a later notification with the same id replace this one on the device.
func WithCollapseID(id string) Option { return func(o *sendOptions) { o.request.CollapseID = id } }

// WithIDs sets the apns-id of each recipient, a UUID each.
func WithIDs(ids []string) Option { return func(o *sendOptions) { o.request.IDs = ids } }

// Send sends the message to each of the device tokens, in one call of Deliver. message may be nil, which sends
// {"aps":{}}. The error is Problems when the message or an option is wrong, and then nothing was sent; everything that
// became of single recipients, malformed tokens included, is in the Response. Nothing is sent twice: resending is the
// caller's decision, by Error.Class. Safe for concurrent use.
func (c *Client) Send(ctx context.Context, ids []string, message *Message, options ...Option) (*Response, error) {
	o := sendOptions{
		request:    Request{Tokens: ids, BatchSize: c.defaults.BatchSize, Retries: c.defaults.Retries},
		expiration: c.defaults.ExpirationOffset,
	}
	for _, option := range options {
		option(&o)
	}
	if message == nil {
		message = &Message{}
	}
	problems := append(o.check(c.defaults), c.render(message, &o)...)
	if o.request.Payload != nil {
		_, more := c.headersOf(&o.request)
		problems = append(problems, more...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	response := newResponse(ids, message)
	c.Deliver(ctx, &o.request, response.Outcomes)
	response.sum()
	return response, nil
}

// maxBatchSize and maxErrorTimeout are the contract's limits (DESIGN §2).
const (
	maxBatchSize    = 1000
	maxErrorTimeout = 300 * time.Second
)

func (o *sendOptions) check(defaults Defaults) Problems {
	var problems Problems
	if o.request.BatchSize < 1 || o.request.BatchSize > maxBatchSize {
		problems.add("BadRequestParams", "batch_size", fmt.Sprintf("must be 1 to %d, not %d", maxBatchSize, o.request.BatchSize))
	}
	if o.request.ErrorTimeout < 0 || o.request.ErrorTimeout > maxErrorTimeout {
		problems.add("BadRequestParams", "error_timeout", fmt.Sprintf("must be 0 to %s, not %s", maxErrorTimeout, o.request.ErrorTimeout))
	}
	if o.expiration < 0 {
		problems.add("BadExpirationDate", "expiration", "must be 0 or more, counted from now")
	}
	o.request.ErrorTimeout = either(o.request.ErrorTimeout, defaults.ErrorTimeout)
	if o.lowPriority {
		if o.request.Priority != 0 {
			problems.add("BadPriority", "low_priority", "can't be given beside priority")
		}
		o.request.Priority = PriorityLow
	}
	return problems
}

// render fills in payload, expiration and push type.
func (c *Client) render(message *Message, o *sendOptions) Problems {
	m := *message
	switch {
	case o.truncationGiven:
		m.MaxPayloadLength = o.maxPayloadLength
	case m.MaxPayloadLength == 0:
		m.MaxPayloadLength = c.defaults.MaxPayloadLength
	}
	payload, problems := m.render(c.payloadLimit(&o.request))
	if len(problems) > 0 {
		return problems
	}
	o.request.Payload = payload
	o.request.Expiration = ExpireAt(c.now().Add(o.expiration))
	if o.expirationGiven && o.expiration < time.Second {
		o.request.Expiration = ExpireNow()
	}
	return nil
}
