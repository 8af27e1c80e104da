package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ErrNewer says that an event was written by a newer version of this contract. Leave it to a newer reader; nothing in
// it may be relied on.
var ErrNewer = errors.New("the event was written by a newer version of Volley")

// Encode renders the event as it is stored: compact JSON in raw UTF-8, times in UTC, empty lists as []. An event without
// version or id gets them; the event itself is not changed. It fails if the id does not belong to the event's subject,
// or if the subject would not be valid.
func Encode(e *Event) ([]byte, error) {
	key := e.Key()
	if err := key.check(); err != nil {
		return nil, fmt.Errorf("the event %s can't be stored: %w", key.ID(), err)
	}
	w := e.wire()
	if !key.is(w.ID) {
		return nil, fmt.Errorf("the event on %s has the id %q of another subject; call SetID after the last change", key.Subject(), w.ID)
	}
	// HTML is not escaped: tokens are counted at most twice their length, see jobs.EventPerRecipient.
	out, err := w.appendTo(make([]byte, 0, w.size()))
	if err != nil {
		return nil, fmt.Errorf("encoding event %s: %w", w.ID, err)
	}
	return out, nil
}

// size is about how many bytes the event has.
func (e *wireEvent) size() int {
	const frame, each = 640, 320
	return frame + each*(len(e.Failures)+len(e.ExpiredTokens)+len(e.CanonicalIDs)+len(e.Uncertain)+len(e.Accepted))
}

// Decode reads an event. Unknown fields are tolerated: a later release may add some. The lists of the event are never
// nil. An event of a newer version answers ErrNewer, whatever else is in it. Decode looks at the form only: see
// Balanced for the sums.
func Decode(data []byte) (*Event, error) {
	var e Event
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&e); err != nil {
		var version struct {
			V int `json:"v"`
		}
		if json.Unmarshal(data, &version) == nil && version.V > Version {
			return nil, newer(version.V)
		}
		return nil, fmt.Errorf("decoding an event: %w", withoutValue(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("decoding an event: there is data after its end")
	}
	switch {
	case e.V > Version:
		return nil, newer(e.V)
	case e.V < 1:
		return nil, errors.New(`decoding an event: "v" is missing or less than 1`)
	case e.Kind == "":
		return nil, errors.New(`decoding an event: "kind" is missing`)
	}
	e.fillLists()
	return &e, nil
}

func newer(v int) error { return fmt.Errorf("%w: it has \"v\":%d, this is %d", ErrNewer, v, Version) }

// withoutValue names the place of a type error but not what stood there, which may be a token.
func withoutValue(err error) error {
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%q has the wrong type", mismatch.Field)
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("it is not JSON: %w", err)
	}
	return err
}

// MarshalJSON implements json.Marshaler: like Encode, but without its checks.
func (e Event) MarshalJSON() ([]byte, error) {
	w := e.wire()
	return w.appendTo(nil)
}

// wireEvent is an Event without methods, with everything in the form it has on the wire.
type wireEvent Event

func (e *Event) wire() wireEvent {
	w := *e
	if w.V == 0 {
		w.V = Version
	}
	if w.ID == "" {
		w.SetID()
	}
	w.fillLists()
	w.At = w.At.UTC()
	if e.Retry != nil {
		retry := *e.Retry
		retry.At, retry.Groups = retry.At.UTC(), slices.Clone(retry.Groups)
		for i, g := range retry.Groups {
			retry.Groups[i].NotBefore = g.NotBefore.UTC()
		}
		w.Retry = &retry
	}
	return wireEvent(w)
}

// fillLists makes the lists that every event has non-nil, so that they read [] and not null.
func (e *Event) fillLists() {
	if e.Failures == nil {
		e.Failures = []Failure{}
	}
	if e.ExpiredTokens == nil {
		e.ExpiredTokens = []ExpiredToken{}
	}
	if e.CanonicalIDs == nil {
		e.CanonicalIDs = []CanonicalID{}
	}
	if e.Uncertain == nil {
		e.Uncertain = []Uncertain{}
	}
	if e.Skipped == nil {
		e.Skipped = []Skipped{}
	}
}

// MarshalJSON implements json.Marshaler: a number for an APNs code, a string for a GCM code.
func (c Code) MarshalJSON() ([]byte, error) {
	if c.numeric() {
		return []byte(c), nil
	}
	return json.Marshal(string(c))
}

// UnmarshalJSON implements json.Unmarshaler. It takes a string, a whole number from 0, or null for none.
func (c *Code) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*c = ""
		return nil
	}
	if strings.HasPrefix(string(data), `"`) {
		return json.Unmarshal(data, (*string)(c))
	}
	if !Code(data).numeric() {
		return errors.New("an error code is neither a string nor a whole number")
	}
	*c = Code(data)
	return nil
}

// numeric says whether the code is a number in JSON: digits only, without a leading zero.
func (c Code) numeric() bool {
	for i := range len(c) {
		if c[i] < '0' || c[i] > '9' {
			return false
		}
	}
	return c == "0" || c != "" && c[0] != '0'
}
