package pipeline

import (
	"context"
	"strings"
	"time"

	"github.com/volleypush/volley/jobs"
)

// Control knows what people have ordered. It is safe for concurrent use.
type Control interface {
	// Ready blocks while it can't be known what is ordered; false if the context ended first. It is asked before anything begins.
	Ready(ctx context.Context) bool
	// Orders is what is in force now, as far as it is known; nil for nothing. It is asked for each delivery and before each write to a
	// provider, so it costs no more than a load.
	Orders() *Orders
}

// OrderKind is what an order asks for.
type OrderKind string

// The kinds.
const (
	// OrderPause holds back what was not begun, until the order is withdrawn.
	OrderPause OrderKind = "pause"
	// OrderCancel gives everybody who was not reached yet the final place "skipped: cancelled".
	OrderCancel OrderKind = "cancel"
)

// Scope says for which jobs an order holds. An empty field chooses all; together they narrow.
type Scope struct {
	Platform jobs.Platform `json:"platform,omitempty"`
	App      string        `json:"app,omitempty"`
	Lane     jobs.Lane     `json:"lane,omitempty"`
	Campaign string        `json:"campaign,omitempty"`
	// Job is a job's resolved id.
	Job string `json:"job,omitempty"`
}

// String is the scope for people: "app default, campaign promo".
func (s Scope) String() string {
	var parts []string
	for _, part := range []struct{ name, text string }{
		{"platform", string(s.Platform)}, {"app", s.App}, {"lane", string(s.Lane)}, {"campaign", s.Campaign}, {"job", s.Job},
	} {
		if part.text != "" {
			parts = append(parts, part.name+" "+part.text)
		}
	}
	return strings.Join(parts, ", ")
}

// Covers says whether everything that the other scope chooses is chosen by this one.
func (s Scope) Covers(o Scope) bool {
	return (s.Platform == "" || s.Platform == o.Platform) && (s.App == "" || s.App == o.App) && (s.Lane == "" || s.Lane == o.Lane) &&
		(s.Campaign == "" || s.Campaign == o.Campaign) && (s.Job == "" || s.Job == o.Job)
}

// ScopeOf is the narrowest scope of a segment: that of its job.
func ScopeOf(seg *jobs.Segment) Scope {
	return Scope{Platform: seg.Job.Platform, App: seg.Job.App, Lane: seg.Lane, Campaign: seg.Job.Campaign, Job: seg.JobID}
}

// Order is one order that is in force.
type Order struct {
	Kind OrderKind `json:"kind"`
	Scope
	// At is when the broker stored it.
	At time.Time `json:"at,omitzero"`
}

// Holds says whether the order holds for a job with this scope that the broker stored at published. A pause holds for whatever it covers.
// A cancel holds for the job that it names whenever that comes; one that names no job holds for what was stored before it.
func (o Order) Holds(job Scope, published time.Time) bool {
	return o.Covers(job) && (o.Kind == OrderPause || o.Job != "" || !published.After(o.At))
}

// Orders are the orders in force at one moment. It is read-only; nil has none.
type Orders struct {
	// named are those that name a job, by its id; there may be many, one for each job that was cancelled. wide are the others.
	named map[string][]Order
	wide  []Order
}

// NewOrders makes them ready to be asked; nil for none.
func NewOrders(all []Order) *Orders {
	if len(all) == 0 {
		return nil
	}
	o := &Orders{named: make(map[string][]Order)}
	for _, order := range all {
		if order.Job != "" {
			o.named[order.Job] = append(o.named[order.Job], order)
		} else {
			o.wide = append(o.wide, order)
		}
	}
	return o
}

// Cancel says whether the segment is cancelled.
func (o *Orders) Cancel(seg *jobs.Segment) bool { return o.hold(OrderCancel, seg) }

// Pause says whether the segment is paused. One that is cancelled is not: it has nothing to wait for.
func (o *Orders) Pause(seg *jobs.Segment) bool {
	return o.hold(OrderPause, seg) && !o.hold(OrderCancel, seg)
}

func (o *Orders) hold(kind OrderKind, seg *jobs.Segment) bool {
	if o == nil {
		return false
	}
	return o.Of(kind, ScopeOf(seg), seg.Published) != nil
}

// Of returns an order of the kind that holds for a job, nil if there is none.
func (o *Orders) Of(kind OrderKind, job Scope, published time.Time) *Order {
	if o == nil {
		return nil
	}
	for _, list := range [][]Order{o.wide, o.named[job.Job]} {
		for i := range list {
			if list[i].Kind == kind && list[i].Holds(job, published) {
				return &list[i]
			}
		}
	}
	return nil
}
