package input

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func zipped(t testing.TB, text string) string {
	t.Helper()
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	if _, err := io.WriteString(writer, text); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// readAll returns "line:id" for each id and "line!problem" for each bad line, in order of reading.
func readAll(source io.Reader, column string) ([]string, error) {
	got := []string{}
	reader := Recipients{
		Column: column,
		Take: func(row Row) error {
			if row.ID == "bad" {
				return errors.New("it is bad")
			}
			got = append(got, fmt.Sprintf("%d:%s", row.Line, row.ID))
			return nil
		},
		Bad: func(line int, problem string) { got = append(got, fmt.Sprintf("%d!%s", line, problem)) },
	}
	_, err := reader.Read(source)
	return got, err
}

func TestReadIDs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text, column string
		want               []string
		fault              string
	}{
		{name: "empty", text: "", want: []string{}},
		{name: "one per line", text: "aa\nbb\n", want: []string{"1:aa", "2:bb"}},
		{name: "no line end at the end", text: "aa\nbb", want: []string{"1:aa", "2:bb"}},
		{name: "CRLF", text: "aa\r\nbb\r\n", want: []string{"1:aa", "2:bb"}},
		{name: "byte order mark", text: "\ufeffaa\nbb\n", want: []string{"1:aa", "2:bb"}},
		{name: "byte order mark before a header", text: "\ufeffTOKEN,name\naa,x\n", want: []string{"2:aa"}},
		{name: "blank lines and spaces", text: "\n aa \n   \n\n\tbb", want: []string{"2:aa", "5:bb"}},
		{name: "quoted", text: "\"aa\"\n\"bb\"\n", want: []string{"1:aa", "2:bb"}},
		{name: "header of one column", text: "device_token\naa\n", want: []string{"2:aa"}},
		{name: "a header in another spelling", text: "Registration-ID\naa\n", want: []string{"2:aa"}},
		{name: "CSV", text: "name,Device Token\nAnn,aa\nBob,bb\n", want: []string{"2:aa", "3:bb"}},
		{name: "TSV", text: "name\ttoken\r\nAnn\taa\r\nBob\tbb\r\n", want: []string{"2:aa", "3:bb"}},
		{name: "semicolons", text: "token;name\naa;Ann\n", want: []string{"2:aa"}},
		{name: "tabs win over commas", text: "token\tname, first\naa\tAnn, B\n", want: []string{"2:aa"}},
		{name: "a token column wins over id", text: "id,token\n1,aa\n", want: []string{"2:aa"}},
		{name: "device_token wins over token", text: "token,device_token\nxx,aa\n", want: []string{"2:aa"}},
		{name: "id alone", text: "name,id\nAnn,aa\n", want: []string{"2:aa"}},
		{name: "column asked for", text: "token,Other One\nxx,aa\n", column: "other_one", want: []string{"2:aa"}},
		{name: "column asked for in a file of one", text: "apns\naa\n", column: "apns", want: []string{"2:aa"}},
		{name: "column that is not there", text: "token,other\nxx,aa\n", column: "ios", want: []string{}, fault: `line 1 names no column "ios"`},
		{name: "column asked for, no header", text: "aa\nbb\n", column: "ios", want: []string{}, fault: `line 1 names no column "ios"`},
		{name: "two columns of one name", text: "token,name,Token\naa,Ann,bb\n", want: []string{}, fault: `line 1 has two columns called "token"; rename one of them`},
		{name: "two spellings of one name", text: "\ndevice token,device-token\naa,bb\n", want: []string{}, fault: `line 2 has two columns called "device_token"`},
		{name: "column asked for is there twice", text: "token,x,X\naa,bb,cc\n", column: "x", want: []string{}, fault: `two columns called "x"`},
		{name: "other columns of one name", text: "token,x,x\naa,bb,cc\n", want: []string{"2:aa"}},
		{name: "several columns, no header", text: "\naa,Ann\nbb,Bob\n", want: []string{}, fault: "line 2 has 2 columns and none is called token"},
		{name: "quoted line ends count as lines", text: "token,note\naa,\"two\nlines\"\nbb,\n", want: []string{"2:aa", "4:bb"}},
		{name: "bad ids", text: "aa\nbad\nbb\nbad\n", want: []string{"1:aa", "2!it is bad", "3:bb", "4!it is bad"}},
		{name: "too many columns", text: "aa\nbb,cc\ndd\n", want: []string{"1:aa", "2!has 2 columns, the first line has 1", "3:dd"}},
		{name: "too few columns", text: "token,name\naa\nbb,Bob\n", want: []string{"2!has 1 columns, the first line has 2", "3:bb"}},
		{name: "empty cell", text: "token,name\n,Ann\nbb,Bob\n", want: []string{"2!the column is empty", "3:bb"}},
		{name: "quote inside", text: "aa\nb\"b\ncc\n", want: []string{"1:aa", "2!has a quote in the wrong place, or one that is never closed", "3:cc"}},
		{name: "column by number, no header", text: "Ann,aa\nBob,bb\n", column: "2", want: []string{"1:aa", "2:bb"}},
		{name: "column by number below usual names", text: "name,token\nAnn,aa\n", column: "2", want: []string{"2:aa"}},
		{name: "a column whose name is a number", text: "2,1\naa,bb\n", column: "1", want: []string{"2:bb"}},
		{name: "column 0", text: "aa,bb\n", column: "0", want: []string{}, fault: "line 1 has no column 0, but 2"},
		{name: "a column too far", text: "aa,bb\n", column: "3", want: []string{}, fault: "line 1 has no column 3, but 2"},
		{name: "empty first cell", text: "\ttoken\nAnn\taa\n", want: []string{"2:aa"}},
		{name: "objects", text: "{\"token\":\"aa\"}\r\n\n {\"n\":1,\"token\":\" bb \"}", want: []string{"1:aa", "3:bb"}},
		{name: "objects below a byte order mark", text: "\ufeff{\"id\":\"aa\"}\n", want: []string{"1:aa"}},
		{name: "objects, column asked for", text: "{\"token\":\"xx\",\"iOS-Token\":\"aa\"}\n", column: "ios token", want: []string{"1:aa"}},
		{name: "objects, the first decides", text: "{\"id\":\"aa\"}\n{\"token\":\"bb\"}\n{\"token\":\"x\",\"id\":\"cc\"}\n", want: []string{"1:aa", `2!has no member "id"`, "3:cc"}},
		{name: "objects, a bad first line", text: "{\"id\":\n{\"id\":\"aa\"}\n", want: []string{"1!is not a JSON object", "2:aa"}},
		{
			name: "objects, bad lines",
			text: "{\"id\":\"aa\"}\nbb\n{\"id\":1}\n{\"id\":null}\n{\"id\":\" \"}\n{\"id\":\"x\",\"id\":\"y\"}\n{\"id\":\"x\",\"ID\":\"y\"}\n{\"id\":\"x\"}{}\n{\"id\":\"\xff\"}\n{\"id\":\"x\"\n{\"id\":\"bad\"}",
			want: []string{
				"1:aa", "2!is not a JSON object", `3!"id" is not a string`, `4!"id" is not a string`, `5!"id" is empty`, `6!has two members called "id"`,
				`7!has two members called "id"`, "8!has something behind its object; write one object per line", "9!is not valid UTF-8", "10!is not a JSON object", "11!it is bad",
			},
		},
		{name: "objects without an id", text: "{\"name\":\"Ann\"}\n", want: []string{}, fault: "line 1 has no member called token"},
		{name: "objects without the column", text: "{\"id\":\"aa\"}\n", column: "ios", want: []string{}, fault: `line 1 has no member "ios"`},
		{name: "objects, two spellings", text: "{\"id\":\"aa\",\"ID\":\"bb\"}\n", want: []string{}, fault: `line 1 has two members called "id"`},
		{name: "objects, column by number", text: "{\"id\":\"aa\"}\n", column: "1", want: []string{}, fault: "have names, not numbers"},
		{name: "an array", text: "\n[\"aa\",\"bb\"]\n", want: []string{}, fault: "it is a JSON array; write one object or id per line"},
		{name: "UTF-16", text: "\xff\xfea\x00a\x00\n\x00", want: []string{}, fault: "UTF-16"},
		{name: "UTF-16, other order", text: "\xfe\xff\x00a\x00a", want: []string{}, fault: "UTF-16"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, gz := range []bool{false, true} {
				text := test.text
				if gz {
					text = zipped(t, text)
				}
				got, err := readAll(iotest.OneByteReader(strings.NewReader(text)), test.column)
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("gzip %t (-want +got)\n%s", gz, diff)
				}
				switch file, _ := errors.AsType[*Error](err); {
				case test.fault == "" && err != nil:
					t.Errorf("gzip %t: %v", gz, err)
				case test.fault != "" && (file == nil || !strings.Contains(file.Error(), test.fault)):
					t.Errorf("gzip %t: error %v, want a fault of the file with %q", gz, err, test.fault)
				}
			}
		})
	}
}

