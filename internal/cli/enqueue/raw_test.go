package enqueue

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/cli/input"
	"github.com/volleypush/volley/jobs"
)

func TestReadJobs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []string
		fault      string
	}{
		{name: "empty", text: " \n\n", want: nil},
		{name: "one line", text: `{"a":1}`, want: []string{`1 {"a":1}`}},
		{name: "NDJSON", text: "{\"a\":1}\n\n  {\"a\":2}\r\n{\"a\":3}", want: []string{`1 {"a":1}`, `3 {"a":2}`, `4 {"a":3}`}},
		{name: "byte order mark", text: "\ufeff{\"a\":1}\n{\"a\":2}\n", want: []string{`1 {"a":1}`, `2 {"a":2}`}},
		{name: "NDJSON with a broken first line", text: "{\"a\":\n{\"a\":2}\n", want: []string{`1 {"a":`, `2 {"a":2}`}},
		{name: "NDJSON with a broken line", text: "{\"a\":1}\n{\"a\":\n{\"a\":3}\n", want: []string{`1 {"a":1}`, `2 {"a":`, `3 {"a":3}`}},
		{name: "one object over lines", text: "{\n  \"a\": 1\n}\n", want: []string{"1 whole {\n  \"a\": 1\n}"}},
		{name: "its first line ends with a brace", text: "{\"m\": {\"b\": 1}\n, \"a\": 1}\n", want: []string{"1 whole {\"m\": {\"b\": 1}\n, \"a\": 1}"}},
		{name: "lines of a fault stay right", text: "\n\n{\n\n\n\"a\": 1\n}\n", want: []string{"3 whole \n\n{\n\n\n\"a\": 1\n}"}},
		{name: "no JSON at all", text: "hello\n", want: []string{"1 whole hello"}},
		{name: "UTF-16", text: "\xff\xfe{\x00", fault: "UTF-16"},
		{name: "line of the limit", text: `{"a":"` + strings.Repeat("x", maxJobBytes-9) + "\"}\n{}", want: []string{fmt.Sprintf("1 (%d)", maxJobBytes-1), "2 {}"}},
		{name: "line above the limit", text: `{"a":"` + strings.Repeat("x", maxJobBytes-7) + "\"}\n", fault: "a job has more than 8388608 bytes"},
		{name: "object above the limit", text: "{\n\"a\":\"" + strings.Repeat("x", maxJobBytes-8) + "\"}", fault: "a job has more than 8388608 bytes"},
		{name: "object of the limit", text: "{\n\"a\":\"" + strings.Repeat("x", maxJobBytes-10) + "\"\n}", want: []string{"1 whole (8388608)"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, text := range []string{test.text, zipped(t, test.text)} {
				var got []string
				err := readJobs(iotest.HalfReader(strings.NewReader(text)), func(line int, single bool, body []byte) error {
					entry := fmt.Sprintf("%d ", line)
					if single {
						entry += "whole "
					}
					if len(body) > 1000 {
						body = fmt.Appendf(nil, "(%d)", len(body))
					}
					got = append(got, entry+string(body))
					return nil
				})
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				file, _ := errors.AsType[*input.Error](err)
				if test.fault == "" && err != nil || test.fault != "" && (file == nil || !strings.Contains(file.Error(), test.fault)) {
					t.Errorf("error %v, want %q", err, test.fault)
				}
			}
		})
	}
}

func TestReadJobsPassesErrorsOn(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, text := range []string{"{}", "{}\n{}", "{\n}"} {
		if err := readJobs(strings.NewReader(text), func(int, bool, []byte) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("%q: visit's error becomes %v", text, err)
		}
		// A file that ends early must not pass for a shorter one, wherever that happens.
		for good := range len(text) + 1 {
			failing := io.MultiReader(strings.NewReader(text[:good]), iotest.ErrReader(broken))
			if err := readJobs(failing, func(int, bool, []byte) error { return nil }); !errors.Is(err, broken) {
				t.Errorf("%q, after %d bytes: the reader's error becomes %v", text, good, err)
			}
		}
	}
}

