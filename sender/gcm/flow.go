package gcm

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/internal/h2"
)

// maxAhead is the most messages that are written ahead in one go.
const maxAhead = 100

// Why recipients are given back without having been sent to.
var (
	errNoStream = errors.New("no stream became free in time")
	errStalled  = errors.New("the server takes requests and does not answer")
	errEndless  = errors.New("the server ends connections instead of answering")
)

// flow is a delivery over the pipelined engine. The goroutine that delivers begins messages as connections have room for them; what
// becomes of them is settled by the connections' readers. No goroutine waits for a single message.
type flow struct {
	*delivery
	pool   *pool
	closed int // pool.closed when it began

	news chan struct{} // something can be begun, or everything has landed
	leg  *leg          // the latest

	mu     sync.Mutex
	next   []int // positions that are to be begun, in order
	again  []int // positions that are to be begun once more
	twice  map[int]second
	flying int
	legs   []*leg
}

// leg is the part of a flow that is sent with the same access token. It is what the engine knows as the requests' owner.
type leg struct {
	flow     *flow
	token    string
	template *h2.Template
}

// second is why a position was begun once more.
type second struct{ unprocessed, unauthorized bool }

// flow sends to the positions and returns when all have their outcome.
func (d *delivery) flow(positions []int) {
	f := &flow{delivery: d, pool: d.client.pool, next: positions, news: make(chan struct{}, 1)}
	f.pool.mu.Lock()
	f.closed = f.pool.closed
	f.pool.mu.Unlock()
	stop := context.AfterFunc(d.ctx, func() { f.withdraw(0) })
	defer stop()
	done := make(chan struct{})
	defer close(done)
	go f.expire(done)
	for f.await() {
		f.begin()
	}
}

// await waits until something can be begun; false when everything is settled.
func (f *flow) await() bool {
	for {
		f.mu.Lock()
		waiting, flying := len(f.next)+len(f.again), f.flying
		f.mu.Unlock()
		switch {
		case waiting > 0:
			return true
		case flying == 0:
			return false
		}
		<-f.news
	}
}

// tell wakes await.
func (f *flow) tell() {
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// begin begins what can be begun now, after waiting until that is at least one.
func (f *flow) begin() {
	f.mu.Lock()
	n := min(len(f.next)+len(f.again), maxAhead)
	f.mu.Unlock()
	if n = f.share(n); n == 0 {
		f.giveBack()
		return
	}
	token, failure := f.client.token(f.open)
	if failure != nil {
		f.unshare(n - 1)
		f.settleNext(*failure)
		return
	}
	ctx, cancel := context.WithTimeoutCause(f.open, f.timeout, errNoStream)
	c, got, err := f.acquire(ctx, n)
	cancel()
	if err != nil {
		f.unshare(n - 1)
		f.settleNext(f.unconnected(err))
		return
	}
	leave := 1 // was asked for by share
	for leave < got && (f.request.Proceed == nil || f.request.Proceed()) {
		leave++
	}
	f.unshare(n - leave)
	if begun := f.launch(c, f.take(leave), token); begun < got {
		f.pool.releaseSome(c, got-begun, false)
	}
}

// acquire waits for streams, unless the client was closed meanwhile.
func (f *flow) acquire(ctx context.Context, n int) (*conn, int, error) {
	f.pool.mu.Lock()
	closed := f.pool.closed != f.closed
	f.pool.mu.Unlock()
	if closed {
		return nil, 0, errPoolClosed
	}
	return f.pool.acquireSome(ctx, n)
}

// share waits until one message more may be begun, and says for how many the quota has room, up to most; 0 if for none any more.
func (f *flow) share(most int) int {
	if !f.mayBegin() {
		return 0
	}
	if p := &f.pace; f.client.config.Quota != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		most = min(most, 1+p.allowed)
		p.begun, p.allowed = p.begun+most-1, p.allowed-most+1
	}
	return most
}

// unshare gives back what share allowed and was not begun.
func (f *flow) unshare(n int) {
	if p := &f.pace; f.client.config.Quota != nil && n > 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.begun, p.allowed = p.begun-n, p.allowed+n
	}
}

// take takes the next n positions, those that are begun once more first.
func (f *flow) take(n int) []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := min(n, len(f.again))
	positions := f.again[:k:k]
	f.again = f.again[k:]
	if k == 0 {
		positions = f.next[:n]
	} else {
		positions = append(positions, f.next[:n-k]...)
	}
	f.next = f.next[n-k:]
	f.flying += n
	return positions
}

