// Package enqueue is the command line of publishers: it builds jobs from flags and files, publishes them, follows their
// results and prints events. It ends no process and reads no global state, so that everything is testable in one.
package enqueue

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/internal/version"
	"github.com/volleypush/volley/jobs"
)

// Program is the command line with what its surroundings provide.
type Program struct {
	// Preview renders payload and headers as the provider would get them for the job's first recipient, for --dry-run.
	// nil shows the job itself.
	Preview func(*jobs.Job) (string, error)
}

// Run runs the command line; see Program.Run.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env func(string) (string, bool)) error {
	preview := func(job *jobs.Job) (string, error) { return provider.Preview(job, time.Now()) }
	return Program{Preview: preview}.Run(ctx, args, stdin, stdout, stderr, env)
}

// Run parses args (without the program's name) and does what they say. env looks a variable up as os.LookupEnv does.
// Results go to stdout, progress to stderr. The error carries its exit code for cli.Code, and its text is
// for the user. It returns when ctx ends; what was published by then stays published.
func (p Program) Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env func(string) (string, bool)) (err error) {
	var root rootCmd
	parser, err := newParser(&root, kong.Writers(stdout, stderr), kong.Exit(func(code int) { panic(helped{code}) }), kong.Resolvers(fromEnvironment(env)))
	if err != nil {
		return err
	}
	defer func() {
		switch ended := recover().(type) {
		case nil:
		case helped:
			err = nil
			if ended.code != cli.ExitOK {
				err = &cli.ExitError{Code: ended.code}
			}
		default:
			panic(ended)
		}
	}()
	if len(args) > 0 && args[0] == cli.CompleteWord {
		cli.Complete(stdout, parser.Model, args[1:])
		return nil
	}
	if err := checkUTF8(args); err != nil {
		return err
	}
	parsed, err := parser.Parse(cli.Asked(args))
	if err != nil {
		return cli.Usage(parser, err)
	}
	return parsed.Run(&session{
		ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, env: env, preview: p.Preview, connection: root.connectionFlags,
	})
}

// newParser makes the parser of the whole command line.
func newParser(root *rootCmd, more ...kong.Option) (*kong.Kong, error) {
	parser, err := kong.New(root, append(more, kong.Name("enqueue"), kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}), kong.Vars{"version": version.String()})...)
	if err != nil {
		return nil, fmt.Errorf("the command line is built wrong: %w", err)
	}
	return parser, nil
}

// Model is the command line as it is defined: commands, flags, variables.
func Model() (*kong.Application, error) {
	parser, err := newParser(&rootCmd{})
	if err != nil {
		return nil, err
	}
	return parser.Model, nil
}

// checkUTF8 refuses arguments that the parser and the encoders would repair: something else would be sent than was typed.
func checkUTF8(args []string) error {
	for i, arg := range args {
		if utf8.ValidString(arg) {
			continue
		}
		name := fmt.Sprintf("argument %d", i+1)
		if flag, _, _ := strings.Cut(arg, "="); strings.HasPrefix(flag, "-") && utf8.ValidString(flag) {
			name = flag
		} else if i > 0 && strings.HasPrefix(args[i-1], "-") && !strings.Contains(args[i-1], "=") {
			name = args[i-1]
		}
		return cli.Exitf(cli.ExitUsage, "%s: is not valid UTF-8; nothing was sent", name)
	}
	return nil
}

// helped is how kong leaves the parser after it has printed --help or --version.
type helped struct{ code int }

// fromEnvironment gives flags with a fromenv tag their variable's value. kong's own env tag would read the process's
// environment behind the caller's back.
func fromEnvironment(env func(string) (string, bool)) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		name := flag.Tag.Get("fromenv")
		if name == "" {
			return nil, nil
		}
		if value, ok := env(name); ok && value != "" {
			return value, nil
		}
		return nil, nil
	})
}

// session is one run of a command.
type session struct {
	//nolint:containedctx // kong calls the commands' Run without one; the session lives exactly as long as the call.
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
	env            func(string) (string, bool)
	preview        func(*jobs.Job) (string, error)
	connection     connectionFlags
}

// say prints a line for people on stdout.
func (s *session) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.stdout, format+"\n", args...)
}

// paint colours words on stdout.
func (s *session) paint() cli.Paint { return cli.NewPaint(s.stdout, s.env) }

// emit prints one JSON object per line on stdout.
func (s *session) emit(value any) {
	_, _ = fmt.Fprintf(s.stdout, "%s\n", encodeJSON(value))
}
