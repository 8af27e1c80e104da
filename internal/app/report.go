package app

import "github.com/rs/zerolog"

// report is what a look changed, by what happened to whom.
type report map[string][]string

func (r report) add(what string, key sideKey) { r[what] = append(r[what], key.String()) }

// log writes the report as one line. Without always, nothing is said of a look that changed nothing.
func (r report) log(log zerolog.Logger, always bool) {
	if len(r) == 0 {
		if always {
			log.Info().Msg("the configuration and the credentials were read again: nothing has changed")
		}
		return
	}
	line := log.Info()
	for _, what := range []string{"added", "changed", "removed", "refused", "unproved", "rates"} {
		if names := r[what]; len(names) > 0 {
			line.Strs(what, names)
		}
	}
	line.Msg("the configuration and the credentials were read again")
}
