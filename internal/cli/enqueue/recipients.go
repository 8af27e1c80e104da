package enqueue

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/cli/input"
	"github.com/volleypush/volley/jobs"
)

// maxBadLines is how many bad lines are named; the rest are counted.
const maxBadLines = 20

// recipients are the ids of a command, checked one by one and kept in order.
type recipients struct {
	ids *spool
	// repeats were removed, skipped are bad lines that were left out.
	repeats, skipped int
	// problems are bad ids and lines, to be told all at once.
	problems []string
	// format is what the file was taken for; "" without one.
	format string
}

// collect reads --to, --ids and --ids-file. What is wrong with them is in problems; the error is a fault of this
// machine. The caller closes ids.
func (f *recipientFlags) collect(platform jobs.Platform, s *session) (*recipients, error) {
	got := &recipients{ids: newSpool()}
	if platform == jobs.APNS {
		got.ids.alike = lower // hexadecimal: the same device in either case
		if f.Vars {
			got.ids.alike = lowerID
		}
	}
	if f.Vars && f.IDsFile == "" {
		got.problems = append(got.problems, "--vars says what the other columns of --ids-file are; give the file, or leave it out")
	}
	var storage error
	var record []byte
	take := func(id string, fields []input.Field) (err error) {
		if !utf8.ValidString(id) {
			return errors.New("the id is not valid UTF-8")
		}
		if err := jobs.ValidateRecipient(platform, jobs.NewToken(id)); err != nil {
			return err
		}
		if record = append(record[:0], id...); f.Vars {
			if record, err = appendPersonal(record[:0], id, fields); err != nil {
				return err
			}
		}
		if err := got.ids.add(record); err != nil && storage == nil {
			storage = err
		}
		return nil
	}
	for _, list := range []struct {
		flag string
		ids  []string
	}{{"--to", f.To}, {"--ids", f.IDs}} {
		for i, id := range list.ids {
			if err := take(strings.TrimSpace(id), nil); err != nil {
				hint := ""
				if list.flag == "--to" && strings.Contains(id, ",") {
					hint = "; --ids takes several, separated by commas"
				}
				got.problems = append(got.problems, fmt.Sprintf("%s, number %d: %v%s", list.flag, i+1, err, hint))
			}
		}
	}
	err := f.readFile(got, s, func(row input.Row) error { return take(row.ID, row.Fields) })
	if err = cmp.Or(storage, err); err == nil && !f.KeepDuplicates {
		got.repeats, err = got.ids.dropRepeats()
	}
	if err != nil {
		got.ids.close()
		return nil, err
	}
	return got, nil
}

func (f *recipientFlags) readFile(got *recipients, s *session, take func(input.Row) error) error {
	if f.IDsFile == "" {
		return nil
	}
	name, source := "standard input", s.stdin
	if f.IDsFile != "-" {
		file, err := openFile(f.IDsFile)
		if err != nil {
			got.problems = append(got.problems, "--ids-file: "+err.Error())
			return nil
		}
		defer func() { _ = file.Close() }()
		name, source = f.IDsFile, file
	}
	bad := 0
	reader := input.Recipients{Column: f.Column, Nearest: cli.Nearest, Header: f.Header, Fields: f.Vars, Take: take, Bad: func(line int, problem string) {
		if bad++; bad <= maxBadLines && !f.SkipBad {
			got.problems = append(got.problems, fmt.Sprintf("%s, line %d: %s", name, line, problem))
		}
	}}
	source, bar := s.reading(source)
	format, err := reader.Read(source)
	bar.stop()
	got.format = name + ": " + format.String()
	if file, ok := errors.AsType[*input.Error](err); ok {
		got.problems = append(got.problems, fmt.Sprintf("%s: %v", name, file))
	} else if err != nil {
		return inputProblem(name, err)
	} else if got.ids.records == 0 && (bad == 0 || f.SkipBad) {
		problem := name + ": there is no id in it"
		if bad > 0 {
			problem += fmt.Sprintf("; %s left out", counted(bad, "bad line", "bad lines"))
		}
		got.problems = append(got.problems, problem)
	}
	if f.SkipBad {
		got.skipped = bad
		return nil
	}
	if bad > maxBadLines {
		got.problems = append(got.problems, fmt.Sprintf("%s: %s more bad lines", name, count(bad-maxBadLines)))
	}
	if bad > 0 {
		got.problems = append(got.problems, "correct the bad lines, or leave them out with --skip-bad")
	}
	return nil
}

// lower turns a device token into lower case, where it stands.
func lower(id []byte) []byte {
	for i, c := range id {
		if 'A' <= c && c <= 'Z' {
			id[i] = c + ('a' - 'A')
		}
	}
	return id
}