func TestReadIDsOfADamagedFile(t *testing.T) {
	t.Parallel()
	whole := zipped(t, strings.Repeat("740f4707bebcf74f9b7c25d48e3358945f6aa01d\n", 50))
	for name, text := range map[string]string{
		"cut off":             whole[:len(whole)-9],
		"cut off in the head": whole[:5],
		"checksum":            whole[:len(whole)-8] + "12345678",
	} {
		_, err := readAll(strings.NewReader(text), "")
		if file, ok := errors.AsType[*Error](err); !ok || !strings.Contains(file.Error(), "damaged or cut off") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadIDsPassesErrorsOn(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	const text = "token,x\naa,1\nbb,2\n"
	for good := range len(text) + 1 {
		if _, err := readAll(io.MultiReader(strings.NewReader(text[:good]), iotest.ErrReader(broken)), ""); !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v", good, err)
		}
	}
}

func TestReadIDsRecordLimit(t *testing.T) {
	t.Parallel()
	// A quote that is never closed would otherwise take the rest of the file as one field.
	endless := io.MultiReader(strings.NewReader("aa\n\""), &repeating{pattern: []byte("bb\n"), left: 1 << 30})
	_, err := readAll(endless, "")
	if file, ok := errors.AsType[*Error](err); !ok || !strings.Contains(file.Error(), "a quote is never closed") {
		t.Fatalf("error %v", err)
	}
	atLimit := strings.Repeat("c", MaxRecordBytes-1) + "\naa\n"
	got, err := readAll(strings.NewReader(atLimit), "")
	if err != nil || len(got) != 2 {
		t.Fatalf("a line of the limit: %d ids, %v", len(got), err)
	}
}

// TestReadIDsStreams proves that memory does not grow with the file: when an id is handed over, no more than the buffers
// has been read beyond it.
func TestReadIDsStreams(t *testing.T) {
	t.Parallel()
	const ids = 200_000
	source := &repeating{pattern: []byte("740f4707bebcf74f9b7c25d48e3358945f6aa01d\n"), left: ids * 41}
	taken, ahead := 0, 0
	reader := Recipients{
		Take: func(Row) error {
			taken++
			ahead = max(ahead, source.given-taken*41)
			return nil
		},
		Bad: func(line int, problem string) { t.Errorf("line %d: %s", line, problem) },
	}
	if _, err := reader.Read(source); err != nil {
		t.Fatal(err)
	}
	if taken != ids || ahead > 2*SniffBytes {
		t.Fatalf("%d ids, %d bytes read ahead", taken, ahead)
	}
}

// repeating gives whole patterns until left is used up.
type repeating struct {
	pattern     []byte
	left, given int
}

func (r *repeating) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && r.left > 0 {
		part := copy(p[n:min(len(p), n+r.left)], r.pattern[r.given%len(r.pattern):])
		n, r.left, r.given = n+part, r.left-part, r.given+part
	}
	return n, nil
}

