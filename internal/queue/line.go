package queue

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
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
	since  time.Time
	failed error // what the broker said against the request
}

// arrival is something that came: a delivery, or what the broker says about a request.
type arrival struct {
	line *line
	msg  *nats.Msg
}

// pullRequest is the body of a request for messages.
type pullRequest struct {
	Batch   int           `json:"batch"`
	Expires time.Duration `json:"expires,omitempty"`
	NoWait  bool          `json:"no_wait,omitempty"`
}

// open makes a new line.
func (p *pull) open() (*line, error) {
	l := &line{pull: p, prefix: nats.NewInbox() + ".", gone: make(chan struct{}), since: p.conn.now()}
	sub, err := p.conn.nc.Subscribe(l.prefix+"*", func(msg *nats.Msg) {
		select {
		case p.inbox <- arrival{l, msg}:
		case <-p.over:
		}
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
	l.want, l.got, l.failed = r.Batch, 0, nil
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("asking for deliveries: %w", err)
	}
	l.since = l.pull.conn.now()
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
	switch code := msg.Header.Get("Status"); code {
	case "100": // a heartbeat
		return false
	case "404", "408": // no messages, or no more within the time
		return true
	case "503":
		l.failed = fmt.Errorf("stream %s with its durable %s is not there, or has no leader", l.pull.Stream, l.pull.Durable)
	default:
		l.failed = fmt.Errorf("the broker ends the pull: %s %s", code, msg.Header.Get("Description"))
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
