package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SegmentSchema is the largest number of the forms of work messages that this code reads. It writes plainSchema where that says all, so
// that an older worker can read what it understands; a segment of a job with variables it leaves to others.
const (
	SegmentSchema = 2
	plainSchema   = 1
)

// Headers of a work message. A header that says nothing (no positions, no tries, not requeued) is left out.
const (
	HeaderSchema      = "Volley-Schema"
	HeaderSegments    = "Volley-Segments"
	HeaderTotal       = "Volley-Total"
	HeaderPublished   = "Volley-Published"   // RFC 3339
	HeaderFingerprint = "Volley-Fingerprint" // of the whole job
	HeaderPositions   = "Volley-Positions"   // Indexes
	HeaderTries       = "Volley-Tries"       // JSON: groups of recipients with the same Try
	HeaderPrior       = "Volley-Prior"       // JSON
	HeaderExplicit    = "Volley-Explicit"    // "true"
	HeaderRequeued    = "Volley-Requeued"    // "true"
	HeaderRequeues    = "Volley-Requeues"    // how often
	HeaderBegun       = "Volley-Begun"       // "true"
	HeaderCampaign    = "Volley-Campaign"    // of the job, for whoever looks at the queue; the body is what counts
)

// tryGroup is some recipients with the same Try, by position in the job's ids.
type tryGroup struct {
	N         Indexes   `json:"n"`
	Attempts  int       `json:"attempts"`
	NotBefore time.Time `json:"not_before,omitzero"`
	Reason    string    `json:"reason,omitempty"`
	Status    int       `json:"status,omitempty"`
}

// Encode writes the segment as a work message for its Tail's subjects. The body is the job with only this segment's ids,
// or the job's original bytes if it is whole. The job must come from Decode. An error means that the segment contradicts
// itself; DecodeSegment would refuse it.
func (s *Segment) Encode() (header map[string][]string, body []byte, err error) {
	if s.Job == nil || s.Job.source == "" {
		return nil, nil, errors.New("the segment's job was not decoded from a body")
	}
	if err := s.check(); err != nil {
		return nil, nil, err
	}
	schema := plainSchema
	if s.Job.Vars != nil {
		schema = SegmentSchema
	}
	header = map[string][]string{
		HeaderSchema:      {strconv.Itoa(schema)},
		HeaderSegments:    {strconv.Itoa(s.Segments)},
		HeaderTotal:       {strconv.Itoa(s.Total)},
		HeaderPublished:   {s.Published.UTC().Format(time.RFC3339Nano)},
		HeaderFingerprint: {s.Fingerprint},
	}
	if s.Positions != nil {
		header[HeaderPositions] = []string{Indexes(s.Positions).String()}
	}
	if groups := s.tryGroups(); len(groups) > 0 {
		text, err := json.Marshal(groups)
		if err != nil {
			return nil, nil, fmt.Errorf("encoding the tries of %s: %w", s.Tail(), err)
		}
		header[HeaderTries] = []string{string(text)}
	}
	if s.Prior != nil {
		// Compact, because a header is one line.
		var line bytes.Buffer
		if err := json.Compact(&line, s.Prior); err != nil {
			return nil, nil, fmt.Errorf("the prior totals of %s are not JSON: %w", s.Tail(), err)
		}
		header[HeaderPrior] = []string{line.String()}
	}
	if s.Explicit {
		header[HeaderExplicit] = []string{"true"}
	}
	if s.Requeued {
		header[HeaderRequeued] = []string{"true"}
	}
	if s.Job.Campaign != "" {
		header[HeaderCampaign] = []string{s.Job.Campaign}
	}
	if s.Begun {
		header[HeaderBegun] = []string{"true"}
	}
	if s.Requeues > 0 {
		header[HeaderRequeues] = []string{strconv.Itoa(s.Requeues)}
	}
	if s.Whole {
		return header, []byte(s.Job.source), nil
	}
	return header, s.Job.encode(), nil
}

// tryGroups groups the recipients by what earlier rounds did to them; those that nothing was done to are left out.
func (s *Segment) tryGroups() []tryGroup {
	var groups []tryGroup
	number := make(map[Try]int)
	for i, try := range s.Tries {
		// The same moment has many Times; only one of them makes equal tries equal.
		try.NotBefore = plainTime(try.NotBefore)
		if try == (Try{}) {
			continue
		}
		g, ok := number[try]
		if !ok {
			g = len(groups)
			number[try] = g
			groups = append(groups, tryGroup{nil, try.Attempts, try.NotBefore, try.Reason, try.Status})
		}
		groups[g].N = append(groups[g].N, s.Position(i))
	}
	return groups
}

// plainTime drops the monotonic clock and the zone of a time.
func plainTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Round(0).UTC()
}

// check says whether the parts of the segment agree with each other. It is the same rule for the writer and the reader.
func (s *Segment) check() error {
	n := s.Job.Recipients()
	bad := func(format string, args ...any) error {
		return fmt.Errorf("segment %s: "+format, append([]any{s.Tail()}, args...)...)
	}
	switch {
	case n == 0:
		return bad("it has no recipients")
	case s.Job.ID != "" && s.Job.ID != s.JobID && !strings.HasPrefix(s.JobID, reservedPrefix):
		// Under a derived id goes a job whose own belongs to another one; it is sent when a person requeues it.
		return bad("its job has another id in its body")
	case s.Requeues < 0 || s.Requeues > 0 && !s.Requeued:
		return bad("it was requeued %d times and is not requeued", s.Requeues)
	case !validFingerprint(s.Fingerprint):
		return bad("its fingerprint is not one")
	case s.Total < n || s.Total > maxIndexes:
		return bad("it has %d recipients of a total of %d", n, s.Total)
	case s.Segments < 1 || s.Segments > s.Total || s.Number < 0 || s.Number >= s.Segments:
		return bad("it is number %d of %d segments for %d recipients", s.Number, s.Segments, s.Total)
	case s.Whole && (s.Number != 0 || s.Segments != 1 || s.Positions != nil || s.Total != n):
		return bad("it is whole and also a part")
	case s.Whole && s.Fingerprint != Fingerprint([]byte(s.Job.source)):
		return bad("its body is not the one that its fingerprint is of")
	case !s.Whole && n > MaxSegmentRecipients:
		return bad("it has %d recipients, more than %d", n, MaxSegmentRecipients)
	case s.Job.Vars != nil && len(s.Job.Vars) != len(s.Job.IDs):
		return bad("it has %d recipients and variables of %d", n, len(s.Job.Vars))
	case s.Tries != nil && len(s.Tries) != n:
		return bad("it has %d recipients and %d tries", n, len(s.Tries))
	case s.Positions != nil && len(s.Positions) != n:
		return bad("it has %d recipients and %d positions", n, len(s.Positions))
	case s.Positions == nil && s.Number > 0:
		return bad("it does not say where its recipients stand in the job")
	}
	last := -1
	for _, position := range s.Positions {
		if position <= last || position >= s.Total {
			return bad("its positions are not ascending, or not within the total of %d", s.Total)
		}
		last = position
	}
	for _, try := range s.Tries {
		if try.Attempts < 0 || try.Attempts > maxAttempts || try.Status < 0 || try.Status > maxStatus || len(try.Reason) > maxReasonBytes {
			return bad("its tries are out of range")
		}
	}
	return nil
}

// Bounds of what a Try may say; far above what happens.
const (
	maxAttempts    = 1 << 20
	maxStatus      = 999
	maxReasonBytes = 256
)
