package app

import "github.com/volleypush/volley/jobs"

// faults prints a list of faults on one line.
type faults []jobs.Fault

// String implements fmt.Stringer.
func (f faults) String() string { return jobs.Faults(f).Error() }
