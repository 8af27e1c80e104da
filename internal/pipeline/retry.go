package pipeline

import (
	"slices"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// The back-off between attempts. Its ceiling is Apple's own advice for 5xx answers (Handling notification responses from APNs: retry
// after 15 minutes), which the tenth step would reach.
const (
	minBackoff = time.Second
	maxBackoff = 15 * time.Minute
)

// retries collects who goes on in the next round, grouped by what that round has to know of them.
type retries struct {
	round  *round
	now    time.Time
	random func() float64
	groups []group
}

// group shares everything but its members. cause tells apart outcomes of this round that must share one jittered delay,
// so that a segment of a thousand makes a few groups and not a thousand.
type group struct {
	results.RetryGroup
	cause cause
}

type cause struct {
	reason     *sender.Reason
	status     int
	attempts   int
	retryAfter time.Duration
	notBefore  time.Time
	// free says that the try costs no attempt, unasked that the provider was not even asked.
	free, unasked bool
}

// take decides whether a recipient is tried again after a transient answer. Only an answer of its own costs an attempt: one
// that was certainly not processed does not, nor does what the breaker puts down to the provider or the app. One whose answer was lost
// costs one, because the recipient may have been reached.
func (n *retries) take(i int) bool {
	r := n.round
	out := &r.out[i]
	if r.deadline.IsZero() {
		return false // expiration 0: one attempt
	}
	if out.Class == sender.Uncertain && r.seg.Job.OnUncertain == jobs.OnUncertainReport {
		return false
	}
	attempts := r.try(i).Attempts
	// An answer that may yet turn out to be the provider's state is free for a recipient that had none before, so once.
	free := out.Class == sender.Unsent || out.Reason.Wide || r.verdict.open || r.verdict.undecided[i] && r.lastAnswer(i) == nil
	if !free {
		attempts++
	}
	if attempts >= r.app.MaxAttempts() && !free {
		return false
	}
	reason, status := out.Reason, out.Status
	if last := r.lastAnswer(i); out.Class == sender.Unsent && last != nil {
		// That it was not sent to again says nothing new about it.
		reason, status = last, r.try(i).Status
	}
	c := cause{reason: reason, status: status, attempts: attempts, retryAfter: out.RetryAfter, free: free, unasked: out.Reason.Unasked}
	if k := n.find(c); k >= 0 {
		return n.join(k, i)
	}
	due := n.now.Add(n.delay(c))
	n.groups = append(n.groups, group{cause: c, RetryGroup: results.RetryGroup{
		Attempts: attempts, NotBefore: due.UTC(), Reason: reason.Name, Status: status,
	}})
	return n.join(len(n.groups)-1, i)
}

// ride passes a recipient that was not sent to on to the next round, uncounted. It answers false if its time is over.
func (n *retries) ride(i int) bool {
	r := n.round
	if r.late(n.now) {
		return false
	}
	try := r.try(i)
	due := try.NotBefore
	if due.Before(n.now) {
		due = n.now.UTC() // it was due, and something kept it from being sent to
	}
	c := cause{status: try.Status, attempts: try.Attempts, notBefore: due, reason: r.app.Reason(try.Reason)}
	k := n.find(c)
	if k < 0 {
		n.groups = append(n.groups, group{cause: c, RetryGroup: results.RetryGroup{
			Attempts: try.Attempts, NotBefore: due, Reason: try.Reason, Status: try.Status,
		}})
		k = len(n.groups) - 1
	}
	return n.join(k, i)
}

func (n *retries) find(c cause) int {
	return slices.IndexFunc(n.groups, func(g group) bool { return g.cause == c })
}

// join adds recipient i to a group, unless the group's time comes after the deadline.
func (n *retries) join(k, i int) bool {
	g := &n.groups[k]
	if n.round.late(g.NotBefore) {
		return false
	}
	g.Indexes = append(g.Indexes, n.round.seg.Position(i))
	return true
}

// delay is max(Retry-After, the reason's floor, full-jitter back-off). Whom we held back ourselves, to keep to a rate or quota, goes on as soon
// as that allows it: a pause would leave some of it unused.
func (n *retries) delay(c cause) time.Duration {
	if c.unasked && c.retryAfter > 0 {
		if c.retryAfter <= nearlyDue {
			return 0
		}
		return c.retryAfter
	}
	step := c.attempts
	if c.unasked {
		step = 1 // whoever held it back knows how long; there is nobody to spare
	} else if c.free { // it costs no attempt, and still waits longer each round
		step = max(step, n.round.seg.Round+1)
	}
	ceiling := maxBackoff
	if step < 10 { // 2^10 s is more than maxBackoff
		ceiling = min(ceiling, time.Second<<step)
	}
	jittered := minBackoff + time.Duration(n.random()*float64(ceiling-minBackoff))
	return max(jittered, c.retryAfter, c.reason.Floor)
}

// retry is what the event says about the next round; nil if nobody goes on.
func (n *retries) retry() *results.Retry {
	if len(n.groups) == 0 {
		return nil
	}
	var retry results.Retry
	for _, g := range n.groups {
		if len(g.Indexes) == 0 {
			continue
		}
		retry.Indexes = append(retry.Indexes, g.Indexes...)
		retry.Groups = append(retry.Groups, g.RetryGroup)
		if retry.At.IsZero() || g.NotBefore.Before(retry.At) {
			retry.At = g.NotBefore
		}
	}
	if len(retry.Indexes) == 0 {
		return nil
	}
	slices.Sort(retry.Indexes)
	return &retry
}
