package dash

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Size of a chart in units of its own; the page stretches it.
const (
	chartWidth  = 600
	chartHeight = 100
	// columns is how many parts of a chart say what they are when they are pointed at, and the least steps that a chart shows.
	columns = 60
)

// chart is an hour as inline SVG: areas one over the other, and lines.
type chart struct {
	Title string
	// Says is the chart in a sentence, for those who don't see it.
	Says   string
	Width  int
	Height int
	Areas  []shape
	Lines  []shape
	// Top and Middle are the labels of the scale.
	Top, Middle string
	Marks       []mark
	// Axis are the labels of time, oldest first.
	Axis   []string
	Legend []legend
	Empty  bool
}

// shape is a path and the class that colours it.
type shape struct{ Class, Path string }

// mark is a column that says what it is when it is pointed at.
type mark struct {
	X, Width int
	Text     string
}

type legend struct{ Class, Text, Value string }

const (
	// perStep turns a number of a step into one of a second.
	perStep = float64(step / time.Second)
	// leastStep is how many seconds of the step under way must have passed before its number is taken for what it will be.
	leastStep = 3.0
)

// recent are the steps to show: ten minutes, half an hour or the hour, whichever has everything in it.
func recent(hour []bucket) []bucket {
	for _, n := range []int{columns, 3 * columns} {
		if older := hour[:len(hour)-n]; !slices.ContainsFunc(older, func(b bucket) bool { return b.Counts != Counts{} }) {
			return hour[len(hour)-n:]
		}
	}
	return hour
}

// axis labels the time of so many steps.
func axis(steps int) []string {
	minutes := steps * int(step/time.Second) / 60
	labels := []string{fmt.Sprintf("−%d min", minutes)}
	for i := 3; i > 0; i-- {
		labels = append(labels, fmt.Sprintf("−%g", float64(minutes*i)/4))
	}
	return append(labels, "now")
}

// throughput is the chart of what got its final place.
func throughput(buckets []bucket, now Lately, at time.Time) chart {
	buckets = recent(buckets)
	n := len(buckets)
	c := chart{Title: "Throughput", Width: chartWidth, Height: chartHeight, Axis: axis(n)}
	good, all := make([]float64, n), make([]float64, n)
	most := 0.0
	for i := range n {
		seconds := perStep
		if i == n-1 { // it is under way
			seconds = max(float64(at.UnixMilli())/1000-float64(buckets[i].At)*perStep, leastStep)
		}
		good[i] = float64(buckets[i].Counts.Sent) / seconds
		all[i] = float64(buckets[i].Counts.All()) / seconds
		most = max(most, all[i])
	}
	c.Empty = most == 0
	top := ceiling(most)
	c.Top, c.Middle = rateText(top)+"/s", rateText(top/2)+"/s"
	c.Areas = []shape{{"bad", area(all, top)}, {"good", area(good, top)}}
	c.Legend = []legend{{"good", "sent", rateText(now.Sent) + "/s now"}, {"bad", "not sent", rateText(now.Bad) + "/s now"}}
	c.Says = "Recipients each second in the last hour, at most " + rateText(most) + "; now " + rateText(now.Sent) + " sent and " + rateText(now.Bad) + " not sent."
	c.Marks = marks(buckets, func(part []bucket) string {
		var sum Counts
		for i := range part {
			sum.Add(part[i].Counts)
		}
		seconds := perStep * float64(len(part))
		return rateText(float64(sum.Sent)/seconds) + "/s sent, " + rateText(float64(sum.Bad())/seconds) + "/s not sent"
	})
	return c
}

// latency is the chart of how long providers took.
func latency(buckets []bucket) chart {
	buckets = recent(buckets)
	n := len(buckets)
	c := chart{Title: "Provider latency", Width: chartWidth, Height: chartHeight, Axis: axis(n), Empty: true}
	half, most := make([]float64, n), make([]float64, n)
	high := 0.0
	for i := range n {
		p50, known := buckets[i].Latency.quantile(0.5)
		p99, _ := buckets[i].Latency.quantile(0.99)
		if !known {
			half[i], most[i] = math.NaN(), math.NaN()
			continue
		}
		half[i], most[i], high, c.Empty = p50, p99, max(high, p99), false
	}
	top := ceiling(high)
	c.Top, c.Middle = secondsText(top), secondsText(top/2)
	c.Lines = []shape{{"p99", line(most, top)}, {"p50", line(half, top)}}
	var lately Histogram
	for _, b := range buckets[len(buckets)-7:] {
		lately.add(b.Latency)
	}
	c.Legend = []legend{{"p50", "median", quantileText(lately, 0.5)}, {"p99", "99 of 100", quantileText(lately, 0.99)}}
	c.Says = "How long a call of the provider took in the last hour, at most " + secondsText(high) + " for 99 of 100; in the last minute " + quantileText(lately, 0.99) + "."
	c.Marks = marks(buckets, func(part []bucket) string {
		var sum Histogram
		for i := range part {
			sum.add(part[i].Latency)
		}
		return "median " + quantileText(sum, 0.5) + ", 99 of 100 within " + quantileText(sum, 0.99)
	})
	return c
}

func quantileText(h Histogram, q float64) string {
	if s, ok := h.quantile(q); ok {
		return secondsText(s)
	}
	return "–"
}

// marks cuts the hour into columns.
func marks(buckets []bucket, say func([]bucket) string) []mark {
	list := make([]mark, 0, columns)
	each := len(buckets) / columns
	for i := range columns {
		part := buckets[i*each : (i+1)*each]
		at := time.Unix(part[0].At*int64(step/time.Second), 0).UTC().Format("15:04:05 MST")
		list = append(list, mark{X: i * chartWidth / columns, Width: chartWidth / columns, Text: at + ": " + say(part)})
	}
	return list
}

// sparkline is the small chart of one app's series in a table.
func sparkline(values []float64) string {
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	if most == 0 {
		return ""
	}
	return area(values, most*1.05)
}

// ceiling is a round number that is not below n: 1, 2 or 5 times a power of ten.
func ceiling(n float64) float64 {
	if n <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(n)))
	for _, factor := range []float64{1, 2, 5} {
		if n <= factor*power {
			return factor * power
		}
	}
	return 10 * power
}

// area is the path of a filled curve over the whole width.
func area(values []float64, top float64) string {
	var path strings.Builder
	path.WriteString("M0 " + strconv.Itoa(chartHeight))
	for i, v := range values {
		path.WriteString("L" + point(i, len(values), v, top))
	}
	path.WriteString("L" + strconv.Itoa(chartWidth) + " " + strconv.Itoa(chartHeight) + "Z")
	return path.String()
}

// line is the path of a curve, with gaps where the values are not known.
func line(values []float64, top float64) string {
	var path strings.Builder
	gap := true
	for i, v := range values {
		if math.IsNaN(v) {
			gap = true
			continue
		}
		verb := "L"
		if gap {
			verb = "M"
		}
		path.WriteString(verb + point(i, len(values), v, top))
		if next := i + 1; gap && (next == len(values) || math.IsNaN(values[next])) {
			path.WriteString("h1") // a value alone is a dot
		}
		gap = false
	}
	return path.String()
}

func point(i, n int, v, top float64) string {
	x := float64(i) * chartWidth / float64(max(n-1, 1))
	y := chartHeight * (1 - min(v/top, 1))
	return strconv.FormatFloat(x, 'f', 1, 64) + " " + strconv.FormatFloat(y, 'f', 1, 64)
}
