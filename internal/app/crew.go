package app

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
)

// shift is the crew of a running worker: for each app it pulls from the app's queues, and reads its feedback service if it has one.
// Once the worker runs, only its keeper calls it.
type shift struct {
	worker            *Worker
	core              *pipeline.Core
	running, handling context.Context //nolint:containedctx // the worker's lifetimes: pulls end with the first, what was pulled with the second
	group             *errgroup.Group
	orders            *queue.Watcher
	handle            func(context.Context, pipeline.Delivery) pipeline.Disposition
	together          func(ctx context.Context, all []pipeline.Delivery, alone func(i int), done func(i int, d pipeline.Disposition))
	segments          *queue.Slots
	pulls             map[sideKey]pulls
	// own are the slots of apps with a rate, by app.
	own map[string]*queue.Slots
	// silence ends the answers to who asks whether this worker has the app.
	silence  map[sideKey]func()
	feedback feedback
	readers  map[string]reader
}

// pulls are those of one side.
type pulls struct {
	slots *queue.Slots
	end   func()
}

// reader reads the feedback service of one app.
type reader struct {
	settings *config.APNS
	end      func()
}

// prepare implements crew.
func (s *shift) prepare(ctx context.Context, key sideKey) error {
	if err := s.worker.broker.EnsureApp(ctx, key.platform, key.name); err != nil {
		return fmt.Errorf("preparing the queues of app %q: %w", key.name, err)
	}
	return nil
}

// begin implements crew.
func (s *shift) begin(of *side) {
	s.worker.roster.put(of)
	if err := s.readFeedback(of); err != nil {
		log := s.worker.options.Log("volley.apns")
		log.Error().Str("app", of.name).Err(err).Msg("the feedback service is not read on request")
	}
	s.segments.Weigh(of.name, of.app.Weight)
	slots := s.slotsOf(of)
	before, began := s.pulls[of.sideKey]
	switch {
	case !began:
		s.announce(of.sideKey)
	case before.slots == slots:
		return
	default:
		before.end() // what it has taken is finished; the new one takes the rest
	}
	ctx, end := context.WithCancel(s.running)
	s.pulls[of.sideKey] = pulls{slots, end}
	gate := func() (time.Duration, <-chan struct{}) { return s.core.Gate(of.platform, of.name) }
	for _, lane := range jobs.Lanes() {
		s.pull(ctx, queue.Puller{
			Stream: jobs.StreamWork, Durable: jobs.WorkDurable(of.platform, of.name, lane), Slots: slots, Gate: gate,
			Turn: queue.Turn{App: of.name, Lane: lane}, Together: s.together, Share: sharing(of, slots),
		})
	}
}

// announce says that this worker has the app, to metrics and to whoever asks.
func (s *shift) announce(key sideKey) {
	s.worker.metrics.Know(string(key.platform), key.name)
	silence, err := s.worker.broker.Serve(presence(key), func([]byte) []byte { return []byte(s.worker.options.Config.Worker) })
	if err != nil {
		log := s.worker.options.Log("volley.app")
		log.Error().Str("app", key.name).Err(err).Msg("other workers are not told that this one has the app")
		silence = func() {}
	}
	s.silence[key] = silence
}

// slotsOf are the slots for the work of an app: everybody's, or its own if it has a rate, because its deliveries wait in them.
func (s *shift) slotsOf(of *side) *queue.Slots {
	perSecond := of.rate.PerSecond()
	if perSecond == 0 {
		delete(s.own, of.name)
		return s.segments
	}
	// As many as are needed to use up the rate while each sends for a few seconds and then awaits its answers: a slow app keeps few
	// deliveries from other workers.
	n := min(int(perSecond*ratedTurn/jobs.MaxSegmentRecipients)+3, s.segments.Size())
	if own := s.own[of.name]; own == nil || own.Size() != n {
		s.own[of.name] = queue.NewSlots(queue.SlotOptions{Size: n, Reserve: pipeline.HighSegments})
	}
	return s.own[of.name]
}

// sharing is how many jobs of one recipient from PUSH_WORK take the place of one segment: as many as are handled together, and under a rate of the app no more than all slots may send in a second.
func sharing(of *side, slots *queue.Slots) int {
	perSecond := of.rate.PerSecond()
	if perSecond == 0 {
		return queue.MostTogether
	}
	return max(1, min(int(perSecond)/slots.Size(), queue.MostTogether))
}

// ratedTurn is about how many seconds a delivery of an app with a rate is under way.
const ratedTurn = 5

// end implements crew.
func (s *shift) end(key sideKey) {
	s.worker.roster.remove(key)
	if p, began := s.pulls[key]; began {
		p.end()
		delete(s.pulls, key)
		s.silence[key]()
		delete(s.silence, key)
	}
	if r, ok := s.readers[key.name]; ok && key.platform == jobs.APNS {
		r.end()
		delete(s.readers, key.name)
	}
	s.worker.broker.ForgetApp(key.platform, key.name)
}

// pull takes deliveries from a durable until ctx ends.
func (s *shift) pull(ctx context.Context, p queue.Puller) {
	p.HardStop, p.Handle = s.handling.Done(), s.handle
	s.group.Go(func() error {
		if !s.orders.Ready(ctx) {
			return nil
		}
		return s.worker.broker.Pull(ctx, p)
	})
}

// newFeedback is what reads the feedback services of a worker's apps.
func (w *Worker) newFeedback() feedback {
	return feedback{
		read: w.registry.ExpiredTokens, events: w.broker, now: w.broker.Now, nonce: uuid.NewString, wait: wait,
		worker: w.options.Config.Worker, maxPayload: w.broker.MaxPayload(), log: w.options.Log("volley.apns"),
	}
}

// readFeedback reads the app's feedback service, if it has one, at its interval and when somebody asks. Settings that have changed begin
// a new reader.
func (s *shift) readFeedback(of *side) error {
	if of.platform != jobs.APNS {
		return nil
	}
	a := of.app.APNS
	if r, ok := s.readers[of.name]; ok {
		if reflect.DeepEqual(r.settings, a) {
			return nil
		}
		r.end()
		delete(s.readers, of.name)
	}
	if a.Protocol != config.ProtocolBinary {
		return nil
	}
	ctx, cancel := context.WithCancel(s.running)
	asks := make(chan chan<- FeedbackReading)
	stop, err := s.worker.broker.Serve(jobs.SubjectFeedback+"."+of.name, answerer(ctx, asks))
	if err != nil {
		cancel()
		return fmt.Errorf("listening for requests to read the feedback service of app %q: %w", of.name, err)
	}
	s.readers[of.name] = reader{a, cancel}
	s.group.Go(func() error {
		defer stop()
		return s.feedback.run(ctx, s.handling, of.name, a.FeedbackInterval, asks)
	})
	return nil
}
