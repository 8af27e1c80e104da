package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// perPage lines are allocated together: the ledger grows without ever copying what it holds.
const perPage = 4096

// idHeader is kept per line, because it is the one header that differs between the recipients of a job.
const idHeader = "apns-id"

// Ledger keeps every notification that arrived, in the order of arrival. The zero value is an empty ledger. Safe for
// concurrent use; no notification is missed or counted twice, and readers do not hold up writers.
//
// A line costs about 80 bytes and its token: headers and bodies that are equal but for the token and the apns-id are
// kept once.
type Ledger struct {
	mu      sync.Mutex
	pages   []*[perPage]line
	count   int
	heads   map[string]*head
	bodies  map[string]*body
	scratch []byte
	waiting []waiter
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger { return new(Ledger) }

// line is a Notification taken apart into what is its own and what it shares.
type line struct {
	token, id, reason string
	head              *head
	body              *body
	at                int64
	chunk             int32
	status            int16
	dryRun            bool
}

type head struct {
	platform, protocol string
	headers            map[string]string
}

// body is the text around the token, so that FCM v1, which repeats the message for each token, needs it only once.
type body struct {
	before, after string
	around        bool
}

type waiter struct {
	count int
	ready chan struct{}
}

// Add appends one line. The notification's headers and body may be shared and must not be changed any more.
func (l *Ledger) Add(n Notification) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.append(n.Token, n, l.head(n), l.body(n.Token, n.Body))
	l.wake()
}

// Recipient is what differs between the recipients of one request.
type Recipient struct {
	Token  string
	Status int
	Reason string
}

// AddEach appends one line for each recipient of one request, next to each other; all else is shared.
func (l *Ledger) AddEach(shared Notification, recipients []Recipient) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h, b := l.head(shared), l.body("", shared.Body)
	for _, r := range recipients {
		shared.Status, shared.Reason = r.Status, r.Reason
		l.append(r.Token, shared, h, b)
	}
	l.wake()
}

func (l *Ledger) append(token string, n Notification, h *head, b *body) {
	if l.count == len(l.pages)*perPage {
		l.pages = append(l.pages, new([perPage]line))
	}
	l.pages[l.count/perPage][l.count%perPage] = line{
		token: strings.Clone(token), id: strings.Clone(n.Headers[idHeader]), reason: n.Reason,
		head: h, body: b, at: n.At.UnixNano(), chunk: int32(n.Chunk), status: int16(n.Status), dryRun: n.DryRun,
	}
	l.count++
}

// head finds the shared form of the notification's headers, or keeps these.
func (l *Ledger) head(n Notification) *head {
	names := make([]string, 0, 16)
	for name := range n.Headers {
		if name != idHeader {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	key := append(l.scratch[:0], n.Platform...)
	key = append(append(key, 0), n.Protocol...)
	for _, name := range names {
		key = append(append(key, 0), name...)
		key = append(append(key, 0), n.Headers[name]...)
	}
	l.scratch = key
	if h := l.heads[string(key)]; h != nil {
		return h
	}
	h := &head{platform: n.Platform, protocol: n.Protocol, headers: maps.Clone(n.Headers)}
	delete(h.headers, idHeader)
	if l.heads == nil {
		l.heads = map[string]*head{}
	}
	l.heads[string(key)] = h
	return h
}

// body finds the shared form of a body, or keeps this one.
func (l *Ledger) body(token string, raw json.RawMessage) *body {
	if raw == nil {
		return nil
	}
	before, after, around := raw, json.RawMessage(nil), false
	if token != "" {
		if i := bytes.Index(raw, []byte(token)); i >= 0 {
			before, after, around = raw[:i], raw[i+len(token):], true
		}
	}
	key := append(l.scratch[:0], before...)
	if around {
		key = append(append(key, 0), after...) // 0 cannot be in JSON
	}
	l.scratch = key
	if b := l.bodies[string(key)]; b != nil {
		return b
	}
	b := &body{before: string(before), after: string(after), around: around}
	if l.bodies == nil {
		l.bodies = map[string]*body{}
	}
	l.bodies[string(key)] = b
	return b
}

func (l *Ledger) wake() {
	l.waiting = slices.DeleteFunc(l.waiting, func(w waiter) bool {
		if w.count <= l.count {
			close(w.ready)
			return true
		}
		return false
	})
}

// Wait returns when the ledger has at least count lines, or with the context's error.
func (l *Ledger) Wait(ctx context.Context, count int) error {
	w := waiter{count: count, ready: make(chan struct{})}
	l.mu.Lock()
	l.waiting = append(l.waiting, w)
	l.wake()
	l.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = slices.DeleteFunc(l.waiting, func(other waiter) bool { return other.ready == w.ready })
	return ctx.Err()
}

// Len is the number of lines.
func (l *Ledger) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// Reset empties the ledger. Whoever reads it at that moment goes on reading the old lines.
func (l *Ledger) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pages, l.count, l.heads, l.bodies, l.scratch = nil, 0, nil, nil, nil
}

// lines are the ledger's lines at this moment. Lines once written do not change, so no lock is needed to read them.
func (l *Ledger) lines() iter.Seq[*line] {
	l.mu.Lock()
	pages, count := slices.Clone(l.pages), l.count
	l.mu.Unlock()
	return func(yield func(*line) bool) {
		for i := range count {
			if !yield(&pages[i/perPage][i%perPage]) {
				return
			}
		}
	}
}

// Each yields the lines the ledger has at the moment of the call, one by one and without building a list.
func (l *Ledger) Each() iter.Seq[Notification] {
	lines := l.lines()
	return func(yield func(Notification) bool) {
		for line := range lines {
			if !yield(line.notification()) {
				return
			}
		}
	}
}

// All is the list of all lines. For large ledgers prefer Each.
func (l *Ledger) All() []Notification {
	return slices.AppendSeq(make([]Notification, 0, l.Len()), l.Each())
}

func (x *line) notification() Notification {
	n := Notification{
		Platform: x.head.platform, Protocol: x.head.protocol, Token: x.token, Headers: x.head.headers,
		Status: int(x.status), Reason: x.reason, DryRun: x.dryRun, Chunk: int(x.chunk), At: time.Unix(0, x.at).UTC(),
	}
	if x.id != "" {
		n.Headers = maps.Clone(x.head.headers)
		n.Headers[idHeader] = x.id
	}
	switch {
	case x.body == nil:
	case x.body.around:
		n.Body = json.RawMessage(x.body.before + x.token + x.body.after)
	default:
		n.Body = json.RawMessage(x.body.before)
	}
	return n
}
