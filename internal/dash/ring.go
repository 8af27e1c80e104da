package dash

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

const (
	// step is how much time one bucket of the hour has, hour how many there are.
	step = 10 * time.Second
	hour = 360
	// maxSeries is how many apps have a series of their own; what is sent for others is only in the sum.
	maxSeries = 64
	// maxHistory is the longest history that is read, unpacked.
	maxHistory = 16 << 20
)

// bucket is what the whole fleet did in one step.
type bucket struct {
	// At is the step's number: its beginning since 1970, in steps.
	At      int64             `json:"at"`
	Counts  Counts            `json:"counts"`
	Latency Histogram         `json:"latency,omitzero"`
	Age     Histogram         `json:"age,omitzero"`
	Apps    map[string]Counts `json:"apps,omitempty"`
}

// ring is the last hour, in buckets that are used again.
type ring struct {
	buckets [hour]bucket
}

// at is the bucket of the step, emptied if it held an older one; nil for a step that is not kept any more.
func (r *ring) at(step int64) *bucket {
	b := &r.buckets[step%hour]
	switch {
	case b.At > step:
		return nil
	case b.At < step:
		*b = bucket{At: step}
	}
	return b
}

// add adds to a bucket.
func (b *bucket) add(counts Counts, latency, age Histogram) {
	b.Counts.Add(counts)
	b.Latency.add(latency)
	b.Age.add(age)
}

// addApp adds to the series of an app, if there is room for it.
func (b *bucket) addApp(key string, counts Counts) {
	sum, ok := b.Apps[key]
	if !ok && len(b.Apps) >= maxSeries {
		return
	}
	if b.Apps == nil {
		b.Apps = make(map[string]Counts)
	}
	sum.Add(counts)
	b.Apps[key] = sum
}

// series are the buckets up to and including the step, oldest first, empty ones where nothing was told.
func (r *ring) series(last int64) []bucket {
	out := make([]bucket, hour)
	for i := range out {
		at := last - int64(hour-1-i)
		out[i].At = at
		if b := &r.buckets[max(at, 0)%hour]; b.At == at {
			out[i] = *b
			out[i].Apps = maps.Clone(b.Apps)
			out[i].Latency.Counts, out[i].Age.Counts = slices.Clone(b.Latency.Counts), slices.Clone(b.Age.Counts)
		}
	}
	return out
}

// history is what a worker that has just started is told.
type history struct {
	V       int      `json:"v"`
	Buckets []bucket `json:"buckets"`
}

func encodeHistory(buckets []bucket) ([]byte, error) {
	h := history{V: stateVersion}
	for _, b := range buckets {
		if b.Counts != (Counts{}) {
			h.Buckets = append(h.Buckets, b)
		}
	}
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	if err := json.NewEncoder(packed).Encode(h); err != nil {
		return nil, err
	}
	if err := packed.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// decodeHistory reads what another worker answered. It trusts nothing in it.
func decodeHistory(body []byte) ([]bucket, error) {
	unpacked, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotRead, err)
	}
	var h history
	if err := json.NewDecoder(io.LimitReader(unpacked, maxHistory)).Decode(&h); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotRead, err)
	}
	if h.V != stateVersion || len(h.Buckets) > hour {
		return nil, fmt.Errorf("%w: version %d, %d buckets", errNotRead, h.V, len(h.Buckets))
	}
	for i := range h.Buckets {
		b := &h.Buckets[i]
		if b.At <= 0 || len(b.Apps) > maxSeries {
			return nil, fmt.Errorf("%w: bucket %d is of no time, or has too many apps", errNotRead, i)
		}
		for _, hist := range []Histogram{b.Latency, b.Age} {
			if err := hist.check(); err != nil {
				return nil, err
			}
		}
	}
	return h.Buckets, nil
}
