package cli

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// HelpWord is what many programs take for --help: "enqueue help apns" is "enqueue apns --help".
const HelpWord = "help"

// Asked turns the arguments of somebody who asks with HelpWord into those that the parser knows.
func Asked(args []string) []string {
	if len(args) > 0 && args[0] == HelpWord {
		return append(slices.Clone(args[1:]), "--help")
	}
	return args
}

// Usage turns what is wrong with a command line into one sentence with the nearest right word, and one that says where to read on.
// Its exit code is ExitUsage.
func Usage(parser *kong.Kong, err error) error {
	node := parser.Model.Node
	if broken, ok := errors.AsType[*kong.ParseError](err); ok && broken.Context != nil {
		if selected := broken.Context.Selected(); selected != nil {
			node = selected
		}
	}
	hint := ""
	if found := unknownValue.FindStringSubmatch(err.Error()); found != nil {
		hint = didYouMean(found[2], strings.Split(found[1], `","`))
	} else if found := unexpected.FindStringSubmatch(err.Error()); found != nil {
		// Where a command is the default, its arguments are looked for in it, and the names of the others are not.
		words := commandNames(parser.Model.Node)
		if node.Parent != nil {
			words = append(words, commandNames(node.Parent)...)
		}
		if hint = didYouMean(found[1], words); hint != "" {
			node = parser.Model.Node
		}
	}
	if strings.HasPrefix(err.Error(), "expected one of ") && len(commandNames(node)) > 0 { // kong names five of them
		err = fmt.Errorf("expected a command: %s", strings.Join(commandNames(node), ", "))
	}
	err = errors.New(inWords(err.Error()))
	command := node.FullPath()
	if node == parser.Model.Node {
		command = parser.Model.Name
	}
	return Exitf(ExitUsage, "%w%s\nrun \"%s --help\" for all flags and examples", err, hint, command)
}

var (
	unknownValue = regexp.MustCompile(`must be one of "([^ ]*)" but got "(.*)"$`)
	unexpected   = regexp.MustCompile(`^unexpected argument (\S+)$`)
	notANumber   = regexp.MustCompile(`^(\S+) expected a valid \d+ bit u?int but got "(.*)"$`)
	notADuration = regexp.MustCompile(`^(\S+) expected duration but got "(.*)": time: .*$`)
)

// inWords says what the parser says in words of people: it speaks of Go's types and of values that stand for "not given".
func inWords(text string) string {
	text = strings.Replace(text, `must be one of "",`, "must be one of ", 1)
	text = notANumber.ReplaceAllString(text, `$1 "$2" is not a whole number`)
	return notADuration.ReplaceAllString(text, `$1 "$2" is not a duration; write a number with its unit: 500ms, 30s, 5m or 24h`)
}

func didYouMean(word string, known []string) string {
	if near := Nearest(word, known); near != "" {
		return `, did you mean "` + near + `"?`
	}
	return ""
}

func commandNames(node *kong.Node) []string {
	var names []string
	for _, child := range node.Children {
		if child.Type == kong.CommandNode && !child.Hidden {
			names = append(names, child.Name)
		}
	}
	return names
}

// Nearest is the known word that somebody who wrote word probably meant: it begins with it, or differs from it in a third of its
// letters at most. "" if there is none, or if it is known.
func Nearest(word string, known []string) string {
	const longest = 64
	if word == "" || len(word) > longest {
		return ""
	}
	word = strings.ToLower(word)
	best, bestDistance := "", len(word)/3+2
	for _, candidate := range known {
		d := distance(word, candidate)
		switch {
		case candidate == "":
			continue
		case d == 0:
			return ""
		case strings.HasPrefix(candidate, word):
			d = 1
		}
		if d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// distance counts the insertions, deletions and replacements between a and b, which are short.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j]+1, row[j+1]+1, replace)
		}
	}
	return row[len(b)]
}
