package apigolden

import (
	"fmt"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/volleypush/volley/internal/cli/enqueue"
	"github.com/volleypush/volley/internal/cli/worker"
)

// TestCommandLines compares the commands of both programs, with their arguments, flags and variables.
func TestCommandLines(t *testing.T) {
	for name, model := range map[string]func() (*kong.Application, error){"worker": worker.Model, "enqueue": enqueue.Model} {
		app, err := model()
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		command(&text, name, app.Node)
		golden(t, "interface/"+name+".txt", text.String())
	}
}

// command writes one command and those below it. Help texts are not interface.
func command(text *strings.Builder, path string, node *kong.Node) {
	if node.Hidden {
		return
	}
	if node.DefaultCmd != nil {
		fmt.Fprintf(text, "%s (%s if none is named)\n", path, node.DefaultCmd.Name)
	} else {
		fmt.Fprintf(text, "%s\n", path)
	}
	for _, argument := range node.Positional {
		fmt.Fprintf(text, "%s %s\n", path, value(argument.Summary(), argument))
	}
	for _, flag := range node.Flags {
		if flag.Hidden {
			continue
		}
		named := "--" + flag.Name
		if flag.Short != 0 {
			named = fmt.Sprintf("-%c, %s", flag.Short, named)
		}
		for _, alias := range flag.Aliases {
			named += ", --" + alias
		}
		fmt.Fprintf(text, "%s %s\n", path, value(named, flag.Value))
	}
	for _, child := range node.Children {
		command(text, path+" "+child.Name, child)
	}
}

// value is a flag or an argument, with what it takes.
func value(name string, v *kong.Value) string {
	if !v.IsBool() {
		name += " " + v.Target.Type().String()
	}
	if v.Required {
		name += ", required"
	}
	if v.Enum != "" {
		name += ", one of " + v.Enum
	}
	if v.HasDefault {
		name += fmt.Sprintf(", %q by default", v.Default)
	}
	for _, variable := range v.Tag.Envs {
		name += ", $" + variable
	}
	return name
}
