package input

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFields(t *testing.T) {
	t.Parallel()
	manyMembers := `{"id":"aa"`
	for i := range maxMembers - 1 {
		manyMembers += fmt.Sprintf(`,"m%d":1`, i)
	}
	for _, test := range []struct {
		name, text, column string
		want               []string
		fault              string
	}{
		{name: "CSV", text: "Name ,token,\"City, State\"\nAnn,aa,\" <Ber\"\"lin> \"\nBo,bb,\n", want: []string{
			`2:aa Name="Ann" City, State=" <Ber\"lin> "`, `3:bb Name="Bo" City, State=""`,
		}},
		{name: "an id alone", text: "token\naa\n", want: []string{"2:aa"}},
		{name: "objects", text: `{"vars":{"n":1, "x":[null]},"id":"aa","city":"Köln"}` + "\n" + `{"id":"bb","n":1.50}`, want: []string{
			`1:aa vars={"n":1, "x":[null]} city="Köln"`, `2:bb n=1.50`,
		}},
		{name: "not UTF-8", text: "token,name\naa,\xff\nbb,Bo\n", want: []string{`2!column "name" is not valid UTF-8`, `3:bb name="Bo"`}},
		{name: "no names", text: "aa\nbb\n", want: []string{}, fault: "line 1 has no names of columns"},
		{name: "a column without a name", text: "token, \naa,x\n", want: []string{}, fault: "line 1 has no name for column 2"},
		{name: "two of one name", text: "token,x,x\naa,1,2\n", want: []string{}, fault: `line 1 has two columns called "x"`},
		{name: "a name that is not UTF-8", text: "token,\xff\naa,1\n", want: []string{}, fault: "line 1, column 2: the name is not valid UTF-8"},
		{name: "names in two spellings are two names", text: "token,x,X\naa,1,2\n", want: []string{`2:aa x="1" X="2"`}},
		{name: "as many members as there may be", text: manyMembers + "}\n" + manyMembers + `,"m":1}`, want: []string{
			"1:aa", fmt.Sprintf("2!has more than %d members", maxMembers),
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := []string{}
			reader := Recipients{
				Column: test.column, Fields: true,
				Take: func(row Row) error {
					line := fmt.Sprintf("%d:%s", row.Line, row.ID)
					for _, field := range row.Fields[:min(len(row.Fields), 3)] {
						if !strings.HasPrefix(field.Name, "m") {
							line += fmt.Sprintf(" %s=%s", field.Name, field.Value)
						}
					}
					got = append(got, line)
					return nil
				},
				Bad: func(line int, problem string) { got = append(got, fmt.Sprintf("%d!%s", line, problem)) },
			}
			_, err := reader.Read(strings.NewReader(test.text))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if file, _ := errors.AsType[*Error](err); (test.fault == "") != (err == nil) || test.fault != "" && (file == nil || !strings.Contains(file.Error(), test.fault)) {
				t.Errorf("%v, want %q", err, test.fault)
			}
		})
	}
}
