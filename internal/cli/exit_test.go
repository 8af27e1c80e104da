package cli_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/volleypush/volley/internal/cli"
)

func TestCode(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	tests := []struct {
		name string
		err  error
		code int
		said string
	}{
		{"nothing wrong", nil, 0, ""},
		{"any error is a runtime fault", broken, 1, "prog: broken\n"},
		{"usage", cli.Exit(cli.ExitUsage, broken), 2, "prog: broken\n"},
		{"no error stays none", cli.Exit(cli.ExitUsage, nil), 0, ""},
		{"wrapped", fmt.Errorf("while starting: %w", cli.Exitf(cli.ExitConfig, "no key in %s", "f")), 78, "prog: while starting: no key in f\n"},
		{"the outermost code counts", cli.Exit(cli.ExitUnavailable, cli.Exit(cli.ExitUsage, broken)), 69, "prog: broken\n"},
		{"silent", &cli.ExitError{Code: cli.ExitWorkLeft}, 70, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := cli.Code(test.err); got != test.code {
				t.Errorf("Code = %d, want %d", got, test.code)
			}
			var said strings.Builder
			if got := cli.Report(&said, "prog", test.err); got != test.code || said.String() != test.said {
				t.Errorf("Report = %d %q, want %d %q", got, said.String(), test.code, test.said)
			}
		})
	}
	if !errors.Is(cli.Exitf(cli.ExitUsage, "reading: %w", broken), broken) {
		t.Error("the cause is lost")
	}
}
