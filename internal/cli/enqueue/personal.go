package enqueue

import (
	"fmt"
	"strings"

	"github.com/volleypush/volley/internal/cli/input"
	"github.com/volleypush/volley/jobs"
)

// entryStart is how a recipient with variables begins.
const entryStart = `{"id":"`

// appendPersonal appends a recipient with its variables, as it stands in a job. An empty cell is no variable, so that a default is used.
func appendPersonal(record []byte, id string, fields []input.Field) ([]byte, error) {
	record = appendQuoted(append(record, entryStart[:len(entryStart)-1]...), []byte(id))
	first := true
	for _, field := range fields {
		value := string(field.Value)
		if value == `""` || value == "null" {
			continue
		}
		if value[0] == '{' || value[0] == '[' {
			return nil, fmt.Errorf("%q can't be a variable: its value must be a text, a number, true or false", field.Name)
		}
		name := strings.NewReplacer(" ", "_", "-", "_").Replace(field.Name)
		if !jobs.ValidVarName(name) {
			return nil, fmt.Errorf("%q can't be a variable: its name must be 1 to %d letters, digits and _, the first no digit", field.Name, jobs.MaxVarNameBytes)
		}
		if first {
			record = append(record, `,"vars":{`...)
		} else {
			record = append(record, ',')
		}
		first = false
		record = append(append(append(append(record, '"'), name...), `":`...), value...)
	}
	if !first {
		record = append(record, '}')
	}
	return append(record, '}'), nil
}

// lowerID turns the device token of a recipient with variables into lower case, where it stands. The same device with other variables
// is no repeat: it gets another text.
func lowerID(record []byte) []byte {
	for i := len(entryStart); i < len(record) && record[i] != '"'; i++ {
		lower(record[i : i+1])
	}
	return record
}
