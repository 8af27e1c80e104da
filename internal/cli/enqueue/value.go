package enqueue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"
)

// maxFileValue bounds what @FILE may hold: more than the broker takes in one message by default, so that the limit that
// is reported is the broker's.
const maxFileValue = 4 << 20

// jsonArg is the value of a flag that takes JSON, or @FILE with JSON in it.
type jsonArg string

// resolve returns the JSON. Errors never quote the value: it may be a message.
func (a jsonArg) resolve() (json.RawMessage, error) {
	raw := []byte(a)
	if path, ok := strings.CutPrefix(string(a), "@"); ok {
		var err error
		if raw, err = readValue(path); err != nil {
			return nil, err
		}
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return nil, errors.New("is empty; it takes JSON or @FILE")
	}
	if err := checkJSON(raw); err != nil {
		return nil, err
	}
	return raw, nil
}

// nameArg is the value of a flag that takes a plain name, a JSON object, or @FILE with one of them in it.
type nameArg string

func (a nameArg) resolve() (json.RawMessage, error) {
	if strings.HasPrefix(string(a), "@") || strings.HasPrefix(strings.TrimSpace(string(a)), "{") {
		return jsonArg(a).resolve()
	}
	return encodeJSON(string(a)), nil
}

func readValue(path string) ([]byte, error) {
	file, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	raw, err := io.ReadAll(io.LimitReader(file, maxFileValue+1))
	if err != nil {
		return nil, plainPathError(err)
	}
	if len(raw) > maxFileValue {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxFileValue)
	}
	return raw, nil
}

// openFile opens what a flag or argument names. The error is for the user.
func openFile(path string) (*os.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, plainPathError(err)
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		_ = file.Close()
		return nil, fmt.Errorf("can't read %s: it is a folder, not a file", path)
	}
	return file, nil
}

// plainPathError turns "open x: no such file or directory" into a sentence that begins with the file.
func plainPathError(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("can't read %s: %w", path.Path, path.Err)
	}
	return err
}

// inputProblem names the input that could not be read to its end.
func inputProblem(name string, err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return plainPathError(path)
	}
	return fmt.Errorf("reading %s: %w", name, err)
}

// checkJSON says where a JSON text goes wrong, in lines and columns, without quoting more than one character of it.
func checkJSON(raw []byte) error {
	if !utf8.Valid(raw) {
		return errors.New("is not valid UTF-8")
	}
	var value json.RawMessage
	err := json.Unmarshal(raw, &value)
	if err == nil {
		return nil
	}
	at := len(raw)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = max(0, min(int(syntax.Offset)-1, len(raw)))
	}
	before := raw[:at]
	line := bytes.Count(before, []byte("\n")) + 1
	column := at - bytes.LastIndexByte(before, '\n')
	return fmt.Errorf("is not valid JSON at line %d, column %d: %w", line, column, err)
}

// encodeJSON writes raw UTF-8: what the provider gets must not depend on who encoded the job. Only for values that can't
// fail.
func encodeJSON(value any) json.RawMessage {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(fmt.Sprintf("a flag's value of type %T can't be encoded: %v", value, err))
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
