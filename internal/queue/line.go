package queue

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// line is one subscription for the answers to pulls, and the request that is out on it. The client library's own pulls would
// not do: their requests can't be withdrawn without losing a delivery that is on its way, and a delivery does not tell when it
// was asked for, which is when its lease begins.
type line struct {
	pull   *pull
	sub    *nats.Subscription
	prefix string
	gone   chan struct{} // closed when nothing more comes

	number int // of the request that is out
	want   int
	got    int
	since  *time.Time // when the request that is out was asked for: shared by its deliveries, never changed
	failed error      // what the broker said against the request
	more   bool       // the request ended because it would have brought too many bytes
}

// arrival is something that came: a delivery, or what the broker says about a request.
type arrival struct {
	line *line
	msg  *nats.Msg
}

// inbox holds what came and was not looked at yet. What is asked for bounds it.
type inbox struct {
	mu    sync.Mutex
	all   []arrival
	spare []arrival
	ready chan struct{} // has room for one
}

func newInbox() *inbox { return &inbox{ready: make(chan struct{}, 1)} }

func (b *inbox) put(a arrival) {
	b.mu.Lock()
	b.all = append(b.all, a)
	first := len(b.all) == 1
	b.mu.Unlock()
	if first {
		select {
		case b.ready <- struct{}{}:
		default:
		}
	}
}

// take takes everything. What it returns is good until the next take.
func (b *inbox) take() []arrival {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.all
	clear(b.spare)
	b.all, b.spare = b.spare[:0], all
	return all
}

// pullRequest is the body of a request for messages.
type pullRequest struct {
	Batch   int           `json:"batch"`
	Bytes   int           `json:"max_bytes,omitempty"`
	Expires time.Duration `json:"expires,omitempty"`
	NoWait  bool          `json:"no_wait,omitempty"`
}

// open makes a new line.
func (p *pull) open() (*line, error) {
	l := &line{pull: p, prefix: nats.NewInbox() + ".", gone: make(chan struct{}), since: new(p.conn.now())}
	sub, err := p.conn.nc.Subscribe(l.prefix+"*", func(msg *nats.Msg) {
		p.inbox.put(arrival{l, msg})
	})
	if err != nil {
		return nil, fmt.Errorf("subscribing for deliveries: %w", err)
	}
	l.sub = sub
	sub.SetClosedHandler(func(string) { close(l.gone) })
	// What can come is bounded by what we ask for; the library's own bound would drop deliveries.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		l.close()
		return nil, fmt.Errorf("subscribing for deliveries: %w", err)
	}
	return l, nil
}

// ask sends a request. The one before must be complete.
func (l *line) ask(r pullRequest) error {
	l.number++
	l.want, l.got, l.failed, l.more = r.Batch, 0, nil, false
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("asking for deliveries: %w", err)
	}
	l.since = new(l.pull.conn.now())
	return l.pull.conn.nc.PublishRequest(apiNext+l.pull.Stream+"."+l.pull.Durable, l.prefix+strconv.Itoa(l.number), body)
}

// count takes note of a delivery; true if it was the last that was asked for.
func (l *line) count() bool {
	l.got++
	return l.got == l.want
}

// status reads what the broker says about a request; true if the current one is over.
func (l *line) status(msg *nats.Msg) bool {
	if strings.TrimPrefix(msg.Subject, l.prefix) != strconv.Itoa(l.number) {
		return false // an earlier request, complete already
	}
	code, description := msg.Header.Get("Status"), msg.Header.Get("Description")
	if code == "409" && strings.EqualFold(description, "Message Size Exceeds MaxBytes") {
		l.more = true
		return true
	}
	switch code {
	case "100": // a heartbeat
		return false
	case "404", "408": // no messages, or no more within the time
		return true
	case "409":
		if strings.EqualFold(description, "Batch Completed") { // said of a request with a bound of bytes, after its last delivery
			return true
		}
		l.failed = fmt.Errorf("the broker ends the pull: %s %s", code, description)
	case "503":
		l.failed = fmt.Errorf("stream %s with its durable %s is not there, or has no leader", l.pull.Stream, l.pull.Durable)
	default:
		l.failed = fmt.Errorf("the broker ends the pull: %s %s", code, description)
	}
	return true
}

// close ends the line. The broker forgets its request; deliveries that are on their way still come, until the returned channel
// is closed.
func (l *line) close() <-chan struct{} {
	end := l.sub.Drain
	if !l.pull.conn.Connected() {
		end = l.sub.Unsubscribe // nothing is on its way, and draining would wait for the connection
	}
	if err := end(); err != nil {
		l.pull.log.Debug().Err(err).Msg("closing a subscription for deliveries")
	}
	return l.gone
}
