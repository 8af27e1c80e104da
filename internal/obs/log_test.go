package obs

import (
	"bytes"
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/config"
)

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 5_000_000, time.UTC) }

func logTo(t *testing.T, out *bytes.Buffer, log config.Log, terminal, colour bool) *Logs {
	t.Helper()
	l, err := newLogs(log, out, terminal, colour, noon)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestFormats(t *testing.T) {
	const asJSON = `{"level":"info","logger":"volley.apns","app":"default","time":"2026-11-23T12:00:00.005Z","message":"sent"}` + "\n"
	local := noon().Local().Format(timeConsole)
	asConsole := local + " INF volley.apns sent app=default\n"
	for name, c := range map[string]struct {
		format           string
		terminal, colour bool
		want             string
	}{
		"json":                {"json", false, false, asJSON},
		"json on a terminal":  {"json", true, true, asJSON},
		"auto":                {"auto", false, false, asJSON},
		"auto on a terminal":  {"auto", true, false, asConsole},
		"console":             {"console", false, false, asConsole},
		"console, terminal":   {"console", true, false, asConsole},
		"console with colour": {"console", true, true, "\x1b[90m" + local + "\x1b[0m \x1b[32mINF\x1b[0m volley.apns \x1b[1msent\x1b[0m \x1b[36mapp=\x1b[0mdefault\n"},
	} {
		var out bytes.Buffer
		log := logTo(t, &out, config.Log{Level: "info", Format: c.format}, c.terminal, c.colour).Component("volley.apns")
		log.Info().Str("app", "default").Msg("sent")
		if diff := cmp.Diff(c.want, out.String()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestLevelsByComponent(t *testing.T) {
	log := config.Log{Level: "info", Format: "json", Levels: map[string]string{"volley.apns": "debug", "volley.apns.conn": "error", "volley.gcm": "trace"}}
	var out bytes.Buffer
	logs := logTo(t, &out, log, false, false)
	for name, want := range map[string]string{
		"volley":                "info warn error",
		"volley.queue":          "info warn error",
		"volley.apns":           "debug info warn error",
		"volley.apns.feedback":  "debug info warn error",
		"volley.apns.conn":      "error",
		"volley.apns.conn.read": "error",
		"volley.apnsx":          "info warn error",
		"volley.gcm":            "trace debug info warn error",
	} {
		out.Reset()
		l := logs.Component(name)
		l.Trace().Msg("x")
		l.Debug().Msg("x")
		l.Info().Msg("x")
		l.Warn().Msg("x")
		l.Error().Msg("x")
		var got []string
		for line := range strings.Lines(out.String()) {
			var fields map[string]string
			if err := json.Unmarshal([]byte(line), &fields); err != nil {
				t.Fatal(err)
			}
			if fields[FieldLogger] != name {
				t.Errorf("%s logs as %q", name, fields[FieldLogger])
			}
			got = append(got, fields["level"])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s logs %v, want %s", name, got, want)
		}
	}
	out.Reset()
	overall := logTo(t, &out, config.Log{Level: "debug", Format: "json", Levels: map[string]string{"volley": "error"}}, false, false)
	if overall.levels.level("volley.queue") != zerolog.ErrorLevel || overall.levels.level("other") != zerolog.DebugLevel {
		t.Error("the level of volley does not hold for what is below it")
	}
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		log  config.Log
		want string
	}{
		"level":             {config.Log{Level: "loud", Format: "json"}, "log.level"},
		"no level":          {config.Log{Format: "json"}, "log.level"},
		"panic":             {config.Log{Level: "panic", Format: "json"}, "log.level"},
		"a number":          {config.Log{Level: "-9", Format: "json"}, "log.level"},
		"component's level": {config.Log{Level: "info", Format: "json", Levels: map[string]string{"volley.gcm": "x"}}, "log.levels.volley.gcm"},
		"format":            {config.Log{Level: "info", Format: "xml"}, "log.format"},
	} {
		if _, err := New(c.log, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNewWritesJSONToWhatIsNoTerminal(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	logs, err := New(config.Default().Log, file)
	if err != nil {
		t.Fatal(err)
	}
	l := logs.Component("volley")
	l.Info().Msg("hello")
	text, err := os.ReadFile(file.Name())
	if err != nil || !json.Valid(text) {
		t.Errorf("%s, %v", text, err)
	}
}

// oneAtATime counts lines and notices when two are written at once.
type oneAtATime struct {
	writing        atomic.Bool
	lines, clashes atomic.Int64
}

func (w *oneAtATime) Write(line []byte) (int, error) {
	if !w.writing.CompareAndSwap(false, true) {
		w.clashes.Add(1)
	}
	runtime.Gosched()
	w.lines.Add(1)
	w.writing.Store(false)
	return len(line), nil
}

func TestLinesAreWhole(t *testing.T) {
	var out oneAtATime
	logs, err := New(config.Log{Level: "info", Format: "json"}, &out)
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			l := logs.Component("volley")
			for range 100 {
				l.Info().Msg("m")
			}
		})
	}
	wait.Wait()
	if out.lines.Load() != 800 || out.clashes.Load() > 0 {
		t.Errorf("%d lines, %d of them while another was written", out.lines.Load(), out.clashes.Load())
	}
}

// Levels change for loggers that somebody holds, and for what was derived from them.
func TestLevelsAtRunTime(t *testing.T) {
	var out bytes.Buffer
	logs := logTo(t, &out, config.Log{Level: "info", Format: "json"}, false, false)
	queue := logs.Component("volley.queue")
	durable := queue.With().Str("durable", "d").Logger()
	says := func(want bool) {
		t.Helper()
		out.Reset()
		queue.Debug().Msg("x")
		durable.Debug().Msg("x")
		again := logs.Component("volley.queue")
		again.Debug().Msg("x")
		if n := strings.Count(out.String(), "\n"); n != 0 && !want || n != 3 && want {
			t.Errorf("%d lines, wanted: %v", n, want)
		}
	}
	says(false)
	if err := logs.SetLevels(config.Log{Level: "info", Levels: map[string]string{"volley": "debug"}}); err != nil {
		t.Fatal(err)
	}
	says(true)
	if err := logs.SetLevels(config.Log{Level: "info", Levels: map[string]string{"volley.queue": "loud"}}); err == nil {
		t.Error("a level that does not exist is taken")
	}
	says(true)
	if err := logs.SetLevels(config.Log{Level: "warn"}); err != nil {
		t.Fatal(err)
	}
	says(false)
}
