package jobs

import (
	"slices"
	"strings"
)

// keep remembers a member of the body for re-encoding.
func (j *Job) keep(name string, v value) {
	if name == fieldIDs || name == fieldRecipients {
		return
	}
	j.fields = append(j.fields, rawField{name, v})
}

func (j *Job) sortFields() {
	slices.SortFunc(j.fields, func(a, b rawField) int { return strings.Compare(a.name, b.name) })
}

// encode writes the job with the ids it has now: keys sorted, canonical values, and the raw payload as it was written.
// It is never longer than the original, but for the brackets of a list.
func (j *Job) encode() []byte {
	size := 2
	for _, id := range j.IDs {
		size += id.Len() + 3
	}
	for _, vars := range j.Vars {
		size += 18
		for _, v := range vars {
			size += v.written()
		}
	}
	for _, f := range j.fields {
		size += len(f.name) + len(f.value.raw) + 4
	}
	b := make([]byte, 0, size)
	b = append(b, '{')
	idsWritten, list, appendList := len(j.IDs) == 0, fieldIDs, j.appendIDs
	if j.Vars != nil {
		list, appendList = fieldRecipients, j.appendRecipients
	}
	for _, f := range j.fields {
		if !idsWritten && f.name > list {
			b = appendList(b)
			idsWritten = true
		}
		b = appendName(b, f.name)
		if f.name == fieldPayload {
			b = append(b, f.value.raw...)
		} else {
			b = append(b, f.value.canonical()...)
		}
	}
	if !idsWritten {
		b = appendList(b)
	}
	return append(b, '}')
}

func (j *Job) appendIDs(b []byte) []byte {
	b = append(appendName(b, fieldIDs), '[')
	for i, id := range j.IDs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, id.text)
	}
	return append(b, ']')
}

// appendName appends the name of the next member of an object that is being written.
func appendName(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(appendString(b, name), ':')
}
