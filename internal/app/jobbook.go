package app

import (
	"maps"
	"sync"

	"github.com/volleypush/volley/results"
)

const (
	// maxBook is how many jobs that are not done are remembered; the one that was first noted goes first.
	maxBook = 1000
	// maxReasons is how many reasons of a job are told apart, the words of providers being their own; the others are "other".
	maxReasons = 20
)

// jobBook remembers what the events of this worker said of jobs that are not done, for the line that is written when they are. What other
// workers sent is not in it. The zero value is an empty book; it is safe for concurrent use.
type jobBook struct {
	mu    sync.Mutex
	seen  map[jobKey]jobSeen
	order []jobKey
}

type jobKey struct {
	sideKey
	job string
}

// jobSeen is what is known of a job.
type jobSeen struct {
	reasons map[string]int
	// rounds is the highest round.
	rounds int
}

// add adds what an event says.
func (s *jobSeen) add(e *results.Event) {
	s.rounds = max(s.rounds, e.Round)
	if len(e.Failures)+len(e.ExpiredTokens) > 0 && s.reasons == nil {
		s.reasons = map[string]int{}
	}
	for i := range e.Failures {
		count(s.reasons, e.Failures[i].Reason, 1)
	}
	for i := range e.ExpiredTokens {
		count(s.reasons, e.ExpiredTokens[i].Reason, 1)
	}
}

// failed is how many of the job failed or had expired.
func (s *jobSeen) failed() (n int) {
	for of := range maps.Values(s.reasons) {
		n += of
	}
	return n
}

// count counts a reason, with the others if there are too many.
func count(reasons map[string]int, reason string, n int) {
	if _, known := reasons[reason]; !known && len(reasons) >= maxReasons {
		reason = "other"
	}
	reasons[reason] += n
}

func keyOf(e *results.Event) jobKey { return jobKey{sideKey{e.Platform, e.App}, e.Job} }

// note remembers what an event says of a job that goes on.
func (b *jobBook) note(e *results.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := keyOf(e)
	s, known := b.seen[k]
	if !known {
		if b.seen == nil {
			b.seen = map[jobKey]jobSeen{}
		}
		if len(b.order) >= maxBook {
			delete(b.seen, b.order[0])
			b.order = b.order[1:]
		}
		b.order = append(b.order, k)
	}
	s.add(e)
	b.seen[k] = s
}

// take forgets a job that is done and returns what was known of it.
func (b *jobBook) take(e *results.Event) jobSeen {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := keyOf(e)
	s, known := b.seen[k]
	if !known {
		return s
	}
	delete(b.seen, k)
	for i := range b.order {
		if b.order[i] == k {
			b.order = append(b.order[:i], b.order[i+1:]...)
			break
		}
	}
	return s
}
