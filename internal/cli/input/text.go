// Package input reads what people hand over: a text in whatever wrapping it comes, and lists of recipients in it. It holds one
// record at a time, so that a list may be larger than memory.
package input

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

const (
	// SniffBytes is how much of a text is looked at to find its kind: more than any sensible first line.
	SniffBytes = 64 << 10
	// MaxRecordBytes is the longest line, or quoted record over several lines. It keeps a quote that is never closed from
	// reading the whole text into memory.
	MaxRecordBytes = 1 << 20
)

// Error is a fault of the text as a whole. It never quotes the text: without a header, line 1 is a token.
type Error struct{ problem string }

// Error says what is wrong.
func (e *Error) Error() string { return e.problem }

// Errorf makes an Error.
func Errorf(format string, args ...any) *Error { return &Error{fmt.Sprintf(format, args...)} }

// Open undoes gzip, which it finds by content, and drops a byte order mark.
func Open(source io.Reader) (text *bufio.Reader, zipped bool, err error) {
	text = bufio.NewReaderSize(source, SniffBytes)
	magic, err := text.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, Problem(err) // Peek forgets it: the next read might go on behind a gap
	}
	if zipped = bytes.Equal(magic, []byte{0x1f, 0x8b}); zipped {
		unzipped, err := gzip.NewReader(text)
		if err != nil {
			return nil, false, Problem(err)
		}
		text = bufio.NewReaderSize(unzipped, SniffBytes)
	}
	mark, err := text.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, Problem(err)
	}
	switch {
	case bytes.HasPrefix(mark, []byte{0xff, 0xfe}), bytes.HasPrefix(mark, []byte{0xfe, 0xff}):
		return nil, false, Errorf("the text is UTF-16; save it as UTF-8")
	case bytes.Equal(mark, []byte{0xef, 0xbb, 0xbf}):
		_, _ = text.Discard(len(mark))
	}
	return text, zipped, nil
}

// Problem turns what reading a text of Open said into an Error where the text is to blame, and leaves other errors alone.
func Problem(err error) error {
	switch {
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.Is(err, io.ErrUnexpectedEOF):
		return Errorf("the gzip file is damaged or cut off")
	case errors.Is(err, errRecordTooLong):
		return Errorf("a line has more than %d bytes, or a quote is never closed", MaxRecordBytes)
	}
	return err
}

var errRecordTooLong = errors.New("record too long")

// recordLimit stops the CSV reader when it asks for more than MaxRecordBytes since the end of its last record.
type recordLimit struct {
	source     io.Reader
	read, mark int64
}

func (l *recordLimit) Read(p []byte) (int, error) {
	if l.read-l.mark > MaxRecordBytes {
		return 0, errRecordTooLong
	}
	n, err := l.source.Read(p)
	l.read += int64(n)
	return n, err
}
