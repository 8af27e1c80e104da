package dash

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

const (
	// lostAfter is how long nothing is heard of a worker before it is said to be lost: three states missed, and some.
	lostAfter = 5 * time.Second
	// forgetLost and forgetGone are how long a worker that vanished, or that ended in order, stays on the page.
	forgetLost = 15 * time.Minute
	forgetGone = time.Minute
	// maxWorkers is how many workers are known at a time; what further ones tell is not heard.
	maxWorkers = 1000
	// window is the number of states of a worker that "now" is made of.
	window = 5
)

// Fleet is what all workers told in the last hour. Its size is bounded, whatever they tell. It is safe for concurrent use.
type Fleet struct {
	now func() time.Time

	began time.Time

	mu      sync.Mutex
	ring    ring
	workers map[string]*member
}

// member is one worker as it was heard.
type member struct {
	state State
	heard time.Time
	// past are the last readings of its sums, oldest first: "now" is the difference over them.
	past []reading
}

type reading struct {
	at   time.Time
	sums Counts
	// latency is cumulative, as the worker told it.
	latency Histogram
}

// NewFleet makes an empty fleet. now is the clock that all are compared with.
func NewFleet(now func() time.Time) *Fleet {
	return &Fleet{now: now, began: now(), workers: make(map[string]*member)}
}

// Worker is a worker for people.
type Worker struct {
	State
	// Lost says that it has not been heard for a while and did not say goodbye.
	Lost  bool
	Heard time.Time
	// Rate is how many recipients got their final place each second lately.
	Rate float64
	// P99 is the provider's latency lately, in seconds; Known says whether there was any.
	P99   float64
	Known bool
}

// Note takes a state that was heard.
func (f *Fleet) Note(s *State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	f.forget(now)
	m := f.workers[s.Worker]
	switch {
	case m == nil && len(f.workers) >= maxWorkers:
		return
	case m == nil || !m.state.Started.Equal(s.Started):
		m = &member{}
		f.workers[s.Worker] = m
		if s.Started.Before(f.began) || now.Sub(s.Started) > lostAfter {
			// It was there before us, or before we heard it: what it had done until now is in the history of others, or not known.
			m.state = *s
		}
	}
	b := f.ring.at(now.Unix() / int64(step/time.Second))
	if b != nil {
		b.add(s.Counts.since(m.state.Counts), s.Latency.since(m.state.Latency), s.Age.since(m.state.Age))
		before := make(map[string]Counts, len(m.state.Apps))
		for _, a := range m.state.Apps {
			before[a.key()] = a.Counts
		}
		for _, a := range s.Apps {
			if d := a.Counts.since(before[a.key()]); d != (Counts{}) {
				b.addApp(a.key(), d)
			}
		}
	}
	m.state, m.heard = *s, now
	m.past = append(m.past, reading{now, s.Counts, s.Latency})
	if len(m.past) > window+1 {
		m.past = slices.Delete(m.past, 0, len(m.past)-window-1)
	}
}

// key names an app in the series.
func (a *AppState) key() string { return string(a.Platform) + "/" + a.App }

// forget removes workers that nobody asks for any more.
func (f *Fleet) forget(now time.Time) {
	for name, m := range f.workers {
		after := forgetLost
		if m.state.Gone {
			after = forgetGone
		}
		if now.Sub(m.heard) > after {
			delete(f.workers, name)
		}
	}
}

// Workers lists the workers by name.
func (f *Fleet) Workers() []Worker {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	f.forget(now)
	list := make([]Worker, 0, len(f.workers))
	for _, m := range f.workers {
		w := Worker{State: m.state, Heard: m.heard, Lost: !m.state.Gone && now.Sub(m.heard) > lostAfter}
		if !w.Lost && !w.Gone {
			w.Rate, w.P99, w.Known = m.lately()
		}
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b Worker) int { return cmp.Compare(a.Worker, b.Worker) })
	return list
}

// lately is the difference over the last readings.
func (m *member) lately() (rate, p99 float64, known bool) {
	first, last := m.past[0], m.past[len(m.past)-1]
	if took := last.at.Sub(first.at).Seconds(); took > 0 {
		rate = float64(last.sums.since(first.sums).All()) / took
	}
	p99, known = last.latency.since(first.latency).quantile(0.99)
	return rate, p99, known
}

// Lately is what the whole fleet did in the last seconds.
type Lately struct {
	// Sent, Bad and Retried are rates, each second.
	Sent, Bad, Retried float64
	Latency            Histogram
}

// Lately adds up what the living workers did in the last seconds.
func (f *Fleet) Lately() (l Lately) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	for _, m := range f.workers {
		first, last := m.past[0], m.past[len(m.past)-1]
		took := last.at.Sub(first.at).Seconds()
		if m.state.Gone || now.Sub(m.heard) > lostAfter || took <= 0 {
			continue
		}
		d := last.sums.since(first.sums)
		l.Sent += float64(d.Sent) / took
		l.Bad += float64(d.Bad()) / took
		l.Retried += float64(d.Retried) / took
		l.Latency.add(last.latency.since(first.latency))
	}
	return l
}

// Hour is the last hour, oldest step first. The newest is under way.
func (f *Fleet) Hour() []bucket {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ring.series(f.now().Unix() / int64(step/time.Second))
}

// Adopt takes the history of another worker: the steps before we were there.
func (f *Fleet) Adopt(body []byte) error {
	buckets, err := decodeHistory(body)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now().Unix() / int64(step/time.Second)
	for _, b := range buckets {
		if b.At > now || b.At <= now-hour {
			continue
		}
		if own := f.ring.at(b.At); own != nil && own.Counts == (Counts{}) {
			*own = b
		}
	}
	return nil
}

// History is what Adopt takes; nil if there is nothing to tell.
func (f *Fleet) History() ([]byte, error) { return encodeHistory(f.Hour()) }
