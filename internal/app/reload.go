package app

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// maxCanaries is how many credentials are proved at once.
const maxCanaries = 8

// seat is a place for a side: what is in force, and what the keeper knows of what is to be.
type seat struct {
	side *side // nil while none is in force
	// seen is what there was at the last look; judged is what is in force or was refused, and is not tried again unless somebody asks.
	seen, judged material
	refused      bool
	// waits is what was told of already: its provider gave no answer about it.
	waits material
}

// candidate is a side that is to take a seat.
type candidate struct {
	*seat
	key  sideKey
	made material
	next *side
	// fault is why it can't be used, doubt why that is not known yet.
	fault, doubt error
}

// look takes what has changed since the last look: apps come and go, and credentials that their providers take are put in force. With now
// one look is enough for a file that has changed, what was refused is tried again, and that nothing has changed is logged too.
func (k *keeper) look(ctx context.Context, now bool, tell func(*results.Event)) {
	r := report{}
	fresh := k.reread(now, tell)
	for _, key := range sorted(slices.Collect(maps.Keys(k.seats))) {
		if !has(k.want, key) {
			k.remove(key, r, tell)
		}
	}
	if fresh {
		k.setRates(r)
	}
	candidates := k.candidates(now, fresh)
	k.openAll(candidates)
	var canaries errgroup.Group
	canaries.SetLimit(maxCanaries)
	for _, c := range candidates {
		if c.fault == nil {
			canaries.Go(func() error {
				c.fault, c.doubt = c.next.prove(ctx)
				return nil
			})
		}
	}
	_ = canaries.Wait()
	for _, c := range candidates {
		k.decide(ctx, c, r, tell)
	}
	k.speakOfEnds(tell)
	r.log(k.log, now)
}

// setRates puts the rates of the apps in force. They need no proof, and hold also if the app's other changes are refused.
func (k *keeper) setRates(r report) {
	before := map[string]float64{}
	for _, s := range k.sides() {
		if _, seen := before[s.name]; !seen {
			before[s.name] = s.rate.PerSecond()
		}
		if k.rate(s.name, k.want.Apps[s.name]).PerSecond() != before[s.name] {
			r.add("rates", s.sideKey)
		}
		k.crew.begin(s)
	}
}

// has says whether the configuration has the side.
func has(c *config.Config, key sideKey) bool {
	a := c.Apps[key.name]
	return a != nil && (key.platform == jobs.APNS && a.APNS != nil || key.platform == jobs.GCM && a.GCM != nil)
}

// candidates are the sides that differ from what is in force, and were the same for two looks.
func (k *keeper) candidates(now, fresh bool) []*candidate {
	var all []*candidate
	for _, key := range wantedBy(k.want) {
		s := k.seats[key]
		if s == nil {
			s = &seat{}
			k.seats[key] = s
		}
		made := materialOf(key, k.want.Apps[key.name])
		settled := now || fresh || made.same(s.seen, key.platform)
		s.seen = made
		if settled && (!made.same(s.judged, key.platform) || now && s.refused) {
			all = append(all, &candidate{seat: s, key: key, made: made})
		}
	}
	return all
}

// openAll makes the candidates. What they share with apps that stay is theirs too.
func (k *keeper) openAll(candidates []*candidate) {
	if len(candidates) == 0 {
		return
	}
	k.shares.again()
	k.grants.again()
	for _, s := range k.sides() {
		if s.google != nil {
			k.grants.of(s.material)
		}
		if s.project != "" && !slices.ContainsFunc(candidates, func(c *candidate) bool { return c.key == s.sideKey }) {
			_, _ = k.shares.of(s.project, s.name, s.app.GCM.QuotaPerMinute) // they were of one mind when they were opened
		}
	}
	for _, c := range candidates {
		if c.next, c.fault = k.open(c.key, c.made); c.fault == nil && c.side != nil && c.made.sameSettings(c.side.material, c.key.platform) && c.next.project != c.side.project {
			c.fault = fmt.Errorf("the new credential is for the project %q, the old one for %q, whose registration IDs are of no use there; to send for another project, name its project_id or another file in the configuration",
				path.Base(c.next.project), path.Base(c.side.project))
			_ = c.next.sender.Close()
		}
	}
}

// decide gives the candidate its seat, or leaves who has it.
func (k *keeper) decide(ctx context.Context, c *candidate, r report, tell func(*results.Event)) {
	log := k.logger(c.key.platform)
	old := "the old one stays in force"
	if c.side == nil {
		old = "its jobs wait for a credential that can be used"
	}
	switch {
	case ctx.Err() != nil:
	case c.fault != nil:
		c.judged, c.refused = c.made, true
		log.Error().Str("app", c.key.name).Err(c.fault).Msg("a changed credential can't be used; " + old)
		tell(credentialEvent(c.key.platform, c.key.name, stateUnusable, fmt.Sprintf("app %q: its credential has changed and can't be used, so %s: %v", c.key.name, old, c.fault)))
		r.add("refused", c.key)
	case c.doubt != nil && c.side != nil:
		// A provider that is out, or slow, must not cost the app that works.
		if !c.waits.same(c.made, c.key.platform) {
			log.Warn().Str("app", c.key.name).Err(c.doubt).Msg("a changed credential could not be proved; the old one stays in force, and it is tried again")
		}
		c.waits = c.made
		r.add("unproved", c.key)
	default:
		k.take(ctx, c, r, tell)
		return
	}
	if c.next != nil {
		_ = c.next.sender.Close()
	}
}

// take puts the candidate in force.
func (k *keeper) take(ctx context.Context, c *candidate, r report, tell func(*results.Event)) {
	log := k.logger(c.key.platform)
	if err := k.crew.prepare(ctx, c.key); err != nil {
		log.Warn().Str("app", c.key.name).Err(err).Msg("the queues of a new app can't be prepared; it is tried again")
		_ = c.next.sender.Close()
		r.add("unproved", c.key)
		return
	}
	what, state, says := "changed", stateReloaded, "its credential has changed and is in force"
	if c.side == nil {
		what, state, says = "added", stateAdded, "it is there now and its jobs are sent"
	}
	k.registry.Put(c.key.platform, c.key.name, c.next.sender)
	c.side, c.judged, c.refused = c.next, c.made, false
	k.crew.begin(c.next)
	log.Info().Str("app", c.key.name).Str("credential", c.next.credential).Msg("a changed credential is in force")
	tell(credentialEvent(c.key.platform, c.key.name, state, fmt.Sprintf("app %q: %s: %s", c.key.name, says, c.next.credential)))
	r.add(what, c.key)
}

// remove takes a side away whose app is not wanted any more. What is under way ends on its connections.
func (k *keeper) remove(key sideKey, r report, tell func(*results.Event)) {
	s := k.seats[key].side
	delete(k.seats, key)
	if s == nil {
		return
	}
	k.crew.end(key)
	k.registry.Remove(key.platform, key.name)
	tell(credentialEvent(key.platform, key.name, stateRemoved, fmt.Sprintf("app %q: this worker's configuration does not have it any more; what is under way is finished, "+
		"other jobs of it wait for a worker that has it", key.name)))
	r.add("removed", key)
}
