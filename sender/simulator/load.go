package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// maxScript bounds a script file or upload: 16 MiB is some hundred thousand rules.
const maxScript = 16 << 20

// LoadScript reads a script file, YAML or JSON; see ParseScript. Errors name the file.
func LoadScript(file string) (Script, error) {
	f, err := os.Open(file)
	if err != nil {
		return Script{}, fmt.Errorf("simulator script: %w", err)
	}
	defer f.Close()
	data, err := readScript(f)
	if err != nil {
		return Script{}, fmt.Errorf("simulator script %s: %w", file, err)
	}
	script, err := ParseScript(data)
	if err != nil {
		return Script{}, fmt.Errorf("simulator script %s: %w", file, err)
	}
	return script, nil
}

func readScript(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxScript+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxScript {
		return nil, fmt.Errorf("larger than %d bytes", maxScript)
	}
	return data, nil
}

// ParseScript reads and validates a script. Text that begins with "{" is JSON, any other YAML. Unknown and repeated
// keys are refused with their line. An empty text is the empty script.
func ParseScript(data []byte) (Script, error) {
	var script Script
	if err := decode(data, &script); err != nil {
		return Script{}, err
	}
	if err := script.Validate(); err != nil {
		return Script{}, err
	}
	return script, nil
}

// decode reads YAML or JSON into a struct, strictly.
func decode[T any](data []byte, into *T) error {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return decodeJSON(data, into)
	}
	return decodeYAML(data, into)
}

func decodeYAML[T any](data []byte, into *T) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	err := yaml.UnmarshalWithOptions(data, into, yaml.Strict())
	var located yaml.Error
	if errors.As(err, &located) && located.GetToken() != nil {
		return fmt.Errorf("line %d: %s\n%s", located.GetToken().Position.Line, located.GetMessage(), strings.TrimRight(yaml.FormatError(err, false, true), "\n"))
	}
	return err
}

// UnmarshalYAML adds the line to a bad duration; the YAML package gives it for its own errors only.
func (d *Duration) UnmarshalYAML(node ast.Node) error {
	token := node.GetToken()
	if err := d.UnmarshalText([]byte(token.Value)); err != nil {
		return fmt.Errorf("line %d: %w", token.Position.Line, err)
	}
	return nil
}

// decodeJSON checks the keys first, because encoding/json says neither the line of an unknown key nor anything about a
// repeated one, and takes keys in any case.
func decodeJSON[T any](data []byte, into *T) error {
	keys := &jsonKeys{data: data, decoder: json.NewDecoder(bytes.NewReader(data))}
	if err := keys.value(reflect.TypeFor[T]()); err != nil {
		return err
	}
	if _, err := keys.decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("line %d: there is more after the script", keys.line())
	}
	if err := json.Unmarshal(data, into); err != nil {
		if typed, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return fmt.Errorf("line %d: %s cannot be a %s", lineAt(data, typed.Offset), typed.Field, typed.Value)
		}
		return err
	}
	return nil
}

// jsonKeys walks a JSON text beside the Go type it is going to be decoded into.
type jsonKeys struct {
	data    []byte
	decoder *json.Decoder
}

func lineAt(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(int(offset), len(data))], []byte("\n"))
}

func (k *jsonKeys) line() int { return lineAt(k.data, k.decoder.InputOffset()) }

func (k *jsonKeys) value(t reflect.Type) error {
	token, err := k.decoder.Token()
	if err != nil {
		return fmt.Errorf("line %d: this is not JSON: %w", k.line(), err)
	}
	switch token {
	case json.Delim('['):
		if t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		for k.decoder.More() {
			if err := k.value(t); err != nil {
				return err
			}
		}
	case json.Delim('{'):
		if err := k.object(t); err != nil {
			return err
		}
	default:
		return nil
	}
	if _, err := k.decoder.Token(); err != nil { // the closing delimiter
		return fmt.Errorf("line %d: this is not JSON: %w", k.line(), err)
	}
	return nil
}

func (k *jsonKeys) object(t reflect.Type) error {
	seen := map[string]bool{}
	for k.decoder.More() {
		token, err := k.decoder.Token()
		if err != nil {
			return fmt.Errorf("line %d: this is not JSON: %w", k.line(), err)
		}
		name, _ := token.(string)
		if seen[name] {
			return fmt.Errorf("line %d: key %q is there twice", k.line(), name)
		}
		seen[name] = true
		inner, known := fieldType(t, name)
		if !known {
			return fmt.Errorf("line %d: unknown key %q", k.line(), name)
		}
		if err := k.value(inner); err != nil {
			return err
		}
	}
	return nil
}

// fieldType is the type of the field with this JSON name. Maps know every name; where an object is wrong altogether,
// decoding says so later.
func fieldType(t reflect.Type, name string) (reflect.Type, bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Map:
		return t.Elem(), true
	case reflect.Struct:
		for field := range t.Fields() {
			if tag, _, _ := strings.Cut(field.Tag.Get("json"), ","); tag == name {
				return field.Type, true
			}
		}
		return nil, false
	default:
		return t, true
	}
}