func TestRawJobs(t *testing.T) {
	t.Parallel()
	const text = `{"id":"a","ids":["aabb"],"message":"m"}
{"ids":["aabb","ccdd"],"message":"m","app":"shop"}
`
	batch, err := (&jobCmd{Platform: jobs.APNS, File: "-"}).read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer batch.bodies.close()
	if got := contents(t, batch.bodies); strings.Join(got, "\n")+"\n" != text {
		t.Errorf("the bodies are not what was given: %q", got)
	}
	named, unnamed := batch.plan[0], batch.plan[1]
	if named.ID != "a" || named.publishID() != "a" || named.Recipients != 1 || named.App != jobs.DefaultApp {
		t.Errorf("%+v", named)
	}
	// The id that a worker gives to a job without one comes from the header it is published with.
	resolved, explicit := jobs.ResolveID("", "apns.shop."+unnamed.publishID(), 7, batchTime)
	if unnamed.ID != resolved || !explicit || unnamed.Recipients != 2 || unnamed.App != "shop" {
		t.Errorf("%+v, a worker resolves %s", unnamed, resolved)
	}
	if err := batch.checkSizes(named.Bytes + 11); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	err = batch.checkSizes(named.Bytes + 10)
	want := fmt.Sprintf("standard input: line 2: has %d bytes, the server takes %d", unnamed.Bytes, named.Bytes+10)
	if cli.Code(err) != cli.ExitUsage || !strings.Contains(err.Error(), want) {
		t.Errorf("above the limit: %v", err)
	}
}

// TestRawJobsAgain: the same line twice is one job; the same id of another app, or none, is no repeat.
func TestRawJobsAgain(t *testing.T) {
	t.Parallel()
	const text = `{"id":"a","ids":["aabb"],"message":"m"}
{"id":"a","ids":["aabb"],"message":"m","app":"shop"}
{"ids":["aabb"],"message":"m"}
{"ids":["aabb"],"message":"m"}
{"id":"a","ids":["aabb"],"message":"m"}
`
	batch, err := (&jobCmd{Platform: jobs.APNS, File: "-"}).read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer batch.bodies.close()
	if diff := cmp.Diff(strings.Split(text, "\n")[:4], contents(t, batch.bodies)); diff != "" || len(batch.plan) != 4 || batch.repeats != 1 {
		t.Errorf("%d jobs, %d repeats (-want +got)\n%s", len(batch.plan), batch.repeats, diff)
	}
}

func TestRawJobFaults(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("{\"ids\":[\"aa\"]}\n", 3) + strings.Repeat("{}\n", maxBadLines+2)
	tests := []struct {
		name, text string
		want       []string
	}{
		{"nothing", "\n", []string{"standard input: there is no job in it"}},
		{"lines", "{\"ids\":[\"aa\"],\"message\":\"m\"}\n{\"ids\":[\"aa\"],\"mesage\":\"m\",\"badge\":\"x\"}\n", []string{"standard input: line 2: mesage: ", "standard input: line 2: badge: "}},
		{"one id, two jobs", "{\"id\":\"a\",\"ids\":[\"aa\"],\"message\":\"m\"}\n{\"id\":\"a\",\"ids\":[\"aa\"],\"message\":\"n\"}\n", []string{`standard input: line 2: has the id "a" of line 1, but not the same content; give it an id of its own`}},
		{"one object", "{\n \"ids\": [\"aa\"],\n \"badge\": \"x\"\n}\n", []string{"standard input: badge: "}},
		{"more than are named", many, []string{"standard input: line 4: ids: ", "standard input: line 23: ids: ", "2 more faults"}},
		{"not text", "\xfe\xff", []string{"standard input: the text is UTF-16"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := (&jobCmd{Platform: jobs.APNS, File: "-"}).read(strings.NewReader(test.text))
			if cli.Code(err) != cli.ExitUsage {
				t.Fatalf("error %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
		})
	}
}

func FuzzReadJobs(f *testing.F) {
	for _, seed := range []string{"{}\n{}", "{\n}", "\ufeff\n{\"a\":1}\r\n\n{", "\x1f\x8b", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		last := 0
		err := readJobs(strings.NewReader(text), func(line int, single bool, body []byte) error {
			if line <= last || len(strings.TrimSpace(string(body))) == 0 || single && last > 0 {
				t.Errorf("line %d after %d, single %t: %q", line, last, single, body)
			}
			last = line
			return nil
		})
		if _, ok := errors.AsType[*input.Error](err); err != nil && !ok {
			t.Error(err)
		}
	})
}
