package input

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                           "empty",
		"\n \n":                      "empty",
		"aa\nbb\n":                   "one id per line",
		"Device Token\naa\n":         `one id per line below the name "Device Token"`,
		"name,token\nAnn,aa\n":       `CSV, line 1 has the names, ids are in column 2 of 2, "token"`,
		"token;name\naa;Ann\n":       `CSV (semicolons), line 1 has the names, ids are in column 1 of 2, "token"`,
		"token\tname\naa\tAnn\n":     `TSV, line 1 has the names, ids are in column 1 of 2, "token"`,
		"{\"n\":1,\"Token\":\"aa\"}": `one JSON object per line, ids are in "Token"`,
	} {
		for _, gz := range []bool{false, true} {
			source, want := text, want
			if gz {
				source, want = zipped(t, text), "gzip, "+want
			}
			reader := Recipients{Take: func(Row) error { return nil }, Bad: func(int, string) {}}
			format, err := reader.Read(strings.NewReader(source))
			if err != nil || format.String() != want {
				t.Errorf("%q, gzip %t: %q, %v; want %q", text, gz, format, err, want)
			}
		}
	}
	reader := Recipients{Column: "2", Take: func(Row) error { return nil }, Bad: func(int, string) {}}
	if format, err := reader.Read(strings.NewReader("Ann,aa\n")); err != nil || format.String() != "CSV, no line with names, ids are in column 2 of 2" {
		t.Errorf("%q, %v", format, err)
	}
}

// TestHeaderAsSaid says what the first line is, where its names would say otherwise, or say nothing.
func TestHeaderAsSaid(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text, column string
		header             bool
		want               []string
		fault              string
	}{
		{name: "an id that looks like a name", text: "token\naa\n", want: []string{"1:token", "2:aa"}},
		{name: "a name that looks like an id", text: "ios\naa\n", header: true, want: []string{"2:aa"}},
		{name: "by number, below names", text: "Name,Gerät\nAnn,aa\n", column: "2", header: true, want: []string{"2:aa"}},
		{name: "by number, usual names are an id", text: "Ann,token\nBob,bb\n", column: "2", want: []string{"1:token", "2:bb"}},
		{name: "by name, without names", text: "token,name\naa,Ann\n", column: "token", want: []string{}, fault: "--column takes a number"},
		{name: "several columns without names", text: "token,name\naa,Ann\n", want: []string{}, fault: "line 1 has 2 columns and none is called"},
		{name: "several columns with other names", text: "a,b\naa,Ann\n", header: true, want: []string{}, fault: "line 1 has 2 columns and none is called"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := []string{}
			reader := Recipients{
				Column: test.column, Header: &test.header,
				Take: func(row Row) error { got = append(got, fmt.Sprintf("%d:%s", row.Line, row.ID)); return nil },
				Bad:  func(line int, problem string) { t.Errorf("line %d: %s", line, problem) },
			}
			format, err := reader.Read(strings.NewReader(test.text))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			switch file, _ := errors.AsType[*Error](err); {
			case test.fault == "" && (err != nil || format.Header != test.header):
				t.Errorf("%v, header %t", err, format.Header)
			case test.fault != "" && (file == nil || !strings.Contains(file.Error(), test.fault)):
				t.Errorf("%v, want %q", err, test.fault)
			}
		})
	}
}
