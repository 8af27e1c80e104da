package input

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

func (r *Recipients) readObjects(text *bufio.Reader, format *Format) error {
	if _, err := strconv.Atoi(r.Column); err == nil {
		return Errorf("the members of JSON objects have names, not numbers: give --column one of them")
	}
	lines := &Lines{In: text, Max: MaxRecordBytes, TooLong: errRecordTooLong}
	wanted := ""
	var members []Field
	for {
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return Problem(err)
		}
		if members, err = readMembers(line, members[:0]); err != nil {
			r.Bad(lines.Line, err.Error())
			continue
		}
		if wanted == "" {
			if wanted, err = r.idMember(lines.Line, members, format); err != nil {
				return err
			}
		}
		r.takeObject(lines.Line, members, wanted)
	}
}

// idMember decides by the first object which member holds the ids, in all of them.
func (r *Recipients) idMember(line int, members []Field, format *Format) (string, error) {
	names := make([]string, len(members))
	for i, member := range members {
		names[i] = member.Name
	}
	found, repeated, ok := findColumn(names, r.Column)
	switch {
	case repeated:
		return "", Errorf("line %d has two members called %q; rename one of them", line, columnName(names[found]))
	case !ok && r.Column != "":
		return "", Errorf("line %d has no member %q", line, r.Column)
	case !ok:
		return "", Errorf("line %d has no member called token, device_token, registration_id, id …; say which one holds the ids with --column NAME", line)
	}
	format.Name = names[found]
	return columnName(names[found]), nil
}

func (r *Recipients) takeObject(line int, members []Field, wanted string) {
	at := -1
	for i, member := range members {
		if columnName(member.Name) != wanted {
			continue
		}
		if at >= 0 {
			r.Bad(line, fmt.Sprintf("has two members called %q", wanted))
			return
		}
		at = i
	}
	if at < 0 {
		r.Bad(line, fmt.Sprintf("has no member %q", wanted))
		return
	}
	var id string
	if value := members[at].Value; value[0] != '"' || json.Unmarshal(value, &id) != nil {
		r.Bad(line, fmt.Sprintf("%q is not a string", members[at].Name))
		return
	}
	row := Row{Line: line, ID: strings.TrimSpace(id)}
	if row.ID == "" {
		r.Bad(line, fmt.Sprintf("%q is empty", members[at].Name))
		return
	}
	if r.Fields {
		row.Fields = append(members[:at], members[at+1:]...)
	}
	r.give(row)
}

// maxMembers is the most members an object may have. Each is compared with those before it.
const maxMembers = 256

// readMembers appends the members of the object that is the whole line. A name that is there twice is refused: which of them
// counts would depend on who reads it.
func readMembers(line []byte, members []Field) ([]Field, error) {
	if !utf8.Valid(line) {
		return members, errors.New("is not valid UTF-8")
	}
	source := bytes.NewReader(line)
	decoder := json.NewDecoder(source)
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return members, errNoObject
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return members, errNoObject
		}
		member := Field{}
		member.Name, _ = name.(string)
		if err := decoder.Decode(&member.Value); err != nil {
			return members, errNoObject
		}
		for _, other := range members {
			if other.Name == member.Name {
				return members, fmt.Errorf("has two members called %q", member.Name)
			}
		}
		if members = append(members, member); len(members) > maxMembers {
			return members, fmt.Errorf("has more than %d members", maxMembers)
		}
	}
	if _, err := decoder.Token(); err != nil { // the brace
		return members, errNoObject
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return members, errors.New("has something behind its object; write one object per line")
	}
	return members, nil
}

var errNoObject = errors.New("is not a JSON object")
