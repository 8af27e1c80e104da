package worker

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
)

func TestAge(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "7d": 168 * time.Hour, "0s": 0, "65535d": 65535 * 24 * time.Hour} {
		var a age
		if err := a.UnmarshalText([]byte(text)); err != nil || time.Duration(a) != want {
			t.Errorf("%s is %s, %v", text, time.Duration(a), err)
		}
	}
	for _, text := range []string{"", "d", "-1h", "-1d", "1.5d", "65536d", "yesterday"} {
		var a age
		if err := a.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "7d") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{
		"127.0.0.1:4333": "127.0.0.1:4333", "0.0.0.0:4222": "127.0.0.1:4222", ":4222": "127.0.0.1:4222", "[::]:4222": "127.0.0.1:4222",
		"nats.example.com:4222": "nats.example.com:4222", "": "127.0.0.1:4222",
	} {
		if got := reachable(listen); got != want {
			t.Errorf("%q: %s, want %s", listen, got, want)
		}
	}
}

// What the command line can see is wrong, it says before it asks the broker anything.
func TestDeadUsage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"dead":                                 "list",
		"dead requeue":                         "which?",
		"dead drop":                            "which?",
		"dead drop 1 --all":                    "not both",
		"dead requeue 1 --app shop":            "not both",
		"dead drop 1 --older-than 1h":          "not both",
		"dead list --app a.b":                  "--app",
		"dead drop --app * --yes":              "--app",
		"dead list --limit -1":                 "--limit",
		"dead list --reason toxic":             "one of invalid, payload, unknown_app, app_backlog_full, id_reused, poison, corrupt",
		"dead drop --reason x --yes":           "--reason",
		"dead list --platform wns":             "platform",
		"dead list --older-than soon":          "7d",
		"dead list -o xml":                     "output",
		"dead show":                            "seq",
		"dead show one":                        "seq",
		"dead requeue -1":                      "-1",
		"dead list --nats-creds /nowhere":      "can't be read",
		"dead list --config /nowhere.yaml":     "/nowhere.yaml",
		"dead list --nats-url nats://[::1]:1 ": "no NATS server answers at nats://[::1]:1",
	} {
		var out, errs bytes.Buffer
		err := Run(t.Context(), strings.Fields(args), Terminal{Out: &out, Err: &errs, Env: func(string) (string, bool) { return "", false }})
		code := cli.ExitUsage
		switch {
		case strings.Contains(args, "nowhere"):
			code = cli.ExitConfig
		case strings.Contains(args, "nats-url"):
			code = cli.ExitUnavailable
		}
		if cli.Code(err) != code || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: exit code %d, %v", args, cli.Code(err), err)
		}
	}
}

// A server without JetStream, or without our streams, is no broker for us: the same exit code as from every other command.
func TestDeadFault(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]int{nil: cli.ExitOK, queue.ErrUnavailable: cli.ExitUnavailable, queue.ErrTopology: cli.ExitUnavailable, queue.ErrFull: cli.ExitFailure} {
		if got := cli.Code(deadFault(err)); got != want {
			t.Errorf("%v: exit code %d, want %d", err, got, want)
		}
	}
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	s := &session{ctx: t.Context(), Terminal: Terminal{Err: &errs, In: strings.NewReader("y\n")}}
	if err := s.confirm("delete 2 dead letters", true); err != nil {
		t.Errorf("--yes: %v", err)
	}
	// A pipe is nobody, whatever comes through it.
	if err := s.confirm("delete 2 dead letters", false); cli.Code(err) != cli.ExitUsage || !strings.Contains(err.Error(), "delete 2 dead letters") {
		t.Errorf("a pipe: %v", err)
	}
	for answer, want := range map[string]int{"y\n": cli.ExitOK, " YES \r\n": cli.ExitOK, "n\n": cli.ExitFailure, "\n": cli.ExitFailure, "": cli.ExitFailure, "yeah\n": cli.ExitFailure} {
		if err := s.ask(strings.NewReader(answer), "delete 2 dead letters"); cli.Code(err) != want {
			t.Errorf("%q: %v", answer, err)
		}
	}
	if !strings.Contains(errs.String(), "delete 2 dead letters. Go on? [y/N]") {
		t.Errorf("asked %q", errs.String())
	}
}

func TestLetterAsText(t *testing.T) {
	t.Parallel()
	l := &queue.DeadLetter{
		Sequence: 12, Stored: time.Date(2026, 11, 23, 10, 0, 0, 5, time.UTC), Platform: jobs.APNS, App: "_", Reason: "invalid", Event: "apns._.j.0.0", Job: "j",
		Subject: "push.apns", Body: []byte(`{"ids":"secret"}`), Size: 16,
		Faults: []jobs.Fault{{Field: "a\x1b[31m", Problem: "unknown\nfield"}, {Problem: "more"}},
	}
	var out bytes.Buffer
	showLetter(&out, l, "apns._.j.0.0")
	if text := out.String(); strings.Contains(text, "\x1b") || strings.Contains(text, "secret") || !strings.Contains(text, "a·[31m: unknown·field") {
		t.Errorf("%q", text)
	}
	if got := firstFault(l.Faults); got != "a·[31m: unknown·field (and 1 more)" || firstFault(nil) != "" {
		t.Errorf("%q", got)
	}
	out.Reset()
	if err := writeLetter(&out, l); err != nil || strings.Contains(out.String(), "secret") || strings.Contains(out.String(), "published") ||
		!strings.Contains(out.String(), `"sequence":12`) || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%v %s", err, out.String())
	}
	for subject, want := range map[string]string{
		"push.apns.high": "all", "push.work.apns.default.normal.j.3.1": "3", "push.work.apns.default.normal.j.all.1": "all", "": "all",
	} {
		l.Subject = subject
		if got := segmentOf(l); got != want {
			t.Errorf("%s is segment %s, want %s", subject, got, want)
		}
	}
}
