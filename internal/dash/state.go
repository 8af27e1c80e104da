package dash

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/volleypush/volley/jobs"
)

const (
	// stateVersion is the "v" of the states that this code tells. One of a newer version is not read.
	stateVersion = 1
	// maxState is the longest state that is read, in bytes; ours are a few hundred for each app.
	maxState = 1 << 20
	// maxStateApps is how many apps of one worker are read.
	maxStateApps = 1000
	// maxName bounds names and texts of others, in bytes.
	maxName = 200
)

// State is how a worker is. It tells one every second to everybody who listens; nothing keeps it.
type State struct {
	V      int    `json:"v"`
	Worker string `json:"worker"`
	// Version is the build, Page where its web page is ("" for nowhere).
	Version string    `json:"version"`
	Page    string    `json:"page,omitempty"`
	Started time.Time `json:"started"`
	// Trouble says why it can't do its work now; "" if it can.
	Trouble string `json:"trouble,omitempty"`
	// Draining says that it finishes what it has begun and takes nothing new.
	Draining bool `json:"draining,omitempty"`
	// Gone is set on the last state of a worker that ends in order.
	Gone bool `json:"gone,omitempty"`
	// Segments is how many segments with more than one recipient it sends at once at most, Deliveries how many messages it handles.
	Segments   int `json:"segments"`
	Deliveries int `json:"deliveries"`
	// Counts are of the whole worker, Apps of each app.
	Counts Counts     `json:"counts"`
	Apps   []AppState `json:"apps"`
	// Latency is how long providers took to answer, Age how old a job was when its first recipient was accepted.
	Latency Histogram `json:"latency"`
	Age     Histogram `json:"age"`
}

// Counts are sums since the worker started. Each recipient is counted at its final place.
type Counts struct {
	Sent      uint64 `json:"sent"`
	Failed    uint64 `json:"failed"`
	Expired   uint64 `json:"expired"`
	Uncertain uint64 `json:"uncertain"`
	Skipped   uint64 `json:"skipped"`
	// Retried counts recipients that were handed to a later round, once for each.
	Retried uint64 `json:"retried"`
}

// Bad is how many did not arrive, as far as is known.
func (c Counts) Bad() uint64 { return c.Failed + c.Expired + c.Uncertain + c.Skipped }

// All is how many have their final place.
func (c Counts) All() uint64 { return c.Sent + c.Bad() }

// Add adds other sums.
func (c *Counts) Add(d Counts) {
	c.Sent, c.Failed, c.Expired = c.Sent+d.Sent, c.Failed+d.Failed, c.Expired+d.Expired
	c.Uncertain, c.Skipped, c.Retried = c.Uncertain+d.Uncertain, c.Skipped+d.Skipped, c.Retried+d.Retried
}

// since is what was added after an earlier reading of the same sums.
func (c Counts) since(before Counts) Counts {
	return Counts{
		Sent: less(c.Sent, before.Sent), Failed: less(c.Failed, before.Failed), Expired: less(c.Expired, before.Expired),
		Uncertain: less(c.Uncertain, before.Uncertain), Skipped: less(c.Skipped, before.Skipped), Retried: less(c.Retried, before.Retried),
	}
}

// less is a-b, or 0 for sums that went backwards.
func less(a, b uint64) uint64 {
	if a < b {
		return 0
	}
	return a - b
}

// AppState is one app on one platform, as one worker has it.
type AppState struct {
	Platform jobs.Platform `json:"platform"`
	App      string        `json:"app"`
	Counts   Counts        `json:"counts"`
	// Protocol is http2, binary, v1 or legacy; Endpoint the host that is sent to, Environment Apple's.
	Protocol    string `json:"protocol,omitempty"`
	Environment string `json:"environment,omitempty"`
	Endpoint    string `json:"endpoint,omitempty"`
	// Credential names the credential for people, without any secret; Expires is when it ends, zero for never.
	Credential string    `json:"credential,omitempty"`
	Expires    time.Time `json:"expires,omitzero"`
	// Open says that its breaker is open: Cause is why, Until when it is tried again.
	Open  bool      `json:"open,omitempty"`
	Cause string    `json:"cause,omitempty"`
	Until time.Time `json:"until,omitzero"`
	// Connections is how many are open, -1 where that is not known; MaxConnections the limit.
	Connections    int `json:"connections"`
	MaxConnections int `json:"max_connections,omitempty"`
	// Backlog is about how many bytes are put aside as far as this worker knows, 0 if it does not; BacklogLimit how many may be, 0 for no limit.
	Backlog      int64 `json:"backlog,omitempty"`
	BacklogLimit int64 `json:"backlog_limit,omitempty"`
	// Limit is the share of a project's quota that this worker keeps to, in messages a minute; 0 for none.
	Limit int `json:"limit,omitempty"`
}

// encode is the state as it is told.
func (s *State) encode() ([]byte, error) {
	s.V = stateVersion
	return json.Marshal(s)
}

// errNotRead says that a state or a history is of no use to us.
var errNotRead = errors.New("it can't be read")

// decodeState reads what another worker told. It trusts nothing in it: what is out of bounds is refused.
func decodeState(body []byte) (*State, error) {
	if len(body) > maxState {
		return nil, fmt.Errorf("%w: it has %d bytes", errNotRead, len(body))
	}
	var s State
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotRead, err)
	}
	switch {
	case s.V != stateVersion:
		return nil, fmt.Errorf("%w: it is of version %d, this is %d", errNotRead, s.V, stateVersion)
	case s.Worker == "" || len(s.Worker) > maxName:
		return nil, fmt.Errorf("%w: it names no worker", errNotRead)
	case len(s.Apps) > maxStateApps:
		return nil, fmt.Errorf("%w: it has %d apps", errNotRead, len(s.Apps))
	}
	for _, text := range []*string{&s.Version, &s.Page, &s.Trouble} {
		*text = cut(*text, maxName)
	}
	for i := range s.Apps {
		a := &s.Apps[i]
		for _, text := range []*string{&a.App, &a.Protocol, &a.Environment, &a.Endpoint, &a.Credential, &a.Cause} {
			*text = cut(*text, 2*maxName)
		}
		if a.Platform != jobs.APNS && a.Platform != jobs.GCM {
			return nil, fmt.Errorf("%w: it has an app of the platform %q", errNotRead, cut(string(a.Platform), maxName))
		}
	}
	for _, h := range []*Histogram{&s.Latency, &s.Age} {
		if err := h.check(); err != nil {
			return nil, err
		}
	}
	return &s, nil
}

// cut shortens a text to at most so many bytes.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && text[most]&0xC0 == 0x80 { // not within a character
		most--
	}
	return text[:most] + "…"
}
