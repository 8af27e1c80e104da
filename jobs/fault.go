package jobs

import "strings"

// Fault is one thing wrong with a job: the field (JSON name, "" for the whole job) and what to do about it.
type Fault struct {
	Field   string `json:"field"`
	Problem string `json:"problem"`
}

// String is "field: problem".
func (f Fault) String() string {
	if f.Field == "" {
		return f.Problem
	}
	return f.Field + ": " + f.Problem
}

// Faults is every fault of a job at once. It never quotes a token or a message text.
type Faults []Fault

// Error joins all faults.
func (f Faults) Error() string {
	all := make([]string, len(f))
	for i, fault := range f {
		all[i] = fault.String()
	}
	return strings.Join(all, "; ")
}