func FuzzRecipients(f *testing.F) {
	for _, seed := range []string{
		"aa\nbb", "\ufefftoken,x\r\naa,1", "a\tb\n\"", "\x1f\x8b", "\xff\xfe", "id;x\n;;\n\"a\"b", "[\"aa\"]",
		`{"token":"aa","n":1}` + "\n" + `{"token":"bb","n":{"x":[null]}}`, `{"id":" a "}{`, `{"id":1}`,
	} {
		f.Add(seed, "", false)
		f.Add(seed, "", true)
	}
	f.Add("x,y\n1,2", "Y", true)
	f.Add("x,y\n1,2", "2", false)
	f.Fuzz(func(t *testing.T, text, column string, fields bool) {
		last := 0
		reader := Recipients{
			Column: column, Fields: fields,
			Take: func(row Row) error {
				if row.Line < last || row.ID == "" || strings.TrimSpace(row.ID) != row.ID {
					t.Errorf("line %d after %d: %q", row.Line, last, row.ID)
				}
				last = row.Line
				seen := map[string]bool{}
				for _, field := range row.Fields {
					if seen[field.Name] || !json.Valid(field.Value) || !utf8.Valid(field.Value) {
						t.Errorf("line %d: field %q is %q", row.Line, field.Name, field.Value)
					}
					seen[field.Name] = true
				}
				return nil
			},
			Bad: func(int, string) {},
		}
		format, err := reader.Read(strings.NewReader(text))
		if err == nil && format.String() == "not recognised" {
			t.Error("read without knowing what it is")
		}
	})
}
