package jobs

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// fieldMessage is the one field whose null can be a value.
const fieldMessage = "message"

// fieldIDs and fieldRecipients are the fields that differ between a job and its segments.
const fieldIDs = "ids"

// field is one name that a job may use.
type field struct {
	name string
	// at is its place in the table.
	at uint
	// alert or aps is the key that an APNs option sets in the alert object or in the aps dictionary; "" for none.
	alert, aps string
	// shapes says that the option has a part in what the provider gets as body, so that a raw payload excludes it.
	shapes bool
	// set reads a value into d.job, or adds faults.
	set func(d *decoder, name string, v value)
}

// fieldTable is all fields of one platform.
type fieldTable struct {
	list   []field
	byName map[string]*field
	names  []string
}

func newFieldTable(parts ...[]field) *fieldTable {
	t := &fieldTable{list: slices.Concat(parts...), byName: make(map[string]*field)}
	if len(t.list) > 64 {
		panic("jobs: decoder.given has no room for so many fields")
	}
	for i := range t.list {
		t.list[i].at = uint(i)
		t.byName[t.list[i].name] = &t.list[i]
		t.names = append(t.names, t.list[i].name)
	}
	return t
}

// commonFields are the fields of every job.
var commonFields = []field{
	{name: "id", set: setID},
	{name: "app", set: setApp},
	{name: "campaign", set: setCampaign},
	{name: fieldIDs, set: setIDs},
	{name: fieldRecipients, set: setRecipients},
	{name: "deliver_at", set: setDeliverAt},
	{name: "on_uncertain", set: setOnUncertain},
}

func setID(d *decoder, name string, v value) {
	switch {
	case v.kind != kindString:
		d.wrongType(name, "a string", v)
	case strings.HasPrefix(v.text(), reservedPrefix):
		d.add(name, "ids that begin with %q are Volley's own; choose another", reservedPrefix)
	case !validID(v.text()):
		d.add(name, "must be 1 to 64 letters, digits, _ and -, the first a letter or digit")
	default:
		d.job.ID = v.text()
	}
}

func setApp(d *decoder, name string, v value) {
	switch {
	case v.kind != kindString:
		d.wrongType(name, "a string", v)
	case !validApp(v.text()):
		d.add(name, "must be 1 to 32 lower-case letters, digits, _ and -, the first a letter or digit")
	default:
		d.job.App = v.text()
	}
}

func setCampaign(d *decoder, name string, v value) {
	switch {
	case v.kind != kindString:
		d.wrongType(name, "a string", v)
	case !validCampaign(v.text()):
		d.add(name, "must be 1 to 64 letters, digits, _ and -, the first a letter or digit, not beginning with %q", reservedPrefix)
	default:
		d.job.Campaign = v.text()
	}
}

func setIDs(d *decoder, name string, v value) {
	switch v.kind {
	case kindString:
		d.room.id[0] = Token{v.text()}
		d.job.IDs = d.room.id[:]
	case kindArray:
		// A device token and its quotes take 67 bytes: a guess that saves most of the growing.
		n := len(v.raw)/67 + 1
		ids := d.room.id[:0]
		if n > len(d.room.id) {
			ids = make([]Token, 0, n)
		}
		v.elements(func(i int, id value) {
			if id.kind != kindString {
				d.wrongType(name+"["+strconv.Itoa(i)+"]", "a string", id)
				return
			}
			ids = append(ids, Token{id.text()})
		})
		d.job.IDs = ids
	default:
		d.wrongType(name, "a string or a list of strings", v)
	}
}

func setDeliverAt(d *decoder, name string, v value) {
	if v.kind != kindString {
		d.wrongType(name, "a string", v)
		return
	}
	var at time.Time
	// UnmarshalText is the strict reader of RFC 3339; time.Parse is lenient.
	if at.UnmarshalText([]byte(v.text())) != nil {
		d.add(name, `must be a time with a zone as in RFC 3339, like "2026-11-23T10:00:00Z"`)
		return
	}
	d.job.DeliverAt = at
}

func setOnUncertain(d *decoder, name string, v value) {
	known := []string{string(OnUncertainResend), string(OnUncertainReport)}
	if word, ok := d.word(name, v, known); ok {
		d.job.OnUncertain = OnUncertain(word)
	}
}
