package worker

import (
	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/demo"
	"github.com/volleypush/volley/internal/obs"
)

type demoCommand struct {
	Chaos    bool   `help:"Send through worker processes that are killed again and again with kill -9; takes less than a minute."`
	Keep     bool   `help:"Keep everything running afterwards, to be explored."`
	LogLevel string `name:"log-level" default:"error" placeholder:"LEVEL" help:"What the worker inside may log: trace, debug, info, warn or error (${default})."`
}

// Help is shown below the usage line of "worker demo --help".
func (demoCommand) Help() string {
	return `Examples:
  worker demo
  worker demo --chaos
  worker demo --keep --log-level info`
}

// Run runs the demo.
func (d *demoCommand) Run(s *session) error {
	log := config.Default().Log
	log.Level = d.LogLevel
	logs, err := obs.New(log, s.Err)
	if err != nil {
		return exit(cli.ExitUsage, err)
	}
	return exit(cli.ExitFailure, demo.Run(s.ctx, demo.Options{Out: s.Out, Log: logs.Component, Keep: d.Keep, Chaos: d.Chaos}))
}
