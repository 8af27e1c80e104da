package results

import (
	"cmp"
	"slices"

	"github.com/volleypush/volley/jobs"
)

// response builds the views from the outcomes.
func (f *folding) response() *Response {
	r := &Response{Uncertain: []Uncertain{}, Skipped: []Skipped{}, Pending: jobs.Indexes{}}
	r.Totals.Recipients, r.Totals.Retries = len(f.outcome), f.retries
	all := make([]string, len(f.outcome))
	successes, canonical := []string{}, []CanonicalID{}
	for i := range f.outcome {
		all[i] = f.job.Recipient(i)
		switch o := &f.outcome[i]; o.place {
		case pending:
			r.Pending = append(r.Pending, i)
		case accepted:
			r.Totals.Sent++
			successes = append(successes, all[i])
			if o.canonical != "" {
				canonical = append(canonical, CanonicalID{Index: i, OldID: all[i], NewID: o.canonical})
			}
		case failed:
			if o.err.Expired {
				r.Totals.ExpiredTokens++
			} else {
				r.Totals.Failures++
			}
		case uncertain:
			r.Uncertain = append(r.Uncertain, Uncertain{Index: i, Token: all[i], Reason: o.reason})
		case skipped:
			r.skip(i, o.why)
		}
	}
	r.Totals.CanonicalIDs, r.Totals.Uncertain = len(canonical), len(r.Uncertain)
	errs := f.errors()
	failures := make([]string, len(errs))
	for i, err := range errs {
		failures[i] = all[err.Index]
	}
	if f.job.Platform == jobs.GCM {
		r.GCM = &GCMResponse{RegistrationIDs: all, Successes: successes, Failures: failures, Errors: errs, CanonicalIDs: canonical}
		return r
	}
	r.APNS = &APNSResponse{
		Tokens: all, Message: f.job.Message, Errors: errs, Failures: failures, Successes: successes,
		TokenErrors: make(map[string]*RecipientError, len(errs)),
	}
	for i, err := range errs {
		r.APNS.TokenErrors[failures[i]] = err
	}
	return r
}

// skip adds a recipient to the group of its why; groups are in the order of their first recipient.
func (r *Response) skip(index int, why Why) {
	r.Totals.Skipped++
	for i := range r.Skipped {
		if r.Skipped[i].Why == why {
			r.Skipped[i].Indexes = append(r.Skipped[i].Indexes, index)
			return
		}
	}
	r.Skipped = append(r.Skipped, Skipped{Indexes: jobs.Indexes{index}, Why: why})
}

// errors lists the failures in the order in which they became known, those of one event by index.
func (f *folding) errors() []*RecipientError {
	var failures []*outcome
	for i := range f.outcome {
		if f.outcome[i].place == failed {
			failures = append(failures, &f.outcome[i])
		}
	}
	slices.SortStableFunc(failures, func(a, b *outcome) int {
		return cmp.Or(a.event.At.Compare(b.event.At), cmp.Compare(a.event.Round, b.event.Round))
	})
	errs := make([]*RecipientError, len(failures))
	for i, o := range failures {
		errs[i] = o.err
	}
	return errs
}
