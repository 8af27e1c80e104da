// Command lines proves the table "Lines that must not go" of CONTRIBUTING.md: each line is deleted, or replaced by what the
// table says, in a copy of the checkout, and its test has to go red there. Run it from the top: go run ./.ci/lines
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// row is one line of the table.
type row struct{ guarantee, file, line, instead, pkg, test string }

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "lines:", err)
		os.Exit(1)
	}
}

func run() error {
	rows, err := table("CONTRIBUTING.md")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "volley-lines-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := copyCheckout(dir); err != nil {
		return err
	}
	var faults []error
	for _, r := range rows {
		if err := r.prove(dir); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", r.guarantee, err))
			continue
		}
		fmt.Printf("red without it: %-45s %s\n", r.guarantee, r.test)
	}
	return errors.Join(faults...)
}

var (
	tableRow = regexp.MustCompile("(?m)^\\| ([^|]*) \\| `([^`]+\\.go)` \\| (.*) \\| `([^`]+)` \\|$")
	code     = regexp.MustCompile("`([^`]+)`")
)

func table(file string) ([]row, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, m := range tableRow.FindAllStringSubmatch(string(text), -1) {
		lines := code.FindAllStringSubmatch(m[3], -1)
		pkg, test, ok := strings.Cut(m[4], " ")
		if len(lines) == 0 || !ok {
			return nil, fmt.Errorf("this row can't be read: %s", m[0])
		}
		r := row{guarantee: m[1], file: m[2], line: lines[0][1], pkg: pkg, test: test}
		if len(lines) > 1 {
			r.instead = lines[1][1]
		}
		rows = append(rows, r)
	}
	if len(rows) < 10 {
		return nil, fmt.Errorf("the table has %d rows", len(rows))
	}
	return rows, nil
}

// copyCheckout copies what git knows, and what it does not know and does not ignore.
func copyCheckout(dir string) error {
	list, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return fmt.Errorf("asking git for the files: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		content, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted and not committed yet
		}
		if err != nil {
			return err
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// prove changes the line and runs the test, then puts the line back.
func (r row) prove(dir string) (err error) {
	path := filepath.Join(dir, r.file)
	original, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.WriteFile(path, original, 0o644)) }()
	lines := strings.SplitAfter(string(original), "\n")
	found := 0
	for i, line := range lines {
		if strings.TrimSpace(line) == r.line {
			found++
			lines[i] = r.instead + "\n"
		}
	}
	if found != 1 {
		return fmt.Errorf("the line stands %d times in %s", found, r.file)
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o644); err != nil {
		return err
	}
	test := exec.Command("go", "test", "-count=1", "-run", "^"+r.test+"$", r.pkg)
	test.Dir = dir
	out, failed := test.CombinedOutput()
	switch text := string(out); {
	case strings.Contains(text, "[build failed]"), strings.Contains(text, "[setup failed]"):
		return fmt.Errorf("only the compiler notices:\n%s", text)
	case strings.Contains(text, "no tests to run"):
		return fmt.Errorf("there is no %s in %s", r.test, r.pkg)
	case failed == nil:
		return fmt.Errorf("%s stays green", r.test)
	}
	return nil
}
