package enqueue

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxJobBytes bounds one job of a file, so that a file of something else is not read into memory. NATS advises against
// messages larger than that; what the server really takes is checked after connecting.
const maxJobBytes = 8 << 20

// readJobs finds the jobs in a text: one object per line, or one object over several lines, which then is the only one.
// Plain or gzip, with or without a byte order mark. body is valid until visit returns.
func readJobs(source io.Reader, visit func(line int, single bool, body []byte) error) error {
	text, err := plainText(source)
	if err != nil {
		return err
	}
	in := &lineReader{in: text, raw: new(bytes.Buffer)}
	first, err := in.next()
	if err != nil {
		return endOfJobs(err)
	}
	first = bytes.Clone(first)
	firstLine := in.line
	second, err := in.next()
	if err != nil && !errors.Is(err, io.EOF) {
		return endOfJobs(err)
	}
	// The second line of an object that is spread over lines never begins with a brace.
	if json.Valid(first) || bytes.HasPrefix(second, []byte("{")) {
		in.raw = nil
		if visitErr := visit(firstLine, false, first); visitErr != nil {
			return visitErr
		}
		body := second
		for ; err == nil; body, err = in.next() {
			if visitErr := visit(in.line, false, body); visitErr != nil {
				return visitErr
			}
		}
		return endOfJobs(err)
	}
	rest, err := io.ReadAll(io.LimitReader(text, maxJobBytes+1))
	if err != nil {
		return readProblem(err)
	}
	// What stands before the object stays, so that the line of a fault is the line in the file.
	whole := bytes.TrimRight(append(in.raw.Bytes(), rest...), " \t\r\n")
	if len(whole) > maxJobBytes {
		return errJobTooLong
	}
	return visit(firstLine, true, whole)
}

var errJobTooLong = &fileError{fmt.Sprintf("a job has more than %d bytes", maxJobBytes)}

func endOfJobs(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	if errors.Is(err, errJobTooLong) {
		return err
	}
	return readProblem(err)
}

// lineReader reads lines that are not blank, without the white space around them.
type lineReader struct {
	in   *bufio.Reader
	line int
	text []byte
	// raw gets everything that was read, if it is not nil.
	raw *bytes.Buffer
}

// next returns the next line; it is valid until the call after. io.EOF ends the text.
func (l *lineReader) next() ([]byte, error) {
	for {
		l.text = l.text[:0]
		var err error
		for {
			var part []byte
			part, err = l.in.ReadSlice('\n')
			l.text = append(l.text, part...)
			if len(l.text) > maxJobBytes {
				return nil, errJobTooLong
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				break
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		l.line++
		if l.raw != nil {
			l.raw.Write(l.text)
		}
		if text := bytes.TrimSpace(l.text); len(text) > 0 {
			return text, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
