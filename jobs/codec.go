package jobs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Decode reads and validates a job for the platform. It never changes or keeps body. The error is always of type
// Faults and lists every fault at once; it quotes field names and Volley's own words, never a token or a text.
//
// The codec is strict: unknown fields, two fields of one name, anything behind the object, broken Unicode and wrong
// types are faults. null says the same as leaving the field out, except in GCM's message, where it is a value.
// A malformed recipient is no fault of the job: see ValidateRecipient.
func Decode(p Platform, body []byte) (*Job, error) {
	d := newDecoder(p)
	if d.table == nil {
		d.add("", "%q is not a platform", p)
		return nil, d.err()
	}
	// One copy of the body: the ids, and every other text without escapes, are parts of it.
	d.read(string(body))
	if err := d.err(); err != nil {
		return nil, err
	}
	return d.job, nil
}

// newDecoder makes one with an empty job; without a table for what is no platform. Job and options are one piece with it: for a job of
// one recipient an allocation costs more than what it is for.
func newDecoder(p Platform) *decoder {
	switch p {
	case APNS:
		all := &struct {
			decoder
			options APNSOptions
		}{}
		all.begin(p, apnsFields)
		all.job.APNS = &all.options
		return &all.decoder
	case GCM:
		all := &struct {
			decoder
			options GCMOptions
		}{}
		all.begin(p, gcmFields)
		all.job.GCM = &all.options
		return &all.decoder
	}
	return &decoder{}
}

func (d *decoder) begin(p Platform, table *fieldTable) {
	d.platform, d.table, d.job = p, table, &d.room.job
	*d.job = Job{Platform: p, App: DefaultApp, OnUncertain: OnUncertainResend, fields: d.room.fields[:0]}
}

// decoder is the state of one Decode.
type decoder struct {
	faultList
	platform Platform
	table    *fieldTable
	job      *Job
	// given has a bit for each field of the table that is there and not null, and values what those are that a rule asks for; ids is either list.
	given  uint64
	values struct{ ids, message, payload value }

	// room is for a job of the usual size.
	room struct {
		job    Job
		fields [6]rawField
		texts  [4]string
		used   int // of texts
		id     [1]Token
	}
}

// keepText returns a place that has the text.
func (d *decoder) keepText(text string) *string {
	if d.room.used == len(d.room.texts) {
		return &text
	}
	kept := &d.room.texts[d.room.used]
	d.room.used++
	*kept = text
	return kept
}

// read goes once over the whole text and sets what it finds; the rules that concern several fields come after it.
func (d *decoder) read(text string) {
	if !utf8.ValidString(text) {
		d.add("", "the job is not valid UTF-8 from byte %d on", brokenAt(text))
		return
	}
	s := scanner{text: text, faults: &d.faultList}
	s.space()
	if s.peek() != '{' {
		d.add("", "%s", notAnObject(text))
		return
	}
	err := s.object(d.field)
	if err == nil {
		if s.space(); s.pos < len(text) {
			err = s.fail("something follows the job; a message holds one JSON object")
		}
	}
	if err != nil {
		d.add("", "the job is not JSON: %s", place(text, err))
		return
	}
	d.job.source = text
	d.job.sortFields()
	d.checkRecipients()
	if d.platform == APNS {
		d.checkAPNS()
	} else {
		d.checkGCM()
	}
}

// field takes one top-level member.
func (d *decoder) field(name string, v value) {
	f, known := d.table.byName[name]
	if !known {
		d.unknown(name)
		return
	}
	d.job.keep(name, v)
	if v.kind == kindNull && name != fieldMessage {
		return
	}
	if v.kind != kindNull {
		d.give(f, v)
	}
	f.set(d, name, v)
}

// give notes that a field is there and not null.
func (d *decoder) give(f *field, v value) {
	d.given |= 1 << f.at
	switch f.name {
	case fieldIDs, fieldRecipients:
		d.values.ids = v
	case fieldMessage:
		d.values.message = v
	case fieldPayload:
		d.values.payload = v
	}
}

func (d *decoder) unknown(name string) {
	other, otherName := gcmFields, "a GCM"
	if d.platform == GCM {
		other, otherName = apnsFields, "an APNs"
	}
	if _, ok := other.byName[name]; ok {
		d.add(name, "is %s option and this job is for %s", otherName, d.platform)
		return
	}
	near := nearest(name, d.table.names)
	if slices.Contains(otherWordsForIDs(), name) {
		near = fieldIDs
	}
	if near != "" {
		d.add(shownName(name), "unknown field; did you mean %q?", near)
		return
	}
	d.add(shownName(name), "unknown field")
}

// otherWordsForIDs are what others call the recipients of a job.
func otherWordsForIDs() []string {
	return []string{"to", "token", "tokens", "device_token", "device_tokens", "registration_id", "registration_ids", "registration_token", "registration_tokens"}
}

// has says whether the field is there and not null.
func (d *decoder) has(name string) bool {
	f, ok := d.table.byName[name]
	return ok && d.hasField(f)
}

func (d *decoder) hasField(f *field) bool { return d.given&(1<<f.at) != 0 }

// wrongType adds the fault of a value that is of another kind than the field's.
func (d *decoder) wrongType(name, want string, v value) {
	d.add(name, "must be %s, is %s", want, v.kind)
}

func notAnObject(text string) string {
	s := scanner{text: text}
	s.space()
	switch v, err := s.value(); {
	case s.pos == len(text) && err != nil && strings.TrimSpace(text) == "":
		return "the message is empty; a job is a JSON object"
	case strings.HasPrefix(text, "\ufeff"):
		return "the message begins with a byte order mark; a job is a JSON object in plain UTF-8"
	case err != nil:
		return "the job is not JSON: " + place(text, err)
	default:
		return fmt.Sprintf("a job is a JSON object, this is %s", v.kind)
	}
}

// place says where in the text the error is, for somebody with an editor.
func place(text string, err error) string {
	var syntax *syntaxError
	if !errors.As(err, &syntax) {
		return err.Error()
	}
	before := text[:syntax.at]
	line := 1 + strings.Count(before, "\n")
	column := 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return fmt.Sprintf("line %d, column %d: %s", line, column, syntax.problem)
}

// brokenAt returns where the text stops being UTF-8.
func brokenAt(text string) int {
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") {
			return i
		}
	}
	return len(text)
}
