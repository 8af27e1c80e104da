package input

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// delimiter looks at the first line that is not blank. Neither kind of id has a tab, comma or semicolon in it.
func delimiter(line []byte) rune {
	for _, comma := range "\t,;" {
		if bytes.ContainsRune(line, comma) {
			return comma
		}
	}
	return ','
}

func (r *Recipients) readTable(text *bufio.Reader, format *Format) error {
	limit := &recordLimit{source: text}
	records := csv.NewReader(limit)
	records.Comma = format.comma
	records.ReuseRecord = true
	var columns *table
	for {
		record, err := records.Read()
		limit.mark = records.InputOffset()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if broken, ok := errors.AsType[*csv.ParseError](err); ok {
			r.Bad(broken.StartLine, recordProblem(broken, len(record), format.Columns))
			continue
		}
		if err != nil {
			return Problem(err)
		}
		line, _ := records.FieldPos(0)
		if columns == nil {
			if columns, err = r.columns(line, record, format); err != nil {
				return err
			}
			if format.Header {
				continue
			}
		}
		id := strings.TrimSpace(record[columns.id])
		if id == "" {
			if format.Columns > 1 {
				r.Bad(line, "the column is empty")
			}
			continue
		}
		row := Row{Line: line, ID: id}
		if r.Fields {
			if row.Fields, err = columns.values(record); err != nil {
				r.Bad(line, err.Error())
				continue
			}
		}
		r.give(row)
	}
}

// columns decides from the first record whether it is a header, and where the ids are.
func (r *Recipients) columns(line int, record []string, format *Format) (*table, error) {
	format.Columns = len(record)
	at, err := r.idColumn(line, record)
	if err != nil {
		return nil, err
	}
	format.Header, format.Column = at.header, at.column+1
	if at.header {
		format.Name = strings.TrimSpace(record[at.column])
	}
	t := &table{id: at.column}
	if !r.Fields {
		return t, nil
	}
	if !at.header {
		return nil, Errorf("line %d has no names of columns; the values beside the ids need them: add a line with the names", line)
	}
	seen := make(map[string]bool, len(record))
	for i, name := range record {
		name = strings.Clone(strings.TrimSpace(name))
		switch {
		case i == at.column:
		case name == "":
			return nil, Errorf("line %d has no name for column %d; the values beside the ids need one", line, i+1)
		case !utf8.ValidString(name):
			return nil, Errorf("line %d, column %d: the name is not valid UTF-8", line, i+1)
		case seen[name]:
			return nil, Errorf("line %d has two columns called %q; rename one of them", line, name)
		default:
			seen[name] = true
		}
		t.names = append(t.names, name)
	}
	return t, nil
}

// table is where things are in the records of a table.
type table struct {
	id     int
	names  []string
	fields []Field
}

// values are the named cells beside the id. The slice is used again for the next record.
func (t *table) values(record []string) ([]Field, error) {
	t.fields = t.fields[:0]
	for i, name := range t.names {
		if i == t.id {
			continue
		}
		if !utf8.ValidString(record[i]) {
			return nil, fmt.Errorf("column %q is not valid UTF-8", name)
		}
		t.fields = append(t.fields, Field{name, quoted(record[i])})
	}
	return t.fields, nil
}

// quoted is text as JSON, raw UTF-8: what the provider gets must not depend on who wrote the list.
func quoted(text string) json.RawMessage {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string in a buffer can't fail
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

func recordProblem(broken *csv.ParseError, columns, width int) string {
	switch {
	case errors.Is(broken.Err, csv.ErrFieldCount):
		return fmt.Sprintf("has %d columns, the first line has %d", columns, width)
	case errors.Is(broken.Err, csv.ErrQuote), errors.Is(broken.Err, csv.ErrBareQuote):
		return "has a quote in the wrong place, or one that is never closed"
	}
	return broken.Err.Error()
}
