// This file models what Apple's service keeps for devices that are off: Apple, "Sending notification requests to APNs" (one
// notification for each app of a device, usually the newest; an expiration of 0 is tried once and not kept; 30 days at most).
// Apple promises neither that it is the newest nor that it is delivered.

package simulator

import (
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxStorage is the longest that Apple's service keeps a notification.
const maxStorage = 30 * 24 * time.Hour

// TopicSuffixes are what Apple's push types add to the bundle id.
func TopicSuffixes() []string {
	return []string{
		".voip", ".complication", ".pushkit.fileprovider", ".location-query", ".push-type.liveactivity",
		".voip-ptt", ".push-type.widgets", ".push-type.controls",
	}
}

// BundleOf is the bundle id that a topic belongs to.
func BundleOf(topic string) string {
	for _, suffix := range TopicSuffixes() {
		if bundle, ok := strings.CutSuffix(topic, suffix); ok {
			return bundle
		}
	}
	return topic
}

// Stored yields what Apple's service would still hold at that time if no device had been on: the newest accepted notification for each app
// of each device that was to be kept until later. It goes through the whole ledger.
func (l *Ledger) Stored(now time.Time) iter.Seq[Notification] {
	type device struct{ token, bundle string }
	newest := map[device]*line{}
	place := map[*line]int{}
	for x := range l.lines() {
		if x.head.platform != APNS || x.status != 200 || x.reason != "" || x.head.headers["apns-channel-id"] != "" {
			continue
		}
		if until := keptUntil(x); !until.IsZero() {
			newest[device{x.token, BundleOf(x.head.headers["apns-topic"])}] = x
			place[x] = len(place)
		}
	}
	kept := slices.SortedFunc(maps.Values(newest), func(a, b *line) int { return place[a] - place[b] })
	return func(yield func(Notification) bool) {
		for _, x := range kept {
			if now.Before(keptUntil(x)) && !yield(x.notification()) {
				return
			}
		}
	}
}

// keptUntil is when the service forgets a notification; zero for one that is never kept.
func keptUntil(x *line) time.Time {
	came := time.Unix(0, x.at)
	last := came.Add(maxStorage)
	expiration, ok := x.head.headers["apns-expiration"]
	if !ok {
		return last
	}
	seconds, err := strconv.ParseInt(expiration, 10, 64)
	if err != nil || seconds == 0 {
		return time.Time{}
	}
	until := time.Unix(seconds, 0)
	switch {
	case !until.After(came):
		return time.Time{}
	case until.After(last):
		return last
	}
	return until
}
