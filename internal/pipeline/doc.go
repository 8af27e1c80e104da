// Package pipeline is the core of the worker: a delivery goes in, a disposition comes out. It decides what a delivery
// is, sends it through a port, turns outcomes into one event, commits that, does what follows from the stored event, and
// only then lets the delivery be acknowledged. It does no I/O of its own and imports no adapter: the ports it needs are
// in ports.go. It is the one place that retries.
//
//	delivery ─▶ decode ─▶ check ─▶ send ─▶ settle ─▶ commit ─▶ continue ─▶ ack
//	                        │                          ▲
//	                        └── an event is there ─────┘
//
// Every step may be cut off by a crash and is then repeated by whoever gets the delivery next; each is idempotent because
// its effect is stored under a key that follows from the job (an event's subject, a work message's tail, a plan's key).
package pipeline
