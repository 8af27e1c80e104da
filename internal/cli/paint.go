package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Paint colours words that say how something is. The zero Paint leaves them as they are. Every colour takes the same number of bytes, a heading
// too, so that the columns of a table stay even if all of a column's cells are painted.
type Paint struct{ on bool }

// NewPaint is for a terminal that shows colours: not for anything else, not if NO_COLOR is set (https://no-color.org) or TERM is dumb. env looks
// a variable up as os.LookupEnv does.
func NewPaint(out io.Writer, env func(string) (string, bool)) Paint {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return Paint{}
	}
	without, _ := env("NO_COLOR")
	kind, _ := env("TERM")
	return Paint{without == "" && kind != "dumb"}
}

// Good is for what needs nobody.
func (p Paint) Good(word string) string { return p.with("32", word) }

// Warn is for what somebody should know.
func (p Paint) Warn(word string) string { return p.with("33", word) }

// Bad is for what needs somebody.
func (p Paint) Bad(word string) string { return p.with("31", word) }

// Plain is for what is neither.
func (p Paint) Plain(word string) string { return p.with("39", word) }

// Head is for the heading of a painted column.
func (p Paint) Head(word string) string { return p.with("01", word) }

func (p Paint) with(code, word string) string {
	if !p.on {
		return word
	}
	return "\x1b[" + code + "m" + word + "\x1b[0m"
}
