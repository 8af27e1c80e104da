package app

import "github.com/volleypush/volley/jobs"

// Alive says why the worker does not go on with its work; nil if it does. A broker or a provider that is away is no reason: to start anew
// would not bring it back. It asks the ticker of heartbeats, without which deliveries go to somebody else, and takes the locks that every
// delivery takes; so it may block, and who supervises the worker takes silence for a no. Safe for concurrent use.
func (w *Worker) Alive() error {
	if err := w.broker.Alive(); err != nil {
		return err
	}
	for _, platform := range jobs.Platforms() {
		for _, name := range w.registry.Known(platform) {
			w.core.Breaker(platform, name)
		}
	}
	w.core.Segments()
	return nil
}
