package app

import (
	"errors"
	"maps"
	"strings"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// source is where the configuration comes from.
type source struct {
	changes
	read func() (*config.Config, error)
	// setLevels puts the levels of the log in force; nil for nobody does.
	setLevels func(config.Log) error
}

// reread reads the configuration again if its file has changed. It answers whether another one is wanted now; one that can't be used is
// told of and changes nothing.
func (k *keeper) reread(now bool, tell func(*results.Event)) bool {
	if k.source == nil || !k.source.settled(now) {
		return false
	}
	file := k.source.file
	next, err := k.source.read()
	if err == nil && len(next.Apps) == 0 {
		err = errors.New("it has no apps any more; a worker that is to do nothing is stopped instead")
	}
	if err != nil {
		k.log.Error().Str("file", file).Err(err).Msg("the configuration has changed and can't be used; the old one stays in force: mend the file, it is read again then")
		k.tellFaults(err, tell)
		return false
	}
	if fixed := config.Fixed(k.want, next); len(fixed) > 0 {
		k.log.Warn().Str("file", file).Strs("settings", fixed).
			Msg("settings have changed that hold from the next start on; restart the worker for them: " + strings.Join(fixed, ", "))
	}
	k.setLevels(next.Log)
	k.want = next
	return true
}

// setLevels puts other levels of the log in force.
func (k *keeper) setLevels(next config.Log) {
	had := k.want.Log
	if k.source.setLevels == nil || had.Level == next.Level && maps.Equal(had.Levels, next.Levels) {
		return
	}
	if err := k.source.setLevels(next); err != nil {
		k.log.Error().Err(err).Msg("the levels of the log stay as they are") // they were validated
		return
	}
	k.log.Info().Str("level", next.Level).Interface("levels", next.Levels).Msg("the levels of the log have changed")
}

// tellFaults raises an event for each app that the faults of a configuration are about.
func (k *keeper) tellFaults(err error, tell func(*results.Event)) {
	faults, ok := errors.AsType[config.Faults](err)
	if !ok {
		return
	}
	about, order := map[sideKey][]string{}, []sideKey{}
	for _, f := range faults {
		rest, ok := strings.CutPrefix(f.Key, "apps."+f.App+".")
		if f.App == "" || !ok {
			continue
		}
		key := sideKey{jobs.APNS, f.App}
		if strings.HasPrefix(rest, string(jobs.GCM)+".") {
			key.platform = jobs.GCM
		}
		if about[key] == nil {
			order = append(order, key)
		}
		about[key] = append(about[key], f.String())
	}
	for _, key := range sorted(order) {
		tell(credentialEvent(key.platform, key.name, stateUnusable, "app \""+key.name+"\": the configuration has changed and can't be used, so the old one stays in force; "+
			k.source.file+": "+strings.Join(about[key], "; ")))
	}
}
