package integration

import (
	"fmt"
	"math"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/results"
)

// stored is what a message takes in a stream's file: nats-server's record has 30 bytes beside subject and body, and 4 with a header.
func stored(m *nats.Msg) int64 {
	header := m.Size() - len(m.Subject) - len(m.Reply) - len(m.Data)
	if header > 0 {
		header += 4
	}
	return int64(30 + len(m.Subject) + header + len(m.Data))
}

// volumes are what jobs of each shape put through the streams, for a million recipients, in megabytes, by the names
// that docs/scale.md gives them.
func volumes(t *testing.T) map[string]float64 {
	t.Helper()
	w := startSimulated(t)
	nc := connect(t, w.url())
	sums := map[string]*atomic.Int64{"push.apns": {}, "push.work.>": {}, "push.results.>": {}}
	for subject, sum := range sums {
		sub, err := nc.Subscribe(subject, func(m *nats.Msg) { sum.Add(stored(m)) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = sub.Unsubscribe() })
	}
	events := subscribe(t, nc)
	shapes := []struct {
		name       string
		jobs, each int
		gone       int // percent
	}{{"of 10,000", 1, 10_000, 0}, {"of 1,000", 10, 1000, 0}, {"of 1", 200, 1, 0}, {"of 10,000, 1 % gone", 1, 10_000, 1}}
	found := map[string]float64{}
	for i, shape := range shapes {
		if shape.gone > 0 {
			setScript(t, w.control, fmt.Sprintf(`{"rules":[{"percent":%d,"answer":{"status":410,"reason":"Unregistered","timestamp_ms":1795430000123}}]}`, shape.gone))
		}
		before := map[string]int64{}
		for subject, sum := range sums {
			before[subject] = sum.Load()
		}
		for n := range shape.jobs {
			publish(t, nc, "push.apns", fmt.Sprintf(`{"id":"volume-%d-%d","message":"Hello, this is a message of usual length","ids":%s}`,
				i, n, tokens(i*100_000+n*shape.each, shape.each)))
		}
		done, gone := 0, 0
		events(func(e *results.Event) bool {
			gone += len(e.ExpiredTokens)
			if e.Done {
				done++
			}
			return done == shape.jobs
		})
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		perMillion := 1e6 / float64(shape.jobs*shape.each)
		for subject, stream := range map[string]string{"push.apns": "PUSH_JOBS", "push.work.>": "PUSH_WORK", "push.results.>": "PUSH_RESULTS"} {
			found[stream+", jobs "+shape.name] = float64(sums[subject].Load()-before[subject]) * perMillion / 1e6
		}
		if shape.gone > 0 { // a rule's percent is of a large number
			name, accepted := "PUSH_RESULTS, jobs "+shape.name, found["PUSH_RESULTS, jobs of 10,000"]
			found[name] = accepted + (found[name]-accepted)*float64(shape.jobs*shape.each*shape.gone)/100/float64(gone)
		}
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "PUSH_RESULTS")
	if err != nil {
		t.Fatal(err)
	}
	// What is computed here is what the server counts.
	if have := int64(stream.CachedInfo().State.Bytes); have != sums["push.results.>"].Load() {
		t.Errorf("PUSH_RESULTS has %d bytes, not %d", have, sums["push.results.>"].Load())
	}
	return found
}

// TestVolume holds the megabytes for a million recipients that docs/scale.md reckons with against a worker's.
func TestVolume(t *testing.T) {
	t.Parallel()
	figures := scaleFigures(t)
	for name, found := range volumes(t) {
		told, ok := figures[name]
		if !ok || math.Abs(told-found) > 0.03*found {
			t.Errorf("docs/scale.md says that %q is %g MB, and it is %.2f", name, told, found)
		}
	}
}
