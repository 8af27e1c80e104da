package input

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// Lines reads lines that are not blank, without the white space around them.
type Lines struct {
	// In is the text, Max the most bytes of a line, and TooLong the error for a longer one.
	In      *bufio.Reader
	Max     int
	TooLong error
	// Raw gets everything that was read, if it is not nil.
	Raw *bytes.Buffer
	// Line is the number of the line that Next returned, counted from 1.
	Line int

	text []byte
}

// Next returns the next line; it is valid until the call after. io.EOF ends the text.
func (l *Lines) Next() ([]byte, error) {
	for {
		l.text = l.text[:0]
		var err error
		for {
			var part []byte
			part, err = l.In.ReadSlice('\n')
			l.text = append(l.text, part...)
			if len(l.text) > l.Max {
				return nil, l.TooLong
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				break
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		l.Line++
		if l.Raw != nil {
			l.Raw.Write(l.text)
		}
		if text := bytes.TrimSpace(l.text); len(text) > 0 {
			return text, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
