package queue

import "time"

// paceSeconds is over how many seconds a rate is taken.
const paceSeconds = 10

// pace counts what happened in each of the last seconds.
type pace struct {
	seconds [paceSeconds + 1]int64
	counts  [paceSeconds + 1]int
}

// add counts n at that time.
func (p *pace) add(at time.Time, n int) {
	second := at.Unix()
	i := int(second % int64(len(p.seconds)))
	switch {
	case second < p.seconds[i]:
		return // later ones have its place
	case second > p.seconds[i]:
		p.seconds[i], p.counts[i] = second, 0
	}
	p.counts[i] += n
}

// rate is how much there was in each of the last whole seconds on average.
func (p *pace) rate(now time.Time) float64 {
	sum, until := 0, now.Unix()
	for i, second := range p.seconds {
		if second < until && second >= until-paceSeconds {
			sum += p.counts[i]
		}
	}
	return float64(sum) / paceSeconds
}
