package enqueue

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// sniffBytes is how much of a file is looked at to find its kind: more than any sensible first line.
	sniffBytes = 64 << 10
	// maxRecordBytes is the longest line, or quoted record over several lines. It keeps a quote that is never closed from
	// reading the whole file into memory.
	maxRecordBytes = 1 << 20
)

// idColumns are the column names that are understood, the most telling one first: a file with both "id" and
// "device_token" means the latter. Case, spaces and hyphens don't matter.
var idColumns = [...]string{
	"device_token", "registration_id", "registration_token", "push_token", "apns_token", "fcm_token", "gcm_token",
	"fcm_registration_id", "gcm_registration_id", "reg_id", "fid", "installation_id", "token", "device_id",
	"registration_ids", "device_tokens", "tokens", "ids", "id",
}

// fileError is a fault of the file as a whole. Its text never quotes the file: without a header, line 1 is a token.
type fileError struct{ problem string }

func (e *fileError) Error() string { return e.problem }

// idReader reads recipients from a file of either shape, plain or gzip, with or without a byte order mark, with any line
// ends. It holds one record at a time.
type idReader struct {
	// column is the name asked for, "" to find one of idColumns.
	column string
	// take gets every id with its line. A returned error is a fault of that line.
	take func(line int, id string) error
	// bad is told of lines that are not read.
	bad func(line int, problem string)
}

// read reads all of source. The error is an *fileError, or what reading or take's storage said.
func (r *idReader) read(source io.Reader) error {
	text, err := plainText(source)
	if err != nil {
		return err
	}
	comma, err := delimiter(text)
	if err != nil {
		return err
	}
	limit := &recordLimit{source: text}
	records := csv.NewReader(limit)
	records.Comma = comma
	records.ReuseRecord = true
	column, width := -1, 0
	for {
		record, err := records.Read()
		limit.mark = records.InputOffset()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if broken, ok := errors.AsType[*csv.ParseError](err); ok {
			r.bad(broken.StartLine, recordProblem(broken, len(record), width))
			continue
		}
		if err != nil {
			return readProblem(err)
		}
		line, _ := records.FieldPos(0)
		if column < 0 {
			width = len(record)
			found, repeated, header := findColumn(record, r.column)
			switch {
			case repeated:
				return &fileError{fmt.Sprintf("line %d has two columns called %q; rename one of them", line, columnName(record[found]))}
			case header:
				column = found
				continue
			case r.column != "":
				return &fileError{fmt.Sprintf("line %d names no column %q", line, r.column)}
			case width > 1:
				return &fileError{fmt.Sprintf("line %d has %d columns and none is called token, device_token, registration_id, id …; "+
					"add a line with the names, or say which one with --column", line, width)}
			}
			column = 0
		}
		id := strings.TrimSpace(record[column])
		if id == "" {
			if width > 1 {
				r.bad(line, "the column is empty")
			}
			continue
		}
		if err := r.take(line, id); err != nil {
			r.bad(line, err.Error())
		}
	}
}

// plainText undoes gzip and drops a byte order mark.
func plainText(source io.Reader) (*bufio.Reader, error) {
	text := bufio.NewReaderSize(source, sniffBytes)
	magic, err := text.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, readProblem(err) // Peek forgets it: the next read might go on behind a gap
	}
	if bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(text)
		if err != nil {
			return nil, readProblem(err)
		}
		text = bufio.NewReaderSize(unzipped, sniffBytes)
	}
	mark, err := text.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, readProblem(err)
	}
	switch {
	case bytes.HasPrefix(mark, []byte{0xff, 0xfe}), bytes.HasPrefix(mark, []byte{0xfe, 0xff}):
		return nil, &fileError{"the text is UTF-16; save it as UTF-8"}
	case bytes.Equal(mark, []byte{0xef, 0xbb, 0xbf}):
		_, _ = text.Discard(len(mark))
	}
	return text, nil
}

// delimiter looks at the first line that is not empty. Neither kind of id has a tab, comma or semicolon in it.
func delimiter(text *bufio.Reader) (rune, error) {
	start, err := text.Peek(sniffBytes)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return 0, readProblem(err)
	}
	start = bytes.TrimLeft(start, "\r\n")
	line, _, _ := bytes.Cut(start, []byte("\n"))
	for _, comma := range "\t,;" {
		if bytes.ContainsRune(line, comma) {
			return comma, nil
		}
	}
	return ',', nil
}

// findColumn says which column holds the ids, whether another one has the same name, and whether the record is a header at all.
func findColumn(record []string, wanted string) (column int, repeated, header bool) {
	names := make(map[string][]int, len(record))
	for i, name := range record {
		name = columnName(name)
		names[name] = append(names[name], i)
	}
	candidates := idColumns[:]
	if wanted != "" {
		candidates = []string{columnName(wanted)}
	}
	for _, name := range candidates {
		if at := names[name]; len(at) > 0 {
			return at[0], len(at) > 1, true
		}
	}
	return 0, false, false
}

func columnName(name string) string {
	return strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(name)))
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

func readProblem(err error) error {
	switch {
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.Is(err, io.ErrUnexpectedEOF):
		return &fileError{"the gzip file is damaged or cut off"}
	case errors.Is(err, errRecordTooLong):
		return &fileError{fmt.Sprintf("a line has more than %d bytes, or a quote is never closed", maxRecordBytes)}
	}
	return err
}

var errRecordTooLong = errors.New("record too long")

// recordLimit stops the CSV reader when it asks for more than maxRecordBytes since the end of its last record.
type recordLimit struct {
	source     io.Reader
	read, mark int64
}

func (l *recordLimit) Read(p []byte) (int, error) {
	if l.read-l.mark > maxRecordBytes {
		return 0, errRecordTooLong
	}
	n, err := l.source.Read(p)
	l.read += int64(n)
	return n, err
}
