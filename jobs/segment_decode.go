package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// ErrNewerSegment says that a work message was written by a newer version: leave it to a worker that can read it.
var ErrNewerSegment = errors.New("the segment was written by a newer version")

// DecodeSegment reads a work message. It is strict, and costs no more than the message is long whatever the headers
// claim. It keeps body as the segment's Body. The error wraps ErrNewerSegment if a newer version wrote the message;
// any other means that the message is corrupt. It never shows a recipient.
func DecodeSegment(subject string, header map[string][]string, body []byte) (*Segment, error) {
	tail, err := ParseTail(subject)
	if err != nil {
		return nil, err
	}
	s, err := decodeSegment(tail, headers(header), body)
	if err != nil {
		return nil, fmt.Errorf("segment %s: %w", tail, err)
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return s, nil
}

func decodeSegment(tail Tail, h headers, body []byte) (*Segment, error) {
	schema, err := h.count(HeaderSchema)
	if err != nil {
		return nil, err
	}
	if schema > SegmentSchema {
		return nil, fmt.Errorf("%w (schema %d, this is %d)", ErrNewerSegment, schema, SegmentSchema)
	}
	if schema < 1 {
		return nil, fmt.Errorf("there never was a schema %d", schema)
	}
	job, err := Decode(tail.Platform, body)
	if err != nil {
		return nil, fmt.Errorf("its job: %w", err)
	}
	if job.App != tail.App {
		return nil, fmt.Errorf("its body is for app %q", job.App)
	}
	s := &Segment{Job: job, JobID: tail.Job, Lane: tail.Lane, Round: tail.Round, Body: body}
	if s.Number, s.Whole, err = tail.number(); err != nil {
		return nil, err
	}
	if s.Segments, err = h.count(HeaderSegments); err != nil {
		return nil, err
	}
	if s.Total, err = h.count(HeaderTotal); err != nil {
		return nil, err
	}
	if s.Fingerprint, _, err = h.one(HeaderFingerprint); err != nil {
		return nil, err
	}
	published, _, err := h.one(HeaderPublished)
	if err != nil {
		return nil, err
	}
	if s.Published.UnmarshalText([]byte(published)) != nil {
		return nil, fmt.Errorf("header %s is not a time", HeaderPublished)
	}
	if s.Explicit, err = h.flag(HeaderExplicit); err != nil {
		return nil, err
	}
	if s.Requeued, err = h.flag(HeaderRequeued); err != nil {
		return nil, err
	}
	if s.Begun, err = h.flag(HeaderBegun); err != nil {
		return nil, err
	}
	if _, again := h[HeaderRequeues]; again {
		if s.Requeues, err = h.count(HeaderRequeues); err != nil {
			return nil, err
		}
	}
	if s.Prior, err = h.prior(); err != nil {
		return nil, err
	}
	n := job.Recipients()
	positions, ok, err := h.one(HeaderPositions)
	if err != nil {
		return nil, err
	}
	if ok {
		indexes, err := parseIndexes(positions, n)
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", HeaderPositions, err)
		}
		s.Positions = indexes
	}
	if err := s.readTries(h, n); err != nil {
		return nil, fmt.Errorf("header %s: %w", HeaderTries, err)
	}
	return s, nil
}

// headers reads headers that have one value or none.
type headers map[string][]string

func (h headers) one(name string) (text string, ok bool, err error) {
	switch values := h[name]; len(values) {
	case 0:
		return "", false, nil
	case 1:
		return values[0], true, nil
	}
	return "", false, fmt.Errorf("header %s is there twice", name)
}

func (h headers) count(name string) (int, error) {
	text, ok, err := h.one(name)
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, fmt.Errorf("header %s is missing", name)
	}
	n, err := parseIndex(text)
	if err != nil {
		return 0, fmt.Errorf("header %s is not a number", name)
	}
	return n, nil
}

func (h headers) flag(name string) (bool, error) {
	text, ok, err := h.one(name)
	if err != nil || ok && text != "true" {
		return false, fmt.Errorf(`header %s is not one "true"`, name)
	}
	return ok, nil
}

func (h headers) prior() (json.RawMessage, error) {
	text, ok, err := h.one(HeaderPrior)
	if err != nil || !ok {
		return nil, err
	}
	if !json.Valid([]byte(text)) {
		return nil, fmt.Errorf("header %s is not JSON", HeaderPrior)
	}
	return json.RawMessage(text), nil
}

// readTries fills Tries from the header's groups: each names recipients of this segment, none of them twice.
func (s *Segment) readTries(h headers, n int) error {
	text, ok, err := h.one(HeaderTries)
	if err != nil || !ok {
		return err
	}
	// The groups are read one at a time, so that no list of them is longer than what was found to be good.
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if token, err := decoder.Token(); err != nil || token != json.Delim('[') {
		return errors.New("is not a list")
	}
	s.Tries = make([]Try, n)
	set := make([]bool, n)
	for decoder.More() {
		var raw struct {
			tryGroup
			N string `json:"n"`
		}
		if err := decoder.Decode(&raw); err != nil {
			return errors.New("has a group of another form")
		}
		indexes, err := parseIndexes(raw.N, n)
		if err != nil {
			return err
		}
		if len(indexes) == 0 {
			return errors.New("has an empty group")
		}
		for _, position := range indexes {
			i, found := s.find(position, n)
			if !found || set[i] {
				return errors.New("names a recipient that the segment does not have, or one twice")
			}
			set[i] = true
			s.Tries[i] = Try{raw.Attempts, plainTime(raw.NotBefore), raw.Reason, raw.Status}
		}
	}
	if _, err := decoder.Token(); err != nil {
		return errors.New("is cut off")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("has something behind its list")
	}
	return nil
}

// find returns which recipient of the segment stands at a position of the job's ids.
func (s *Segment) find(position, n int) (int, bool) {
	if s.Positions == nil {
		return position, position < n
	}
	return slices.BinarySearch(s.Positions, position)
}
