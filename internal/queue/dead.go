package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

// Headers of a dead letter, beside those the message had. A letter also has jobs.HeaderPublished and, if it was one before,
// jobs.HeaderRequeues.
const (
	HeaderReason     = "Volley-Reason"   // the word of results.Dead
	HeaderEvent      = "Volley-Event"    // id of the event committed for it
	HeaderJob        = "Volley-Job"      // the job's resolved id
	HeaderCampaign   = "Volley-Campaign" // absent if it has none
	HeaderStream     = "Volley-Stream"   // where the message was taken from
	HeaderSubject    = "Volley-Subject"  // its subject there: lane, and segment if it was one
	HeaderSequence   = "Volley-Sequence"
	HeaderRecipients = "Volley-Recipients" // how many its event accounts for
	HeaderUncertain  = "Volley-Uncertain"  // how many of them may have been reached; absent for none
	HeaderFaults     = "Volley-Faults"     // JSON list of jobs.Fault; absent if there are none
)

const (
	// deadWindow is how long PUSH_DEAD knows a letter's event id again. A redelivery after a crash between letter and
	// acknowledgement comes within an ack wait; a longer gap stores the letter twice, which its event id shows.
	deadWindow = time.Hour
	// maxHeaders is the most bytes of headers that JetStream stores with a message: their length has 16 bits.
	maxHeaders = 1<<16 - 1
	// maxFaultsHeader bounds the faults that a letter repeats from its event, in bytes.
	maxFaultsHeader = 16 << 10
)

const subjectDead = "push.dead."

// Bury implements pipeline.Dead: the original bytes on push.dead.<platform>.<app>, once within deadWindow.
func (c *Conn) Bury(ctx context.Context, letter pipeline.Letter) error {
	msg, err := deadMsg(letter)
	if err != nil {
		return err
	}
	if _, err := c.publish(ctx, msg); err != nil {
		return explain("storing the dead letter of event "+letter.Event.ID, err)
	}
	return nil
}

func deadMsg(letter pipeline.Letter) (*nats.Msg, error) {
	event := letter.Event
	if event == nil || event.Dead == nil {
		return nil, errors.New("a dead letter needs the event that was committed for it")
	}
	header := without(letter.Header, "Nats-")
	if event.Dead.Stream == jobs.StreamJobs {
		// A publisher's own headers under our names say nothing. Those of a work message are what it is requeued from.
		header = without(header, "Volley-")
	}
	header.Set(HeaderReason, event.Dead.Reason)
	header.Set(HeaderEvent, event.ID)
	header.Set(HeaderJob, event.Job)
	header.Set(HeaderRecipients, strconv.Itoa(event.Recipients))
	if event.Campaign != "" {
		header.Set(HeaderCampaign, event.Campaign)
	}
	if event.Dead.Stream != "" {
		header.Set(HeaderStream, event.Dead.Stream)
		header.Set(HeaderSequence, strconv.FormatUint(event.Dead.Sequence, 10))
	}
	if letter.Subject != "" {
		header.Set(HeaderSubject, letter.Subject)
	}
	if !letter.Published.IsZero() {
		header.Set(jobs.HeaderPublished, letter.Published.UTC().Format(time.RFC3339Nano))
	}
	if n := len(event.Uncertain); n > 0 {
		header.Set(HeaderUncertain, strconv.Itoa(n))
	}
	if len(event.Dead.Faults) > 0 {
		header.Set(HeaderFaults, faultsHeader(event.Dead.Faults))
	}
	header.Set(jetstream.MsgIDHeader, event.ID)
	return &nats.Msg{
		Subject: subjectDead + string(letter.Platform) + "." + letter.App, Header: shortened(header), Data: letter.Body,
	}, nil
}

// without copies the headers but those with the prefix, in whatever case they are written. Nats-* ones mean something to the broker.
func without(header map[string][]string, prefix string) nats.Header {
	own := nats.Header(maps.Clone(header))
	if own == nil {
		own = nats.Header{}
	}
	maps.DeleteFunc(own, func(name string, _ []string) bool {
		return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
	})
	return own
}

// faultsHeader is the list as JSON, cut where it gets too long: the event has all of them.
func faultsHeader(faults []jobs.Fault) string {
	for n := len(faults); ; n /= 2 {
		shown := faults[:n:n]
		if left := len(faults) - n; left > 0 {
			shown = append(shown, jobs.Fault{Problem: fmt.Sprintf("and %d more, which its event lists", left)})
		}
		text, err := json.Marshal(shown)
		if err == nil && len(text) <= maxFaultsHeader || n == 0 {
			return string(text)
		}
	}
}

// shortened leaves out what a letter can do without until the broker takes the headers: first the publisher's own, then what
// earlier rounds did, then the faults. A letter that can't be stored would come back for ever.
func shortened(header nats.Header) nats.Header {
	if headerBytes(header) <= maxHeaders {
		return header
	}
	maps.DeleteFunc(header, func(name string, _ []string) bool {
		return !strings.HasPrefix(name, "Volley-") && name != jetstream.MsgIDHeader
	})
	for _, spare := range []string{jobs.HeaderPrior, jobs.HeaderTries, HeaderFaults} {
		if headerBytes(header) > maxHeaders {
			header.Del(spare)
		}
	}
	return header
}

// headerBytes is how long the headers are on the wire.
func headerBytes(header nats.Header) int {
	n := len("NATS/1.0\r\n") + len("\r\n")
	for name, values := range header {
		for _, value := range values {
			n += len(name) + len(": ") + len(value) + len("\r\n")
		}
	}
	return n
}
