package enqueue

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/volleypush/volley/results"
)

// reason is one way of not being reached; recipients with the same one are counted together.
type reason struct {
	// Kind is where the recipient ended: failed, expired, uncertain, skipped.
	Kind string `json:"kind"`
	// Reason is what the provider said, or why a recipient was skipped.
	Reason      string         `json:"reason"`
	Status      int            `json:"status,omitempty"`
	Error       string         `json:"error,omitempty"`
	Code        results.Code   `json:"code,omitempty"`
	Description string         `json:"description,omitempty"`
	Action      results.Action `json:"action,omitempty"`
}

// words is the reason as a sentence: what was said, what it means, what to do.
func (r reason) words() string {
	var out strings.Builder
	out.WriteString(r.Kind)
	if r.Reason != "" {
		out.WriteString(": " + r.Reason)
	}
	if r.Status != 0 {
		fmt.Fprintf(&out, " (status %d)", r.Status)
	}
	if r.Description != "" {
		out.WriteString(", " + r.Description)
	}
	if r.Error != "" {
		out.WriteString(" [" + r.Error)
		if r.Code != "" {
			out.WriteString(", code " + string(r.Code))
		}
		out.WriteString("]")
	}
	if todo := remedy(r.Action); todo != "" {
		out.WriteString(": " + todo)
	}
	return out.String()
}

// counts counts reasons.
type counts map[reason]int

func (c counts) add(e *results.Event) {
	for _, f := range e.Failures {
		c[reasonOf("failed", f)]++
	}
	for _, f := range e.ExpiredTokens {
		c[reasonOf("expired", f.Failure)]++
	}
	for _, u := range e.Uncertain {
		c[reason{Kind: "uncertain", Reason: u.Reason, Description: "it may or may not have arrived"}]++
	}
	for _, s := range e.Skipped {
		skipped := reason{Kind: "skipped", Reason: string(s.Why), Description: skippedWords(s.Why)}
		if e.Dead != nil && s.Why == results.SkippedDead {
			skipped.Description += " (" + deadWords(e.Dead) + ")"
		}
		c[skipped] += len(s.Indexes)
	}
}

func reasonOf(kind string, f results.Failure) reason {
	return reason{Kind: kind, Reason: f.Reason, Status: f.Status, Error: f.Error, Code: f.Code, Description: f.Description, Action: f.Action}
}

// sorted returns the reasons, the most frequent first, and equally frequent ones in a fixed order.
func (c counts) sorted() []reason {
	out := make([]reason, 0, len(c))
	for r := range c {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b reason) int {
		return cmp.Or(cmp.Compare(c[b], c[a]), cmp.Compare(a.words(), b.words()))
	})
	return out
}

func deadWords(dead *results.Dead) string {
	words := []string{dead.Reason}
	for _, fault := range dead.Faults {
		words = append(words, fault.String())
	}
	if dead.Reason == "invalid" || dead.Reason == "payload" { // an id that was reused says so in its fault
		words = append(words, "publish the corrected job with a new id")
	}
	return strings.Join(words, "; ")
}

// jobKey is the identity of a job on one platform.
type jobKey struct{ app, job string }

// tally follows published jobs to the final place of every recipient. It trusts the books of the events, not their
// order: a job is over when as many recipients as it has are in a final place. It is safe for concurrent use.
type tally struct {
	mu      sync.Mutex
	pending map[jobKey]*pendingJob
	totals  results.Totals
	reasons counts
	// taken are jobs that lost their id, gone counts those of them that only now turned out to be dropped.
	taken taken
	gone  int
	// settled counts recipients in a final place; moved is told when that changes.
	settled int
	moved   func(settled int)
}

type pendingJob struct {
	planned
	left int
	// begun says that an event of its own was seen.
	begun bool
}

func newTally(plan []planned) *tally {
	t := &tally{pending: make(map[jobKey]*pendingJob, len(plan)), reasons: counts{}, moved: func(int) {}}
	for _, job := range plan {
		t.pending[jobKey{job.App, job.ID}] = &pendingJob{planned: job, left: job.Recipients}
		t.totals.Recipients += job.Recipients
	}
	return t
}

// add counts an event of one of the jobs, and says whether that job is over. Each event is given once.
func (t *tally) add(e *results.Event) (over bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := jobKey{e.App, e.Job}
	job := t.pending[key]
	if job == nil {
		return true
	}
	if e.Kind != results.KindSegment && e.Kind != results.KindDead {
		return false
	}
	if e.Fingerprint != "" && e.Fingerprint != job.Fingerprint {
		t.lose(job)
		delete(t.pending, key)
		return true
	}
	job.begun = true
	t.count(e, job)
	t.moved(t.settled)
	if job.left > 0 {
		return false
	}
	delete(t.pending, key)
	return true
}

// lose notes a job whose id an event of another job has.
func (t *tally) lose(job *pendingJob) {
	switch {
	case job.Doubtful:
		t.taken.dropped = append(t.taken.dropped, job.ID)
		t.totals.Recipients -= job.Recipients
		t.gone++
	case job.begun || job.Several:
		t.taken.torn = append(t.taken.torn, job.ID)
	default:
		t.taken.reused = append(t.taken.reused, job.ID)
	}
}

func (t *tally) count(e *results.Event, job *pendingJob) {
	skipped := 0
	for _, s := range e.Skipped {
		skipped += len(s.Indexes)
	}
	t.totals.Sent += e.Sent
	t.totals.Failures += len(e.Failures)
	t.totals.ExpiredTokens += len(e.ExpiredTokens)
	t.totals.CanonicalIDs += len(e.CanonicalIDs)
	t.totals.Uncertain += len(e.Uncertain)
	t.totals.Skipped += skipped
	if e.Retry != nil {
		t.totals.Retries += len(e.Retry.Indexes)
	}
	t.reasons.add(e)
	settled := e.Sent + len(e.Failures) + len(e.ExpiredTokens) + len(e.Uncertain) + skipped
	job.left -= settled
	t.settled += settled
}

// done says that every recipient of every job has its final place.
func (t *tally) done() bool { return len(t.pending) == 0 }

// left is how many recipients have no final place yet.
func (t *tally) left() int {
	left := 0
	for _, job := range t.pending {
		left += job.left
	}
	return left
}

// failed is how many recipients were not certainly reached.
func (t *tally) failed() int {
	return t.totals.Failures + t.totals.ExpiredTokens + t.totals.Uncertain + t.totals.Skipped
}
