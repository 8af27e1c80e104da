package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender"
)

// askTimeout bounds the question to Google about one app.
const askTimeout = 30 * time.Second

// dryRun is what Google is asked to check without delivering it. A topic needs no registration ID.
const dryRun = `{"topic":"volley-check","message":"check","dry_run":true}`

// askGoogle has Google check a message for each app that sends there, one after the other in the order of their names.
func askGoogle(ctx context.Context, registry *provider.Registry) error {
	var refused []error
	for _, name := range registry.Known(jobs.GCM) {
		app, _ := registry.App(jobs.GCM, name)
		if err := askApp(ctx, app); err != nil {
			refused = append(refused, fmt.Errorf("app %q, Google: %w", name, err))
		}
	}
	return errors.Join(refused...)
}

func askApp(ctx context.Context, app pipeline.App) error {
	job, err := jobs.Decode(jobs.GCM, []byte(dryRun))
	if err != nil {
		return fmt.Errorf("preparing a dry run: %w", err)
	}
	batch, err := app.Prepare(&jobs.Segment{Job: job, JobID: "check", Segments: 1, Total: 1, Published: time.Now()})
	if err != nil {
		return fmt.Errorf("preparing a dry run: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	out := make([]sender.Outcome, 1)
	batch.Send(ctx, []int{0}, func() bool { return true }, out)
	// These answers are about the message: whoever gives one has taken the credential.
	if slices.Contains([]sender.Class{sender.Accepted, sender.Rejected, sender.Expired, sender.BadJob}, out[0].Class) {
		return nil
	}
	return errors.New(app.Explain(out[0].Reason))
}
