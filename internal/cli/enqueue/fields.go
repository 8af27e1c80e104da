package enqueue

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"

	"github.com/volleypush/volley/jobs"
)

// fields are the members of a job's JSON that the flags gave, and which flag each came from.
type fields struct {
	// json is the members, each after a comma, as they follow the id: `,"app":"x","badge":1`.
	json []byte
	// flags maps a job field to the flag that sets it, so that a fault names what the user typed.
	flags map[string]string
}

// resolver is a value that may have to be read first.
type resolver interface {
	resolve() (json.RawMessage, error)
}

// jobFields collects every flag with a `job` tag that was given, in the order of the structs. Faults are about values
// that can't be read; whether a value makes sense is for jobs.Decode to say.
func jobFields(flags ...any) (fields, jobs.Faults) {
	out := fields{flags: map[string]string{}}
	var body bytes.Buffer
	var faults jobs.Faults
	for _, group := range flags {
		walkJobFlags(reflect.ValueOf(group).Elem(), func(name, flag string, value reflect.Value) {
			absent := value.IsNil()
			if _, known := out.flags[name]; !known || !absent {
				out.flags[name] = flag
			}
			if absent {
				return
			}
			if value.Kind() == reflect.Pointer {
				value = value.Elem()
			}
			var raw json.RawMessage
			if source, ok := reflect.TypeAssert[resolver](value); ok {
				var err error
				if raw, err = source.resolve(); err != nil {
					faults = append(faults, jobs.Fault{Field: name, Problem: err.Error()})
					return
				}
			} else {
				raw = encodeJSON(value.Interface())
			}
			body.WriteByte(',')
			body.Write(encodeJSON(name))
			body.WriteByte(':')
			body.Write(raw)
		})
	}
	out.json = body.Bytes()
	return out, faults
}

// walkJobFlags calls visit for every field with a `job` tag, embedded structs included.
func walkJobFlags(group reflect.Value, visit func(name, flag string, value reflect.Value)) {
	for i := range group.NumField() {
		field := group.Type().Field(i)
		if field.Anonymous {
			walkJobFlags(group.Field(i), visit)
			continue
		}
		if name := field.Tag.Get("job"); name != "" {
			flag := field.Tag.Get("name")
			if flag == "" {
				flag = kebab(field.Name)
			}
			visit(name, "--"+flag, group.Field(i))
		}
	}
}

// kebab is kong's own rule for names without runs of capitals; the others carry a name tag.
func kebab(name string) string {
	var out strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			out.WriteByte('-')
		}
		out.WriteString(strings.ToLower(string(r)))
	}
	return out.String()
}

// faultsError are faults as the user of the command line has to see them: one per line, flags instead of fields.
type faultsError struct {
	what   string
	faults []string
}

func (u *faultsError) Error() string {
	return u.what + "; nothing was sent:\n  " + strings.Join(u.faults, "\n  ")
}

// explain turns the faults of a job into faultsError.
func (f fields) explain(err error) error {
	faults, ok := errors.AsType[jobs.Faults](err)
	if !ok {
		return err
	}
	out := &faultsError{what: "the job can't be published"}
	for _, fault := range faults {
		out.faults = append(out.faults, f.problem(fault))
	}
	return out
}

// problem is a fault in the words of the command line.
func (f fields) problem(fault jobs.Fault) string {
	field, rest := fault.Field, ""
	if i := strings.IndexAny(field, ".["); i > 0 {
		field, rest = field[:i], " "+field[i:]
	}
	flag, known := f.flags[field]
	switch {
	case field == "ids", field == "recipients":
		flag = "recipients"
	case field == "id":
		flag = "--id"
	case !known:
		return fault.String()
	}
	return flag + rest + ": " + fault.Problem
}
