package enqueue

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/volleypush/volley/internal/cli/input"
)

// maxJobBytes bounds one job of a file, so that a file of something else is not read into memory. NATS advises against
// messages larger than that; what the server really takes is checked after connecting.
const maxJobBytes = 8 << 20

// readJobs finds the jobs in a text: one object per line, or one object over several lines, which then is the only one.
// Plain or gzip, with or without a byte order mark. body is valid until visit returns.
func readJobs(source io.Reader, visit func(line int, single bool, body []byte) error) error {
	text, _, err := input.Open(source)
	if err != nil {
		return err
	}
	in := &input.Lines{In: text, Max: maxJobBytes, TooLong: errJobTooLong, Raw: new(bytes.Buffer)}
	first, err := in.Next()
	if err != nil {
		return endOfJobs(err)
	}
	first = bytes.Clone(first)
	firstLine := in.Line
	second, err := in.Next()
	if err != nil && !errors.Is(err, io.EOF) {
		return endOfJobs(err)
	}
	// The second line of an object that is spread over lines never begins with a brace.
	if json.Valid(first) || bytes.HasPrefix(second, []byte("{")) {
		in.Raw = nil
		if visitErr := visit(firstLine, false, first); visitErr != nil {
			return visitErr
		}
		body := second
		for ; err == nil; body, err = in.Next() {
			if visitErr := visit(in.Line, false, body); visitErr != nil {
				return visitErr
			}
		}
		return endOfJobs(err)
	}
	rest, err := io.ReadAll(io.LimitReader(text, maxJobBytes+1))
	if err != nil {
		return input.Problem(err)
	}
	// What stands before the object stays, so that the line of a fault is the line in the file.
	whole := bytes.TrimRight(append(in.Raw.Bytes(), rest...), " \t\r\n")
	if len(whole) > maxJobBytes {
		return endOfJobs(errJobTooLong)
	}
	return visit(firstLine, true, whole)
}

var errJobTooLong = errors.New("job too long")

func endOfJobs(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	if errors.Is(err, errJobTooLong) {
		return input.Errorf("a job has more than %d bytes", maxJobBytes)
	}
	return input.Problem(err)
}
