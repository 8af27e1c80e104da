// Package docs holds the documents to the code: the tables, fields, settings, flags, jobs and programs that they show. That their
// commands do what they say is seen by running them, in integration/docs.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// documents are all of the repository's, from this folder.
func documents(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.md", "*/*.md", "../*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	return files
}

// block is one fenced block. note is the comment on the line before it, "" if there is none: "<!-- job apns -->" is "job apns".
type block struct{ note, language, text string }

var blockPattern = regexp.MustCompile("(?ms)(?:^<!-- ([^\n]*) -->\n)?^```(\\w*)\n(.*?)^```$")

func blocks(text string) []block {
	var all []block
	for _, m := range blockPattern.FindAllStringSubmatch(text, -1) {
		all = append(all, block{note: m[1], language: m[2], text: m[3]})
	}
	return all
}

// table is a table with the comment "<!-- table: NAME -->" on the line before it. Cells are trimmed.
type table struct {
	name string
	head []string
	rows [][]string
}

func tables(text string) []table {
	var all []table
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		name, ok := strings.CutPrefix(lines[i], "<!-- table: ")
		if !ok || i+2 >= len(lines) {
			continue
		}
		t := table{name: strings.TrimSuffix(name, " -->"), head: cells(lines[i+1])}
		for i += 3; i < len(lines) && strings.HasPrefix(lines[i], "|"); i++ {
			t.rows = append(t.rows, cells(lines[i]))
		}
		all = append(all, t)
	}
	return all
}

// cells takes a row apart. A bar in a cell is written \|, also in code.
func cells(line string) []string {
	line = strings.ReplaceAll(strings.TrimSpace(line), `\|`, "\x00")
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|"), "|")
	for i := range parts {
		parts[i] = strings.ReplaceAll(strings.TrimSpace(parts[i]), "\x00", "|")
	}
	return parts
}

// by turns the rows into maps from a column's head to the cell.
func (t *table) by() []map[string]string {
	var out []map[string]string
	for _, row := range t.rows {
		m := make(map[string]string)
		for i, cell := range row {
			if i < len(t.head) {
				m[t.head[i]] = cell
			}
		}
		out = append(out, m)
	}
	return out
}

func TestMarkdownIsRead(t *testing.T) {
	text := "x\n<!-- table: a -->\n| h | i |\n|---|---|\n| `1` | two \\| words |\n| 3 | |\n\n<!-- job apns -->\n```json\n{}\n```\n\n```sh\nls\n```\n"
	all := tables(text)
	if len(all) != 1 || all[0].name != "a" || len(all[0].rows) != 2 || all[0].by()[0]["i"] != "two | words" || all[0].by()[1]["i"] != "" {
		t.Errorf("%+v", all)
	}
	found := blocks(text)
	if len(found) != 2 || found[0] != (block{"job apns", "json", "{}\n"}) || found[1] != (block{"", "sh", "ls\n"}) {
		t.Errorf("%+v", found)
	}
}
