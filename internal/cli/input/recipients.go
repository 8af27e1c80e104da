package input

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Row is one recipient of a list.
type Row struct {
	// Line is where it begins, counted from 1.
	Line int
	// ID is the recipient without white space around it. It is not empty, and not checked further.
	ID string
	// Fields are the other columns in the order of the list, if Recipients.Fields asks for them; valid until Take returns.
	Fields []Field
}

// Field is a named value beside the id.
type Field struct {
	// Name is the column's name as the list spells it, without white space around it.
	Name string
	// Value is a JSON string for a cell of a table, and the member as it stands for an object.
	Value json.RawMessage
}

// Recipients reads a list of recipients: one per line, a table (CSV with commas or semicolons, TSV) with or without a header, or one
// JSON object per line (NDJSON); plain or gzip, with or without a byte order mark, with any line ends.
type Recipients struct {
	// Column holds the ids: a name, or a number counted from 1; "" to find it by one of the usual names. Case, spaces and
	// hyphens of names don't matter.
	Column string
	// Nearest is the one of the known words that a misspelt one stands for, "" for none; nil guesses nothing.
	Nearest func(word string, known []string) string
	// Header says whether the first line of a table has the names; nil: it has if one of them is the Column, or a usual name.
	Header *bool
	// Fields asks for the other columns. They must have names, each its own.
	Fields bool
	// Take gets every row. A returned error is a fault of that line.
	Take func(Row) error
	// Bad is told of lines that are not read. No problem quotes the line.
	Bad func(line int, problem string)
}

// Read reads all of source and says what it took it for, as far as it came. The error is an *Error, or what reading said.
func (r *Recipients) Read(source io.Reader) (Format, error) {
	text, zipped, err := Open(source)
	if err != nil {
		return Format{}, err
	}
	format := Format{Gzip: zipped}
	first, err := firstLine(text)
	if err != nil {
		return format, err
	}
	switch {
	case len(first) == 0:
		format.Kind = KindEmpty
		return format, nil
	case first[0] == '{':
		format.Kind = KindObjects
		err = r.readObjects(text, &format)
	case first[0] == '[':
		err = Errorf("it is a JSON array; write one object or id per line instead, for example with jq -c '.[]'")
	default:
		format.Kind, format.comma = KindTable, delimiter(first)
		err = r.readTable(text, &format)
	}
	return format, err
}

// firstLine is the first line that is not blank, as far as it lies within SniffBytes; nothing is consumed.
func firstLine(text *bufio.Reader) ([]byte, error) {
	start, err := text.Peek(SniffBytes)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, Problem(err)
	}
	for len(start) > 0 {
		line, rest, _ := bytes.Cut(start, []byte("\n"))
		// A tab at the beginning is an empty cell, not white space.
		if len(bytes.TrimSpace(line)) > 0 {
			return bytes.Trim(line, " \r"), nil
		}
		start = rest
	}
	return nil, nil
}

// give hands a row over, and reports what is wrong with it.
func (r *Recipients) give(row Row) {
	if err := r.Take(row); err != nil {
		r.Bad(row.Line, err.Error())
	}
}

// Kind is the shape of a list.
type Kind string

// The shapes.
const (
	KindEmpty   Kind = "empty"
	KindTable   Kind = "table"
	KindObjects Kind = "objects"
)

// Format is what a list was taken for.
type Format struct {
	Kind Kind
	Gzip bool
	// Header says that the first line of a table has the names.
	Header bool
	// Column is where the ids are, counted from 1, of Columns; 0 in objects, whose members have no places.
	Column, Columns int
	// Name is the column's name, as the list spells it; "" without a header.
	Name  string
	comma rune
}

// String says it in one sentence: "gzip, CSV (semicolons), line 1 has the names, ids are in column 2 of 3, "Token"".
func (f Format) String() string {
	text := ""
	if f.Gzip {
		text = "gzip, "
	}
	switch f.Kind {
	case KindObjects:
		return text + fmt.Sprintf("one JSON object per line, ids are in %q", f.Name)
	case KindTable:
	case KindEmpty:
		return text + "empty"
	default:
		return text + "not recognised"
	}
	switch {
	case f.Columns == 1:
		text += "one id per line"
	case f.comma == '\t':
		text += "TSV"
	case f.comma == ';':
		text += "CSV (semicolons)"
	default:
		text += "CSV"
	}
	switch {
	case f.Columns == 1 && f.Header:
		return text + fmt.Sprintf(" below the name %q", f.Name)
	case f.Columns == 1:
		return text
	case f.Header:
		return text + fmt.Sprintf(", line 1 has the names, ids are in column %d of %d, %q", f.Column, f.Columns, f.Name)
	}
	return text + fmt.Sprintf(", no line with names, ids are in column %d of %d", f.Column, f.Columns)
}
