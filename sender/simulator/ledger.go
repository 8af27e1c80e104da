package simulator

import (
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
	// spare has what AddRequest works with.
	spare sync.Pool
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
	l.append(n, l.head(n), l.body(n.Token, n.Body), n.Headers[idHeader])
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
		shared.Token, shared.Status, shared.Reason = r.Token, r.Status, r.Reason
		l.append(shared, h, b, shared.Headers[idHeader])
	}
	l.wake()
}

func (l *Ledger) append(n Notification, h *head, b *body, id string) {
	if l.count == len(l.pages)*perPage {
		l.pages = append(l.pages, new([perPage]line))
	}
	l.pages[l.count/perPage][l.count%perPage] = line{
		token: strings.Clone(n.Token), id: strings.Clone(id), reason: n.Reason,
		head: h, body: b, at: n.At.UnixNano(), dryRun: n.DryRun,
		//nolint:gosec // a request names no more recipients than that, and a status has three digits
		chunk: int32(n.Chunk), status: int16(n.Status),
	}
	l.count++
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
