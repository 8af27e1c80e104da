package obs

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
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
	base zerolog.Logger

	mu     sync.Mutex
	levels levels
	// gates are those of the components that have a logger.
	gates map[string]*gate
}

// levels are what a configuration says.
type levels struct {
	all zerolog.Level
	of  map[string]zerolog.Level
}

// gate is the level of one component at the moment. As a sampler it is asked before a line is made, and it is shared by all copies of
// the component's logger.
type gate struct{ level atomic.Int32 }

// Sample implements zerolog.Sampler.
func (g *gate) Sample(level zerolog.Level) bool { return int32(level) >= g.level.Load() }

// New makes the logs of a configuration, written to out one line at a time. Format auto writes for people if out is a
// terminal, else JSON. Colours are for terminals only, and not if NO_COLOR is set (https://no-color.org) or TERM is dumb.
// The error names a level that does not exist; a configuration that was validated has none.
func New(log config.Log, out io.Writer) (*Logs, error) {
	terminal := isTerminal(out)
	colour := terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return newLogs(log, out, terminal, colour, time.Now)
}

func newLogs(log config.Log, out io.Writer, terminal, colour bool, now func() time.Time) (*Logs, error) {
	l := &Logs{gates: map[string]*gate{}}
	if err := l.SetLevels(log); err != nil {
		return nil, err
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

// SetLevels puts the levels of a configuration in force, also for the loggers that there are. The error names a level that does not exist;
// then nothing has changed.
func (l *Logs) SetLevels(log config.Log) (err error) {
	next := levels{of: make(map[string]zerolog.Level, len(log.Levels))}
	if next.all, err = parseLevel("log.level", log.Level); err != nil {
		return err
	}
	for name, text := range log.Levels {
		if next.of[name], err = parseLevel("log.levels."+name, text); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.levels = next
	for name, g := range l.gates {
		g.level.Store(int32(next.level(name)))
	}
	return nil
}

// Component returns the logger of one component: "volley", "volley.apns", "volley.apns.feedback". Its level is the one
// that is configured for it or for the nearest name above it, now and after SetLevels.
func (l *Logs) Component(name string) zerolog.Logger {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.gates[name]
	if g == nil {
		g = &gate{}
		g.level.Store(int32(l.levels.level(name)))
		l.gates[name] = g
	}
	return l.base.With().Str(FieldLogger, name).Logger().Sample(g)
}

// level is that of a component.
func (l levels) level(name string) zerolog.Level {
	for name != "" {
		if level, ok := l.of[name]; ok {
			return level
		}
		name = name[:max(0, strings.LastIndexByte(name, '.'))]
	}
	return l.all
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
