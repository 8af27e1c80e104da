package apns

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/internal/h2"
)

// pipelined is a link over the engine of sender/internal/h2: notifications are written ahead in batches, and one read may
// bring hundreds of answers. It allocates nothing for a notification that is accepted.
type pipelined struct {
	conn      *h2.Conn
	host      string
	clock     func() time.Time
	listener  listener
	templates templates    // of start
	requests  []h2.Request // scratch of start
	answers   []h2.Answer  // scratch of cancel
	landings  []landing    // scratch of Settled
	ids       []byte       // scratch of nameIDs
	ends      []int        // scratch of nameIDs
}

// The fields of an answer that say something.
const (
	keptID = iota
	keptRetryAfter
	keptDate
)

// dialPipelined returns a dialer of pipelined links.
func dialPipelined(to target, config *tls.Config, dial dialFunc, clock func() time.Time) dialer {
	return func(ctx context.Context, listener listener) (link, error) {
		raw, err := dialTCP(ctx, to, dial)
		if err != nil {
			return nil, err
		}
		l := &pipelined{host: to.host, clock: clock, listener: listener}
		l.conn, err = h2.Open(ctx, raw, config, h2.Config{
			Handler: l, Keep: [...]string{keptID: "apns-id", keptRetryAfter: "retry-after", keptDate: "date"}, MaxBody: maxBody,
		})
		if err != nil {
			return nil, openError(to, err)
		}
		return l, nil
	}
}

// openError says why a connection could not be opened.
func openError(to target, err error) error {
	var handshake *h2.HandshakeError
	var gone *h2.GoAway
	switch {
	case errors.As(err, &handshake):
		return handshakeError(to, handshake.Err)
	case errors.Is(err, h2.ErrProtocol):
		return noHTTP2(to)
	case isCertificateAlert(err):
		return &dialError{Reason(CertificateRefused), errors.New(to.address + refusedRemedy)}
	case errors.As(err, &gone):
		return &dialError{goAwayReason(gone.Debug), fmt.Errorf("%s: %w", to.address, err)}
	}
	return noAnswer(to)
}

func (l *pipelined) free() int { return l.conn.Free() }

func (l *pipelined) start(c *call, positions []int, authorization string) int {
	l.requests = l.requests[:0]
	for _, i := range positions {
		one, k := c.part(i)
		r := h2.Request{Template: l.templates.of(one, l.host, authorization, c.batch), Body: one.request.payload(k, one.body), Owner: c, Index: i}
		if one.shared.channel == "" {
			r.Path = one.request.Tokens[k]
		}
		if one.request.IDs != nil {
			r.Own = one.id(k)
		}
		l.requests = append(l.requests, r)
	}
	n := l.conn.Begin(l.requests)
	clear(l.requests)
	return n
}

// templates are the heads of what a link sent lately. Many calls have the same one, and a connection encodes each anew that is not
// the one before.
type templates struct {
	known map[templateKey]*h2.Template
	last  *h2.Template
	is    templateKey // of last
}

// templateKey is everything that a template is made of.
type templateKey struct {
	shared        headers
	authorization string
	batch         int
}

// maxTemplates is how many are kept: the seconds of an expiration make many.
const maxTemplates = 64

// of is the head of the part's notifications on connections that use this provider token.
func (t *templates) of(one *part, host, authorization string, batch int) *h2.Template {
	key := templateKey{one.shared, authorization, batch}
	if t.last != nil && t.is == key {
		return t.last
	}
	if t.known == nil || len(t.known) >= maxTemplates {
		t.known = make(map[templateKey]*h2.Template)
	}
	if t.known[key] == nil {
		t.known[key] = newTemplate(one, host, authorization, batch)
	}
	t.last, t.is = t.known[key], key
	return t.last
}

func newTemplate(one *part, host, authorization string, batch int) *h2.Template {
	t := &h2.Template{Authority: host, Path: devicePath, OwnField: "apns-id", Batch: batch}
	if one.shared.channel != "" {
		t.Path, t.OwnField = one.shared.path(one.request, 0), "apns-request-id"
	}
	if authorization != "" {
		t.Fields = append(t.Fields, h2.Field{Name: "authorization", Value: authorization})
	}
	for _, f := range one.shared.fields("") {
		t.Fields = append(t.Fields, h2.Field(f))
	}
	return t
}

func (l *pipelined) cancel(c *call, into []landing) []landing {
	l.answers = l.conn.Cancel(c, 0, l.answers[:0])
	for i := range l.answers {
		a := &l.answers[i]
		reason := Reason(NotBegun)
		if a.Fate == h2.Withdrawn {
			reason = givenUp(c.cause)
		}
		into = append(into, landing{
			call: c, index: a.Index, outcome: sender.Failed(reason, 0), waited: a.Waited, silent: a.Fate == h2.Withdrawn && a.Silent,
		})
	}
	clear(l.answers)
	return into
}

func (l *pipelined) ended() *sender.Reason {
	err := l.conn.Err()
	if err == nil {
		return nil
	}
	if gone, ok := errors.AsType[*h2.GoAway](err); ok {
		return goAwayReason(gone.Debug)
	}
	return Reason(ConnectionLost)
}

func (l *pipelined) close() { l.conn.Close() }

// Changed implements h2.Handler.
func (l *pipelined) Changed() { l.listener.changed() }

// Settled implements h2.Handler.
func (l *pipelined) Settled(answers []h2.Answer) {
	l.landings = l.landings[:0]
	for i := range answers {
		a := &answers[i]
		one := landing{call: a.Owner.(*call), index: a.Index}
		if one.answered = a.Fate == h2.Answered; one.answered {
			part, _ := one.call.part(a.Index)
			one.outcome = l.outcome(part, a)
		} else {
			one.outcome = sender.Failed(l.reason(a.Fate), 0)
		}
		l.landings = append(l.landings, one)
	}
	l.nameIDs(answers)
	l.listener.landed(l.landings)
	clear(l.landings)
}

// outcome classifies an answer.
func (l *pipelined) outcome(p *part, a *h2.Answer) sender.Outcome {
	if isAcceptance(a.Status) {
		return sender.Outcome{Class: sender.Accepted, Status: a.Status}
	}
	r := reply{status: a.Status, retryAfter: a.Kept[keptRetryAfter].String(), date: a.Kept[keptDate].String(), body: a.Body}
	return r.outcome(&p.shared, l.clock())
}

// nameIDs sets the ids of the accepted, for which all of them together cost one allocation.
func (l *pipelined) nameIDs(answers []h2.Answer) {
	l.ids, l.ends = l.ids[:0], l.ends[:0]
	for i := range answers {
		one := &l.landings[i]
		if part, _ := one.call.part(one.index); one.outcome.Class == sender.Accepted && !part.request.NoProviderIDs {
			l.ids = answers[i].Kept[keptID].Append(l.ids)
		}
		l.ends = append(l.ends, len(l.ids))
	}
	if len(l.ids) == 0 {
		return
	}
	all, begin := string(l.ids), 0
	for i, end := range l.ends {
		l.landings[i].outcome.ProviderID = all[begin:end]
		begin = end
	}
}

// reason is the row of a request that got no answer (apns-http2 §14).
func (l *pipelined) reason(fate h2.Fate) *sender.Reason {
	switch fate { //nolint:exhaustive // the others are not told here
	case h2.Refused:
		return Reason(RefusedStream)
	case h2.LeftOut:
		return l.ended()
	case h2.Unsent:
		return Reason(ConnectionLost)
	}
	return Reason(AnswerLost)
}
