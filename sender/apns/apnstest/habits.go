// This file models what the service does to connections by itself: Apple, "Sending notification requests to APNs" (one
// stream until a provider token has been accepted; settings change while a connection lives) and "Handling notification
// responses from APNs" (errors slow a connection down, too many end it). The numbers are not documented; what is known of
// them comes from users' reports, named at simulator.Habits.

package apnstest

import (
	"net/http"

	"golang.org/x/net/http2"

	"github.com/volleypush/volley/sender/simulator"
)

// habit is what the habits remember of a connection.
type habit struct {
	streams uint32 // the limit in force
	errors  int
	left    bool
}

// habits are the script's, if it has any, else those of the options.
func (s *Server) habits() simulator.Habits {
	if h, ok := s.options.Scripts.Habits(); ok {
		return h
	}
	return s.options.Habits
}

// excess is the end of a connection with too many streams, word for word as in jchambers/pushy #356.
func (s *Server) excess() (code http2.ErrCode, debug string, yes bool) {
	return http2.ErrCodeRefusedStream, "Maximum active streams violated for this endpoint.", s.habits().GoAwayOnExcess
}

// begin states how many streams there are at first.
func (c *connection) begin() {
	c.habit.streams = c.server.options.MaxConcurrentStreams
	if c.server.habits().OneStreamAtFirst && !c.client.presented {
		c.limit(1)
	}
}

// limit states a limit of streams, if it is another one.
func (c *connection) limit(streams uint32) {
	if c.habit.streams != streams {
		c.habit.streams = streams
		c.conn.SetMaxStreams(streams)
	}
}

// follow lets the habits see an answer before it is written, so that what they state comes first. silent says that the
// connection is to say nothing more after it.
func (c *connection) follow(answer *simulator.Answer) (silent bool) {
	habits := c.server.habits()
	if habits == (simulator.Habits{}) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	accepted := answer.Accepts()
	if accepted && (habits.OneStreamAtFirst || habits.OneStreamAfterError) {
		c.limit(c.server.options.MaxConcurrentStreams)
	}
	if accepted || answer.Status == http.StatusGone || answer.Status >= http.StatusInternalServerError {
		return false
	}
	if habits.OneStreamAfterError {
		c.limit(1)
	}
	c.habit.errors++
	if answer.Reason == "BadDeviceToken" {
		c.habit.errors++
	}
	if habits.ErrorLimit > 0 && c.habit.errors >= habits.ErrorLimit && !c.habit.left {
		c.habit.left = true
		c.conn.Leave(http2.ErrCodeNo, "")
	}
	return habits.SilentAfterExpiry && answer.Reason == "ExpiredProviderToken"
}
