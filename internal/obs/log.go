package obs

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"github.com/volleypush/volley/internal/config"
)

// FieldLogger is the field that names the component of a line.
const FieldLogger = "logger"

// Times on a line: UTC with milliseconds for machines, the local time of day for people.
const (
	timeJSON    = "2006-01-02T15:04:05.000Z07:00"
	timeConsole = "15:04:05.000"
)

// Logs makes the loggers of all components, which write to one place. It is safe for concurrent use.
type Logs struct {
	base   zerolog.Logger
	level  zerolog.Level
	levels map[string]zerolog.Level
}

// New makes the logs of a configuration, written to out one line at a time. Format auto writes for people if out is a
// terminal, else JSON. Colours are for terminals only, and not if NO_COLOR is set (https://no-color.org) or TERM is dumb.
// The error names a level that does not exist; a configuration that was validated has none.
func New(log config.Log, out io.Writer) (*Logs, error) {
	terminal := isTerminal(out)
	colour := terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return newLogs(log, out, terminal, colour, time.Now)
}

func newLogs(log config.Log, out io.Writer, terminal, colour bool, now func() time.Time) (*Logs, error) {
	l := &Logs{levels: make(map[string]zerolog.Level, len(log.Levels))}
	var err error
	if l.level, err = parseLevel("log.level", log.Level); err != nil {
		return nil, err
	}
	for name, text := range log.Levels {
		if l.levels[name], err = parseLevel("log.levels."+name, text); err != nil {
			return nil, err
		}
	}
	switch {
	case log.Format == "console" || log.Format == "auto" && terminal:
		out = zerolog.ConsoleWriter{
			Out: out, NoColor: !colour, TimeFormat: timeConsole,
			PartsOrder:    []string{zerolog.TimestampFieldName, zerolog.LevelFieldName, FieldLogger, zerolog.MessageFieldName},
			FieldsExclude: []string{FieldLogger},
		}
	case log.Format != "json" && log.Format != "auto":
		return nil, fmt.Errorf("log.format is %q, but must be auto, console or json", log.Format)
	}
	l.base = zerolog.New(zerolog.SyncWriter(out)).Hook(stamp{now})
	return l, nil
}

// Component returns the logger of one component: "volley", "volley.apns", "volley.apns.feedback". Its level is the one
// that is configured for it or for the nearest name above it.
func (l *Logs) Component(name string) zerolog.Logger {
	return l.base.With().Str(FieldLogger, name).Logger().Level(l.levelOf(name))
}

func (l *Logs) levelOf(name string) zerolog.Level {
	for name != "" {
		if level, ok := l.levels[name]; ok {
			return level
		}
		name = name[:max(0, strings.LastIndexByte(name, '.'))]
	}
	return l.level
}

func parseLevel(key, text string) (zerolog.Level, error) {
	level, err := zerolog.ParseLevel(text)
	if err != nil || level < zerolog.TraceLevel || level > zerolog.ErrorLevel {
		return 0, fmt.Errorf("%s is %q, but must be trace, debug, info, warn or error", key, text)
	}
	return level, nil
}

// stamp gives each line its time. It does not use zerolog's own time stamp, whose format and clock are global.
type stamp struct{ now func() time.Time }

// Run implements zerolog.Hook.
func (s stamp) Run(e *zerolog.Event, _ zerolog.Level, _ string) {
	e.Str(zerolog.TimestampFieldName, s.now().UTC().Format(timeJSON))
}

// isTerminal says whether a person reads out.
func isTerminal(out io.Writer) bool {
	file, ok := out.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(file.Fd()))
}
