package obs

import (
	"cmp"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Reading is what was counted until now, as numbers: for those who show it elsewhere than on /metrics.
type Reading struct {
	// Apps are by platform and name; the apps that this worker does not have are together as "_".
	Apps []AppReading
	// Sending and Age are those of all apps together.
	Sending, Age Distribution
}

// AppReading is what was counted for one app: recipients by their place.
type AppReading struct {
	Platform, App                                       string
	Sent, Failed, Expired, Uncertain, Skipped, Retrying uint64
}

// Distribution is a histogram: Counts[i] are those of at most Bounds[i] seconds and not of a smaller bound; the last count, one more
// than there are bounds, has the rest.
type Distribution struct {
	Bounds []float64
	Counts []uint64
}

// Read reads the counters. Safe for concurrent use.
func (m *Metrics) Read() Reading {
	apps := make(map[appKey]*AppReading)
	each(m.pushes, func(labels map[string]string, metric *dto.Metric) {
		k := appKey{labels["platform"], labels["app"]}
		a := apps[k]
		if a == nil {
			a = &AppReading{Platform: k.platform, App: k.app}
			apps[k] = a
		}
		n := uint64(metric.GetCounter().GetValue())
		switch labels["outcome"] {
		case outcomeSent:
			a.Sent += n
		case outcomeFailed:
			a.Failed += n
		case outcomeExpired:
			a.Expired += n
		case outcomeUncertain:
			a.Uncertain += n
		case outcomeSkipped:
			a.Skipped += n
		case outcomeRetry:
			a.Retrying += n
		}
	})
	r := Reading{Sending: distribution(m.sending), Age: distribution(m.age)}
	for _, a := range slices.SortedFunc(maps.Values(apps), func(a, b *AppReading) int {
		return cmp.Or(cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.App, b.App))
	}) {
		r.Apps = append(r.Apps, *a)
	}
	return r
}

// distribution adds up all series of a histogram.
func distribution(of prometheus.Collector) (d Distribution) {
	each(of, func(_ map[string]string, metric *dto.Metric) {
		h := metric.GetHistogram()
		if d.Counts == nil {
			for _, b := range h.GetBucket() {
				d.Bounds = append(d.Bounds, b.GetUpperBound())
			}
			d.Counts = make([]uint64, len(d.Bounds)+1)
		}
		below := uint64(0)
		for i, b := range h.GetBucket() { // they are cumulative
			d.Counts[i] += b.GetCumulativeCount() - below
			below = b.GetCumulativeCount()
		}
		d.Counts[len(d.Bounds)] += h.GetSampleCount() - below
	})
	return d
}

// each calls fn with every series of a collector.
func each(of prometheus.Collector, fn func(labels map[string]string, metric *dto.Metric)) {
	series := make(chan prometheus.Metric)
	go func() {
		defer close(series)
		of.Collect(series)
	}()
	for one := range series {
		var metric dto.Metric
		if one.Write(&metric) != nil {
			continue
		}
		labels := make(map[string]string, len(metric.GetLabel()))
		for _, l := range metric.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		fn(labels, &metric)
	}
}
