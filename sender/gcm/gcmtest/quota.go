// This file models the quotas of FCM HTTP v1 that are counted by rate: Google, "Throttling and quotas". A project has so many messages in a
// minute, in which answers of 4xx count too, but not 429; an Android device has so many in a minute and in an hour. Google's minutes are
// not those of the clock; here one begins with the first message after the one before has ended. Not modelled: collapsible messages, which are
// delayed and not refused, and the limits of topics.

package gcmtest

import (
	"sync"
	"time"
)

// Quotas are how many messages FCM v1 takes, 0 for any number. Google's own are 600,000 for a project and 240 and 5,000 for a device; scale them
// down for a test.
type Quotas struct {
	ProjectPerMinute int
	DevicePerMinute  int
	DevicePerHour    int
}

// meter counts messages.
type meter struct {
	mu    sync.Mutex
	spans map[spanKey]*span
}

type spanKey struct {
	what string // project or device
	name string
	per  time.Duration
}

// span is a stretch of time in which so many messages were counted.
type span struct {
	began time.Time
	count int
}

// maxSpans bounds how many are kept; beyond it those that have ended are forgotten.
const maxSpans = 100_000

// full counts a message and says whether it is one too many; that one does not count.
func (m *meter) full(key spanKey, limit int, now time.Time) bool {
	if limit == 0 {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.spans == nil {
		m.spans = map[spanKey]*span{}
	}
	if len(m.spans) >= maxSpans {
		for k, w := range m.spans {
			if now.Sub(w.began) >= k.per {
				delete(m.spans, k)
			}
		}
	}
	w := m.spans[key]
	if w == nil || now.Sub(w.began) >= key.per {
		w = &span{began: now}
		m.spans[key] = w
	}
	if w.count >= limit {
		return true
	}
	w.count++
	return false
}

// projectQuota is the fault of a call that is one too many for its project.
func (s *Server) projectQuota(project string) *fault {
	if s.meter.full(spanKey{"project", project, time.Minute}, s.options.Quotas.ProjectPerMinute, s.options.Now()) {
		return faultOf("RATE_LIMIT_EXCEEDED")
	}
	return nil
}

// deviceQuota is the fault of a message that is one too many for its device.
func (s *Server) deviceQuota(device string) *fault {
	now, quotas := s.options.Now(), s.options.Quotas
	if s.meter.full(spanKey{"device", device, time.Minute}, quotas.DevicePerMinute, now) ||
		s.meter.full(spanKey{"device", device, time.Hour}, quotas.DevicePerHour, now) {
		return faultOf("QUOTA_EXCEEDED")
	}
	return nil
}
