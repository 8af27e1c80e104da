package worker

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/config"
)

// Flags that contradict each other are refused before anything starts: who gives them expects something else than would happen.
func TestRunUsage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, args, natsURL, want string
	}{
		{"a script without simulators", "run --script answers.yaml", "", "without --simulate jobs go to Apple and Google"},
		{"a control port without simulators", "--control 127.0.0.1:0", "", "add --simulate"},
		{"two servers", "--simulate --nats-url nats://there:1 --store-dir here", "", "use nats://there:1: leave them out"},
		{"a server from the environment", "--simulate --nats-listen 127.0.0.1:0", "nats://u:hidden@there:1", "--nats-url="},
		{"the same for check", "check --store-dir here", "nats://there:1", "--store-dir"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			env := func(name string) (string, bool) { return test.natsURL, name == "NATS_URL" && test.natsURL != "" }
			err := Run(t.Context(), strings.Fields(test.args), Terminal{Out: &out, Err: &errs, Env: env})
			if cli.Code(err) != cli.ExitUsage || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("exit code %d, %v", cli.Code(err), err)
			}
		})
	}
}

func TestControlAddress(t *testing.T) {
	t.Parallel()
	given, none := "127.0.0.1:1", ""
	for _, test := range []struct {
		name string
		flag *string
		env  map[string]string
		want string
	}{
		{"default", nil, nil, "127.0.0.1:8089"},
		{"environment", nil, map[string]string{"VOLLEY_CONTROL": "127.0.0.1:2"}, "127.0.0.1:2"},
		{"none, says the environment", nil, map[string]string{"VOLLEY_CONTROL": ""}, ""},
		{"the flag wins", &given, map[string]string{"VOLLEY_CONTROL": "127.0.0.1:2"}, given},
		{"none, says the flag", &none, nil, ""},
	} {
		s := simulation{Simulate: true, Control: test.flag}
		got, usual := s.control(func(name string) (string, bool) { v, ok := test.env[name]; return v, ok })
		if got != test.want || usual != (test.name == "default") {
			t.Errorf("%s: %q, want %q (usual: %v)", test.name, got, test.want, usual)
		}
	}
}

// A second worker with simulated providers on one machine takes another control port; one that was asked for must be free.
func TestATakenControlPort(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", defaultControl)
	if err == nil { // else somebody has it already, which is as good
		t.Cleanup(func() { _ = taken.Close() })
	}
	nothing := func(string) (string, bool) { return "", false }
	r := runCommand{simulation: simulation{Simulate: true}}
	simulators, cleanup, err := r.simulate(&config.Config{}, nothing)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cleanup() })
	if at := simulators.Control(); at == defaultControl || !strings.HasPrefix(at, "127.0.0.1:") {
		t.Errorf("it is at %s", at)
	}
	asked := simulators.Control()
	r.Control = &asked
	if _, _, err := r.simulate(&config.Config{}, nothing); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "--control") {
		t.Errorf("a taken port that was asked for: %v", err)
	}
}

// Whoever starts the simulators has to know where they listen without reading the code.
func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for args, want := range map[string][]string{
		"simulate --help": {"127.0.0.1:2195", "127.0.0.1:2196", "127.0.0.1:2197", "127.0.0.1:8443", "127.0.0.1:8089"},
		"run --help":      {"127.0.0.1:4222", "127.0.0.1:8089", "VOLLEY_CONTROL"},
		"--version":       {"volley "},
		"version":         {"volley "},
	} {
		var out, errs bytes.Buffer
		if err := Run(t.Context(), strings.Fields(args), Terminal{Out: &out, Err: &errs}); err != nil {
			t.Errorf("%s: %v", args, err)
		}
		for _, word := range want {
			if !strings.Contains(out.String(), word) {
				t.Errorf("%s does not say %s:\n%s", args, word, out.String())
			}
		}
	}
}
