package obs

import (
	"sync"
	"time"
)

// Burst lets a few lines of each kind through in a while, and counts the others: what goes wrong a million times is not told a million
// times. It is safe for concurrent use; the zero value lets nothing through.
type Burst struct {
	// Most is how many lines of a kind are let through in each Period.
	Most   int
	Period time.Duration
	Now    func() time.Time

	mu    sync.Mutex
	kinds map[string]*burst
}

type burst struct {
	until      time.Time
	told, held int
}

// Allow says whether a line of the kind is written, and how many of the kind were not since the last one that was. Kinds are few: they
// are remembered.
func (b *Burst) Allow(kind string) (ok bool, held int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.kinds[kind]
	if k == nil {
		if b.kinds == nil {
			b.kinds = map[string]*burst{}
		}
		k = &burst{}
		b.kinds[kind] = k
	}
	if now := b.Now(); !now.Before(k.until) {
		k.until, k.told = now.Add(b.Period), 0
	}
	if k.told >= b.Most {
		k.held++
		return false, 0
	}
	k.told++
	held, k.held = k.held, 0
	return true, held
}
