package app

import "errors"

// What a worker can't start without. The error of Start is one of these for errors.Is, and a sentence with the remedy in its text.
var (
	// ErrCredentials marks faults in credentials: they are the operator's to mend, not the worker's to retry.
	ErrCredentials = errors.New("credentials can't be used")
	// ErrBroker marks that there is no broker to work with: no server answers, the one inside the worker can't start, or what is
	// there can't hold our streams.
	ErrBroker = errors.New("no broker")
	// ErrWorkLeft says that deliveries were still being handled when the drain timeout ended.
	ErrWorkLeft = errors.New("work was left when the drain timeout ended; the broker hands it to another worker after the ack wait")
)

// marked is an error that is also a mark, without the mark's text.
type marked struct {
	error
	mark error
}

// Is implements errors.Is for the mark.
func (m marked) Is(target error) bool { return target == m.mark }

// Unwrap gives the error itself.
func (m marked) Unwrap() error { return m.error }
