package cli

import (
	_ "embed" // the shells' scripts
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// CompleteWord is the first argument with which a shell asks for completions; see Complete.
const CompleteWord = "__complete"

// Completion is the command that prints what a shell needs to complete command lines.
type Completion struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is shown below the usage line of "… completion --help".
func (Completion) Help() string {
	return `Prints a script for your shell; it asks this program for the words that fit.

Examples:

    source <(enqueue completion bash)                                        in ~/.bashrc
    source <(enqueue completion zsh)                                         in ~/.zshrc, after compinit
    enqueue completion fish > ~/.config/fish/completions/enqueue.fish

The same for worker.`
}

//go:embed completion.bash
var bashScript string

//go:embed completion.zsh
var zshScript string

//go:embed completion.fish
var fishScript string

// Print writes the script for a program.
func (c Completion) Print(out io.Writer, program string) error {
	script := map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[c.Shell]
	if _, err := io.WriteString(out, strings.ReplaceAll(script, "PROGRAM", program)); err != nil {
		return fmt.Errorf("printing the script: %w", err)
	}
	return nil
}

// Complete prints what may stand in the place of the last word, one candidate per line, its description behind a tab. Nothing
// printed means a file, or a value that only the user knows. words are those of the command line behind the program's name; bash
// makes words of their own of equals signs, and wants only the part behind one.
func Complete(out io.Writer, model *kong.Application, words []string) {
	last := ""
	if len(words) > 0 {
		last, words = words[len(words)-1], words[:len(words)-1]
	}
	typed, cut := last, false // cut: an equals sign stands before it
	switch n := len(words); {
	case last == "=" && n > 0:
		words, last, typed, cut = words[:n-1], words[n-1]+"=", "", true
	case n > 1 && words[n-1] == "=":
		words, last, cut = words[:n-2], words[n-2]+"="+last, true
	}
	node, waiting := walk(model.Node, words)
	name, value, hasValue := strings.Cut(last, "=")
	var found []string
	switch {
	case waiting != nil:
		found = values(waiting, "", last)
	case strings.HasPrefix(last, "-") && hasValue:
		if flag := flagOf(node, name); flag != nil {
			prefix := name + "="
			if cut {
				prefix, value = "", typed
			}
			found = values(flag.Value, prefix, value)
		}
	case strings.HasPrefix(last, "-"):
		found = flagNames(node, last)
	default:
		found = commandsAndArguments(node, last)
	}
	for _, line := range found {
		_, _ = fmt.Fprintln(out, line)
	}
}

// walk follows the words to the command that they choose. waiting is the flag whose value comes next.
func walk(node *kong.Node, words []string) (chosen *kong.Node, waiting *kong.Value) {
	for _, word := range words {
		switch {
		case waiting != nil:
			waiting = nil
		case strings.HasPrefix(word, "-"):
			if flag := flagOf(node, word); flag != nil && !flag.IsBool() && !flag.IsCounter() {
				waiting = flag.Value
			}
		default:
			at := slices.IndexFunc(node.Children, func(child *kong.Node) bool {
				return child.Type == kong.CommandNode && (child.Name == word || slices.Contains(child.Aliases, word))
			})
			if at >= 0 {
				node = node.Children[at]
			}
		}
	}
	return node, waiting
}

// flags are those that may be given to a command: its own, those of the commands above it, and those of its default.
func flags(node *kong.Node) []*kong.Flag {
	var all []*kong.Flag
	if node.DefaultCmd != nil {
		all = append(all, node.DefaultCmd.Flags...)
	}
	for ; node != nil; node = node.Parent {
		all = append(all, node.Flags...)
	}
	return all
}

func flagOf(node *kong.Node, word string) *kong.Flag {
	for _, flag := range flags(node) {
		if word == "--"+flag.Name || flag.Short != 0 && word == "-"+string(flag.Short) {
			return flag
		}
	}
	return nil
}

func flagNames(node *kong.Node, typed string) []string {
	var found []string
	for _, flag := range flags(node) {
		names := []string{"--" + flag.Name}
		if flag.Tag.Negatable != "" {
			names = append(names, "--no-"+flag.Name)
		}
		for _, name := range names {
			if !flag.Hidden && strings.HasPrefix(name, typed) {
				found = append(found, described(name, flag.Help))
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func commandsAndArguments(node *kong.Node, typed string) []string {
	var found []string
	for _, child := range node.Children {
		if child.Type == kong.CommandNode && !child.Hidden && strings.HasPrefix(child.Name, typed) {
			found = append(found, described(child.Name, child.Help))
		}
	}
	for _, argument := range node.Positional {
		found = append(found, values(argument, "", typed)...)
	}
	return found
}

// values are the words that a flag or argument takes, where only some are right.
func values(of *kong.Value, prefix, typed string) []string {
	var found []string
	if of.Enum == "" {
		return nil
	}
	for _, word := range of.EnumSlice() {
		if word != "" && strings.HasPrefix(word, typed) {
			found = append(found, prefix+word)
		}
	}
	return found
}

// described puts the first sentence of a help text behind a word.
func described(word, help string) string {
	if help, _, _ = strings.Cut(help, ". "); help == "" {
		return word
	}
	return word + "\t" + strings.TrimSuffix(help, ".")
}
