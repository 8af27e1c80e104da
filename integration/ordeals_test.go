package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
)

// ordeal is one thing that a connection suffers.
type ordeal struct {
	what string
	// weather is there before the jobs are, and goes when they are done.
	weather weather
	// strike happens in the middle of sending.
	strike func(*testing.T, []*conduit)
	// ackWait is the worker's if it is not the usual one of these tests. What a worker pulls at once has to arrive within it.
	ackWait time.Duration
	// harmless says that nobody may be sent to twice for it.
	harmless bool
}

// silence lets nothing through for a time.
func silence(lasts time.Duration) func(*testing.T, []*conduit) {
	return func(_ *testing.T, all []*conduit) {
		for _, r := range all {
			r.set(weather{stalled: true})
		}
		<-time.After(lasts)
		for _, r := range all {
			r.set(weather{})
		}
	}
}

func cutAfter(bytes int) func(*testing.T, []*conduit) {
	return func(_ *testing.T, all []*conduit) {
		for _, r := range all {
			r.cut(bytes)
		}
	}
}

// ordeals are what connections suffer, between a worker and its broker or its providers. A stall of 1.5 s is longer than the ack wait
// of these tests and shorter than what a provider may take for an answer.
func ordeals() []ordeal {
	return []ordeal{
		{what: "40 to 60 ms later in each direction", weather: weather{delay: 40 * time.Millisecond, jitter: 20 * time.Millisecond}, harmless: true},
		{what: "one piece in fifty lost", weather: weather{loss: 0.02}},
		{what: "1 MB a second", weather: weather{rate: 1 << 20}, ackWait: 5 * time.Second},
		{what: "nothing arrives for 1.5 s", strike: silence(1500 * time.Millisecond)},
		{what: "cut after 700 bytes more", strike: cutAfter(700)},
		{what: "cut after 20,011 bytes more", strike: cutAfter(20_011)},
	}
}

// play sends orders through an ordeal and holds the books against the guarantees.
func (s *theatre) play(one ordeal, conduits []*conduit, orders []*order) *verdict {
	s.t.Helper()
	s.read()
	told := len(s.events)
	s.orders = append(s.orders, orders...)
	for _, r := range conduits {
		r.set(one.weather)
	}
	if err := s.publish(orders...); err != nil {
		s.t.Fatal(err)
	}
	if one.strike != nil {
		until(s.t, "the first events are there", func() bool { s.read(); return len(s.events) > told })
		one.strike(s.t, conduits)
	}
	s.settle()
	for _, r := range conduits {
		r.set(weather{})
	}
	v := &verdict{}
	if s.sound(v); !one.harmless {
		v.limit = min(inFlight, v.books.recipients)
	}
	before := s.twice
	if s.twice = len(v.books.twice); s.twice-before > v.limit {
		s.t.Errorf("%s: %d recipients were sent to twice, at most %d may be", one.what, s.twice-before, v.limit)
	}
	return v
}

// led leads a worker to its providers through conduits.
func led(t *testing.T, p *providers) (*providers, []*conduit) {
	t.Helper()
	text, err := os.ReadFile(p.config)
	if err != nil {
		t.Fatal(err)
	}
	conduits := map[string]*conduit{}
	endpoint := regexp.MustCompile(`https://127\.0\.0\.1:\d+`)
	changed := endpoint.ReplaceAllStringFunc(string(text), func(url string) string {
		target := url[len("https://"):]
		if conduits[target] == nil {
			conduits[target] = startConduit(t, target)
		}
		return "https://" + conduits[target].addr
	})
	if len(conduits) != 2 {
		t.Fatalf("the configuration names %d providers over HTTPS:\n%s", len(conduits), text)
	}
	name := filepath.Join(filepath.Dir(p.config), "led.yaml") // its paths are relative
	if err := os.WriteFile(name, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	var all []*conduit
	for _, r := range conduits {
		all = append(all, r)
	}
	return &providers{control: p.control, config: name}, all
}

// soon is what providers answer who have nothing against anybody.
const soon = `{"rules":[{"percent":100,"answer":{"latency":"20ms"}}]}`

// few are jobs for one ordeal: of one recipient and of some hundred, for both platforms, one of several segments.
func few(name string) []*order {
	a := audience{name}
	return append(a.mixed(8, 1, 60, 200, 7), a.order(jobs.APNS, "default", "large", 1300, nil))
}

// TestWireToTheBroker has everything that a connection suffers happen between a worker and its broker.
func TestWireToTheBroker(t *testing.T) {
	t.Parallel()
	p, server := startProvidersWith(t, soon), startServer(t)
	r := startConduit(t, server.addr)
	s := openTheatre(t, p, server.url(), "--nats-url", "nats://"+r.addr)
	s.through(ordeals(), []*conduit{r}, few)
}

// TestWireToTheProviders has the same happen between a worker and its providers.
func TestWireToTheProviders(t *testing.T) {
	t.Parallel()
	p, conduits := led(t, startProvidersWith(t, soon))
	s := openTheatre(t, p, startServer(t).url())
	s.through(ordeals(), conduits, few)
}

// through plays one ordeal after the other.
func (s *theatre) through(all []ordeal, conduits []*conduit, orders func(name string) []*order) {
	s.t.Helper()
	for i, one := range all {
		worker := s.worker("one", one.flags()...)
		v := s.play(one, conduits, orders(string(rune('a'+i))))
		s.t.Logf("%s: %v", one.what, v)
		s.end(worker)
	}
}

// flags are the worker's for this ordeal.
func (o ordeal) flags() []string {
	if o.ackWait == 0 {
		return nil
	}
	return []string{"--ack-wait", o.ackWait.String()}
}
