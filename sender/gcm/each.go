package gcm

import (
	"context"
	"sync"

	"github.com/volleypush/volley/sender"
)

// DeliverEach sends requests that have one recipient each, together: what differs from so many calls of Deliver is what it costs. out[i]
// is the outcome of requests[i]; out must be as long. proceed is asked instead of Request.Proceed; nil means always. An answer that concerns
// the whole app may end all of them. Safe for concurrent use.
func (c *Client) DeliverEach(ctx context.Context, requests []*Request, proceed func() bool, out []sender.Outcome) {
	together := &Request{
		Tokens: make([]string, 0, len(requests)), Messages: make([]*Prepared, 0, len(requests)), NoProviderIDs: true, Proceed: proceed,
	}
	positions := make([]int, 0, len(requests))
	var others sync.WaitGroup
	for i, r := range requests {
		if c.config.Protocol == Legacy || r.Messages != nil || r.Message.target != "" || len(r.Tokens) != 1 {
			alone := *r
			alone.Proceed = proceed
			others.Go(func() { c.Deliver(ctx, &alone, out[i:i+1]) })
			continue
		}
		together.Tokens, together.Messages = append(together.Tokens, r.Tokens[0]), append(together.Messages, r.Message)
		together.NoProviderIDs = together.NoProviderIDs && r.NoProviderIDs
		together.ErrorTimeout = max(together.ErrorTimeout, r.ErrorTimeout)
		positions = append(positions, i)
	}
	if len(positions) > 0 {
		together.Message = together.Messages[0]
		answers := make([]sender.Outcome, len(positions))
		c.Deliver(ctx, together, answers)
		for k, i := range positions {
			out[i] = answers[k]
		}
	}
	others.Wait()
}
