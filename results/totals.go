package results

import "fmt"

// Add adds what one event says about its own recipients. The first event added says how many there are; events of later
// rounds speak of recipients that are counted already. A requeued dead letter is a new start: begin with zero Totals.
func (t *Totals) Add(e *Event) {
	if *t == (Totals{}) {
		t.Recipients = e.Recipients
	}
	t.Sent += e.Sent
	t.Failures += len(e.Failures)
	t.ExpiredTokens += len(e.ExpiredTokens)
	t.CanonicalIDs += len(e.CanonicalIDs)
	t.Uncertain += len(e.Uncertain)
	for _, s := range e.Skipped {
		t.Skipped += len(s.Indexes)
	}
	t.Retries += e.retrying()
}

// AddTotals adds the totals of another segment.
func (t *Totals) AddTotals(o Totals) {
	t.Recipients += o.Recipients
	t.Sent += o.Sent
	t.Failures += o.Failures
	t.ExpiredTokens += o.ExpiredTokens
	t.CanonicalIDs += o.CanonicalIDs
	t.Uncertain += o.Uncertain
	t.Skipped += o.Skipped
	t.Retries += o.Retries
}

// Settled is how many recipients have their final place. It equals Recipients when nobody is left to a later round.
func (t Totals) Settled() int {
	return t.Sent + t.Failures + t.ExpiredTokens + t.Uncertain + t.Skipped
}

// check says whether the totals add up if retrying recipients go on.
func (t Totals) check(retrying int) error {
	for _, n := range []int{t.Recipients, t.Sent, t.Failures, t.ExpiredTokens, t.CanonicalIDs, t.Uncertain, t.Skipped, t.Retries} {
		if n < 0 {
			return fmt.Errorf("totals: %d is negative", n)
		}
	}
	if t.CanonicalIDs > t.Sent {
		return fmt.Errorf("totals: %d canonical ids of only %d sent", t.CanonicalIDs, t.Sent)
	}
	if t.Settled()+retrying != t.Recipients {
		return fmt.Errorf("totals: %d recipients, but %d settled and %d go on", t.Recipients, t.Settled(), retrying)
	}
	return nil
}

// retrying is how many of the event's recipients go on.
func (e *Event) retrying() int {
	if e.Retry == nil {
		return 0
	}
	return len(e.Retry.Indexes)
}
