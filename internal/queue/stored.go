package queue

import (
	"context"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// JobsOf lists of which platforms and apps events of a job with that id are stored: one key each, with platform, app and job. It asks
// the broker's index of subjects, not the events.
func (c *Conn) JobsOf(ctx context.Context, id string) ([]results.Key, error) {
	var found []results.Key
	err := c.call(ctx, func(ctx context.Context) error {
		stream, err := c.js.Stream(ctx, jobs.StreamResults)
		if err != nil {
			return err
		}
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter(jobs.SubjectResults+".*.*."+id+".*.*"))
		if err != nil {
			return err
		}
		for subject := range info.State.Subjects {
			key, err := results.ParseSubject(subject)
			if err != nil {
				continue
			}
			key.Segment, key.Round = "", 0
			if !slices.Contains(found, key) {
				found = append(found, key)
			}
		}
		return nil
	})
	slices.SortFunc(found, func(a, b results.Key) int {
		return strings.Compare(string(a.Platform)+"."+a.App, string(b.Platform)+"."+b.App)
	})
	if err != nil {
		return nil, explain("looking for the events of a job", err)
	}
	return found, nil
}
