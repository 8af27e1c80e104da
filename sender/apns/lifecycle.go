package apns

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/volleypush/volley/sender"
)

// How connections come and go. As in pool.go the caller holds mu where nothing else is said.

// lose retires a connection that ended by itself. What waits goes on elsewhere, unless that is pointless: the reason
// concerns the credential, or the connection never answered at all and there is no other, or it happened too often.
func (p *pool) lose(m *member, reason *sender.Reason) {
	p.retire(m)
	if reason.Class == sender.Credential {
		p.failure = errors.New("the provider closed the connection: " + reason.Name)
	}
	for _, c := range slices.Clone(p.waiting) {
		c.losses++
		if reason.Class == sender.Credential || c.losses > maxLosses || (!m.proven && len(p.members) == 0) {
			p.stop(c, reason)
		}
	}
	if !m.proven {
		p.growFrom = time.Now().Add(growPause)
	}
}

// retire begins nothing more on m and closes it when the last answer is in.
func (p *pool) retire(m *member) {
	if m.left {
		return
	}
	m.left = true
	p.members = slices.DeleteFunc(p.members, func(other *member) bool { return other == m })
	p.leaving = append(p.leaving, m)
	p.closeIfDrained(m)
}

func (p *pool) closeIfDrained(m *member) {
	if m.left && m.flying == 0 {
		p.shut(m)
	}
}

// shut closes m in the background: closing waits for flights, whose landing needs mu.
func (p *pool) shut(m *member) {
	if m.closing {
		return
	}
	m.closing = true
	p.leaving = slices.DeleteFunc(p.leaving, func(other *member) bool { return other == m })
	m.era.wg.Go(func() {
		m.link.close()
		close(m.gone)
	})
}

// grow opens one connection more if that may help: never two at a time, never while a new one is still unproven.
func (p *pool) grow() {
	if p.era.dialing || len(p.members) >= p.size {
		return
	}
	if slices.ContainsFunc(p.members, func(m *member) bool { return !m.proven }) {
		return
	}
	if len(p.members) > 0 && time.Now().Before(p.growFrom) {
		return
	}
	e := p.era
	e.dialing = true
	e.wg.Go(func() { p.open(e) })
}

// open dials; it takes mu itself.
func (p *pool) open(e *era) {
	m := &member{pool: p, era: e, news: make(chan struct{}, 1), gone: make(chan struct{})}
	ctx, cancel := context.WithTimeout(e.ctx, p.dialTimeout)
	defer cancel()
	l, err := p.dial(ctx, m)
	p.mu.Lock()
	defer p.mu.Unlock()
	e.dialing = false
	switch {
	case err != nil:
		if p.era == e {
			p.dialFailed(err)
		}
		return
	case p.era != e: // closed meanwhile
		e.wg.Go(l.close)
		return
	}
	m.link = l
	p.members = append(p.members, m)
	e.wg.Go(func() { p.watch(m) })
	p.pump()
}

func (p *pool) dialFailed(err error) {
	p.failure = err
	p.growFrom = time.Now().Add(growPause)
	if len(p.members) > 0 {
		return
	}
	reason := Reason(ConnectionFailed)
	if known, ok := errors.AsType[*dialError](err); ok {
		reason = known.reason
	}
	for _, c := range slices.Clone(p.waiting) {
		p.stop(c, reason)
	}
}

// watch pumps whenever the link says that something changed; it takes mu itself.
func (p *pool) watch(m *member) {
	for {
		select {
		case <-m.news:
			p.mu.Lock()
			p.sweep()
			p.pump()
			p.mu.Unlock()
		case <-m.gone:
			return
		}
	}
}

// close ends every connection and waits until nothing of them is left; what is in flight is uncertain, what waits unsent.
// The pool opens anew when it is used again. It takes mu itself.
func (p *pool) close() {
	p.mu.Lock()
	old := p.era
	p.era = newEra()
	old.cancel()
	for _, c := range slices.Clone(p.waiting) {
		p.stop(c, Reason(NotBegun))
	}
	for _, m := range slices.Concat(p.members, p.leaving) {
		m.left = true
		p.shut(m)
	}
	p.members, p.leaving = nil, nil
	p.mu.Unlock()
	old.wg.Wait()
}
