//go:build chaosrun

package integration

import (
	"crypto/sha256"
	"fmt"
	"testing"
)

// wires are what connections suffer, under a campaign.
func (c *chaos) wires() []group {
	all := append(ordeals(), ordeal{what: "half-open, and nobody is told", strike: forget})
	if *cut {
		all = all[len(all)-1:]
	}
	type line struct {
		*row
		at string
		ordeal
	}
	var lines []line
	for _, at := range []string{"broker", "providers"} {
		for _, one := range all {
			lines = append(lines, line{c.reserve("single server", "between worker and "+at+": "+one.what), at, one})
		}
	}
	return []group{{"wires", func(t *testing.T) {
		simulated := startProviders(t)
		for _, l := range lines {
			c.play(t, l.row, func(t *testing.T) *verdict { return wired(t, simulated, l.at, l.ordeal) })
		}
	}}}
}

// wired has a campaign suffer an ordeal between its worker and the broker, or the providers.
func wired(t *testing.T, p *providers, at string, one ordeal) *verdict {
	server := startServer(t)
	var s *theatre
	var conduits []*conduit
	if at == "broker" {
		conduits = []*conduit{startConduit(t, server.addr)}
		s = openTheatre(t, p, server.url(), "--nats-url", "nats://"+conduits[0].addr)
	} else {
		p, conduits = led(t, p)
		s = openTheatre(t, p, server.url())
	}
	worker := s.worker("one", one.flags()...)
	v := s.play(one, conduits, campaign(fmt.Sprintf("%s-%.6x", at, sha256.Sum256([]byte(one.what)))))
	s.end(worker)
	return v
}

func forget(_ *testing.T, all []*conduit) {
	for _, r := range all {
		r.forget()
	}
}
