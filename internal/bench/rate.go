package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/volleypush/volley/internal/bench/peer"
)

// The app whose rate is measured.
const (
	ratePerSecond = 5000
	rateSeconds   = 45
	// rateWindow is the time in which the rate must hold, rateBound how much longer or shorter as many notifications may take.
	rateWindow = 10 * time.Second
	rateBound  = rateWindow * 3 / 100
	// rateLook is how often is looked how many have arrived.
	rateLook = 5 * time.Millisecond
	// rateEvery is how far apart windows begin.
	rateEvery = 100 * time.Millisecond
)

// measureRate has two workers send a campaign of an app with a rate, more than it lets through, and says how much longer or shorter than ten
// seconds the notifications of ten seconds take at the provider, whenever one begins to count.
func measureRate(ctx context.Context, o Options) (_ []Measured, err error) {
	rate := fmt.Sprintf("%d/s", ratePerSecond)
	f, err := startPair(ctx, Part{Provider: provider{Platform: peer.APNS, Latency: 50 * time.Millisecond}, Connections: 1, Rate: rate, Workers: pairWorkers})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.end()) }()
	// A second more than is looked at, so that there is something to send all the time.
	seconds := max(rateSeconds/max(o.Scale, 1), int(rateWindow/time.Second)+3)
	for n := range (seconds + 3) * ratePerSecond / perJob {
		if err := publishPart(ctx, f.conn, "rate", n); err != nil {
			return nil, err
		}
	}
	counts, err := countArrivals(ctx, f.provider, time.Duration(seconds)*time.Second)
	if err != nil {
		return nil, err
	}
	off := deviations(counts, ratePerSecond)
	if len(off) == 0 {
		return nil, errors.New("no ten seconds' notifications have arrived in the time")
	}
	return []Measured{measured("rate", fmt.Sprintf("how far from 10 s the notifications of 10 s are, at %s and two workers", rate), off, rateBound)}, nil
}

// count is how many notifications had arrived at a time.
type count struct {
	at time.Duration
	n  int
}

// countArrivals looks again and again, from the first arrival on.
func countArrivals(ctx context.Context, provider *part, long time.Duration) (counts []count, err error) {
	tick := time.NewTicker(rateLook)
	defer tick.Stop()
	var began time.Time
	for started := time.Now(); began.IsZero() || time.Since(began) < long; {
		var arrived peer.Report
		if err := provider.ask(doCount, &arrived); err != nil {
			return nil, err
		}
		switch {
		case arrived.Received > 0 && began.IsZero():
			began = time.Now()
		case began.IsZero() && time.Since(started) > patience:
			return nil, errors.New("nothing arrives")
		}
		if !began.IsZero() {
			counts = append(counts, count{time.Since(began), arrived.Received})
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return counts, nil
}

// deviations are how far from rateWindow the times are that as many notifications take as the rate lets through in one, for windows that
// begin after a second: the first second has the burst.
func deviations(counts []count, perSecond int) (off []time.Duration) {
	want := int(rateWindow.Seconds()) * perSecond
	next, end := time.Second, 0
	for _, from := range counts {
		if from.at < next {
			continue
		}
		next += rateEvery
		for end < len(counts) && counts[end].n < from.n+want {
			end++
		}
		if end == len(counts) {
			break
		}
		off = append(off, (counts[end].at - from.at - rateWindow).Abs())
	}
	return off
}
