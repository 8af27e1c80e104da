// This file models the feedback service: "Binary Provider API", feedback service. Whoever connects gets the list of tokens
// whose app is gone, each with the time since when, and then the end of the connection; the list is forgotten as it is
// handed out (apns-binary §4). Not modelled: that the list is kept per topic.

package apnstest

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/volleypush/volley/sender/simulator"
)

// ExpiredList is what the feedback service knows. Safe for concurrent use.
type ExpiredList struct {
	mu      sync.Mutex
	entries []expired
	listed  map[string]struct{}
}

type expired struct {
	token []byte
	at    uint32
}

// NewExpiredList returns an empty list.
func NewExpiredList() *ExpiredList { return &ExpiredList{listed: map[string]struct{}{}} }

// Add puts a device token, hex, on the list: it is gone since at. One that is listed stays as it is.
func (l *ExpiredList) Add(token string, at time.Time) error {
	raw, err := hex.DecodeString(token)
	if err != nil || len(raw) > 1<<16-1 {
		return fmt.Errorf("a token of %d characters is not hex, or too long", len(token))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, listed := l.listed[string(raw)]; listed {
		return nil
	}
	l.listed[string(raw)] = struct{}{}
	l.entries = append(l.entries, expired{token: raw, at: uint32(at.Unix())}) //nolint:gosec // the field has four bytes until 2106
	return nil
}

// Len is how many tokens are on the list.
func (l *ExpiredList) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

// take empties the list.
func (l *ExpiredList) take() []expired {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.entries
	l.entries = nil
	clear(l.listed)
	return taken
}

// FeedbackOptions says how a Feedback service behaves.
type FeedbackOptions struct {
	// Addr is host:port to listen on. Default 127.0.0.1:0, a free port. Apple's port was 2196.
	Addr string
	// Hosts are further names for the server's certificate, beside localhost, the loopbacks and Addr's host.
	Hosts []string
	// Authority signs the server's certificate and judges client certificates. Default: a new one.
	Authority *simulator.Authority
	// Scripts says what goes wrong (simulator.Script.Feedback). Default: nothing.
	Scripts *simulator.Scripts
	// Expired is the list. Default: a new, empty one.
	Expired *ExpiredList
}

// Feedback is a running simulator of the feedback service. Safe for concurrent use.
type Feedback struct {
	options  FeedbackOptions
	endpoint *simulator.Endpoint
	reads    atomic.Int64
}

// NewFeedback starts a simulator. A taken address is an error that says so.
func NewFeedback(o FeedbackOptions) (*Feedback, error) {
	if o.Authority == nil {
		authority, err := simulator.NewAuthority()
		if err != nil {
			return nil, err
		}
		o.Authority = authority
	}
	if o.Scripts == nil {
		o.Scripts = simulator.NewScripts()
	}
	if o.Expired == nil {
		o.Expired = NewExpiredList()
	}
	f := &Feedback{options: o}
	endpoint, err := simulator.Listen(simulator.EndpointOptions{
		Name:                     "APNs feedback simulator",
		Platform:                 simulator.APNS,
		Addr:                     o.Addr,
		Hosts:                    o.Hosts,
		Authority:                o.Authority,
		Scripts:                  o.Scripts,
		RequestClientCertificate: true,
		Stream:                   f.serve,
	})
	if err != nil {
		return nil, err
	}
	f.endpoint = endpoint
	return f, nil
}

// Endpoint is the host:port to configure in a client.
func (f *Feedback) Endpoint() string { return f.endpoint.HostPort() }

// Addr is the host:port that is listened on.
func (f *Feedback) Addr() string { return f.endpoint.Addr() }

// Authority is the one that signed the server's certificate.
func (f *Feedback) Authority() *simulator.Authority { return f.options.Authority }

// Scripts says what goes wrong.
func (f *Feedback) Scripts() *simulator.Scripts { return f.options.Scripts }

// Expired is the list.
func (f *Feedback) Expired() *ExpiredList { return f.options.Expired }

// Reads is how often the list has been handed out, empty or not.
func (f *Feedback) Reads() int { return int(f.reads.Load()) }

// Close stops the simulator and cuts its connections.
func (f *Feedback) Close() error { return f.endpoint.Close() }

// serve hands the list out and forgets it.
func (f *Feedback) serve(conn *simulator.Connection) {
	client := judgeCertificate(conn.TLS(), f.options.Authority)
	if !client.presented || !client.trusted {
		return
	}
	if taken, strike := conn.Arrived(); strike != nil {
		strike()
		if !taken {
			return
		}
	}
	entries, trouble := f.options.Expired.take(), f.options.Scripts.Feedback()
	f.reads.Add(1)
	if trouble == (simulator.Feedback{}) {
		_, _ = conn.Write(tuples(entries))
		finish(conn)
		return
	}
	before := min(trouble.After, len(entries))
	_, _ = conn.Write(tuples(entries[:before]))
	rest := tuples(entries[before:])
	if trouble.Stall > 0 {
		due := time.Now().Add(time.Duration(trouble.Stall))
		conn.Drain(time.Duration(trouble.Stall))
		if !conn.Sleep(time.Until(due)) {
			return
		}
	}
	switch {
	case trouble.Reset:
		conn.Reset()
		return
	case trouble.Truncate > 0:
		rest = rest[:min(trouble.Truncate, len(rest))]
	}
	_, _ = conn.Write(rest)
	finish(conn)
}

func finish(conn *simulator.Connection) {
	conn.End()
	conn.Drain(lingering)
}

// tuples is the list as it goes out: time, length of the token, token.
func tuples(entries []expired) []byte {
	var out []byte
	for _, e := range entries {
		out = binary.BigEndian.AppendUint32(out, e.at)
		out = binary.BigEndian.AppendUint16(out, uint16(len(e.token))) //nolint:gosec // Add bounds it
		out = append(out, e.token...)
	}
	return out
}