// launch begins messages on a connection that has room for them, and says for how many it had.
func (f *flow) launch(c *conn, positions []int, token string) int {
	if f.leg == nil || f.leg.token != token {
		f.leg = &leg{flow: f, token: token, template: f.template(token)}
		f.mu.Lock()
		f.legs = append(f.legs, f.leg)
		f.mu.Unlock()
	}
	var requests [maxAhead]h2.Request
	for k, at := range positions {
		r := h2.Request{Template: f.leg.template, Owner: f.leg, Index: at}
		switch {
		case f.request.Messages != nil:
			m := f.request.Messages[at]
			r.Body = string(m.one.before) + `"` + jsonText(f.request.Tokens[at]) + `"` + string(m.one.after)
		case f.request.Message.target == "":
			r.Body = jsonText(f.request.Tokens[at])
		}
		requests[k] = r
	}
	n := c.carrier.(*pipe).h2.Begin(requests[:len(positions)])
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flying -= len(positions) - n
	f.again = append(slices.Clone(positions[n:]), f.again...)
	return n
}

// jsonText is a registration ID as it stands in a JSON string; usually the same.
func jsonText(id string) string {
	for i := range len(id) {
		if c := id[i]; c < ' ' || c == '"' || c == '\\' {
			quoted := appendString(nil, id)
			return string(quoted[1 : len(quoted)-1])
		}
	}
	return id
}

// template is what all messages have in common that are sent with the token.
func (f *flow) template(token string) *h2.Template {
	config, message := f.client.config, f.request.Message
	t := &h2.Template{
		Authority: f.client.endpoint.Host, Path: f.client.endpoint.EscapedPath(), Batch: maxAhead,
		Fields: []h2.Field{
			{Name: "authorization", Value: "Bearer " + token},
			{Name: "content-type", Value: "application/json"},
			{Name: "user-agent", Value: "volley"},
		},
	}
	if config.Protocol == V1 {
		t.Fields = append(t.Fields, h2.Field{Name: "x-goog-api-format-version", Value: "2"})
	}
	switch {
	case f.request.Messages != nil: // each body is its own
	case message.target != "":
		t.Before = message.fixed
	default:
		t.Before = append(slices.Clone(message.one.before), '"')
		t.After = append([]byte{'"'}, message.one.after...)
	}
	return t
}

// settleNext settles the next position. It has not been begun, or not for the time that counts.
func (f *flow) settleNext(o sender.Outcome) {
	at := f.take(1)[0]
	f.settle(at, o)
	f.mu.Lock()
	f.flying--
	f.mu.Unlock()
}

// giveBack settles everything that is not begun.
func (f *flow) giveBack() {
	f.mu.Lock()
	rest := slices.Concat(f.again, f.next)
	f.again, f.next = nil, nil
	f.mu.Unlock()
	for _, at := range rest {
		f.out[at] = f.notBegun()
	}
}

// expire gives up, until done, requests whose answer was awaited long enough.
func (f *flow) expire(done <-chan struct{}) {
	ticker := time.NewTicker(max(f.timeout/8, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			f.withdraw(f.timeout)
		case <-done:
			return
		}
	}
}

// withdraw gives up requests that were begun at least so long ago.
func (f *flow) withdraw(age time.Duration) {
	f.mu.Lock()
	legs := slices.Clone(f.legs)
	f.mu.Unlock()
	f.pool.mu.Lock()
	conns := slices.Clone(f.pool.conns)
	f.pool.mu.Unlock()
	for _, c := range conns {
		for _, l := range legs {
			if given := c.carrier.(*pipe).h2.Cancel(l, age, nil); len(given) > 0 {
				f.givenUp(c, given, age > 0)
			}
		}
	}
}

// givenUp settles requests whose answer is not awaited any longer. A connection that has sent nothing meanwhile is dead, and there is no
// reason to try the next one: the rest goes back at once.
func (f *flow) givenUp(c *conn, answers []h2.Answer, timeout bool) {
	silent := slices.ContainsFunc(answers, func(a h2.Answer) bool { return a.Fate == h2.Withdrawn && a.Silent })
	f.pool.mu.Lock()
	stalled := timeout && (silent || !c.warm)
	c.retired = c.retired || stalled
	c.running -= len(answers)
	f.pool.serve()
	f.pool.mu.Unlock()
	if stalled {
		f.stop(f.unconnected(errStalled))
	}
	for i := range answers {
		a := &answers[i]
		switch {
		case a.Fate == h2.Withdrawn && timeout:
			f.settleAt(a.Index, sender.Failed(reasonsByName[reasonAnswerTimeout], 0))
		case a.Fate == h2.Withdrawn:
			f.settleAt(a.Index, sender.Failed(reasonsByName[reasonAnswerLost], 0))
		default:
			f.settleAt(a.Index, f.notBegun())
		}
	}
	f.mu.Lock()
	f.flying -= len(answers)
	f.mu.Unlock()
	f.tell()
}
