package enqueue

import (
	"github.com/alecthomas/kong"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/jobs"
)

const description = `Publishes push notification jobs for Volley workers and shows what became of them.

Examples:

    enqueue apns --message "Hello" --to 740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad
    enqueue gcm --message-json '{"score":"5:1"}' --ids-file users.csv --wait
    enqueue job apns jobs.ndjson
    enqueue results --follow`

// rootCmd is the whole command line.
type rootCmd struct {
	connectionFlags
	Version kong.VersionFlag `help:"Print the version and quit."`

	APNS     apnsCmd     `cmd:"" name:"apns" help:"Publish a job for Apple devices."`
	GCM      gcmCmd      `cmd:"" name:"gcm" help:"Publish a job for Google's GCM / FCM."`
	Job      jobCmd      `cmd:"" name:"job" help:"Publish jobs that are already JSON: one object, or one per line."`
	Status   statusCmd   `cmd:"" name:"status" help:"Tell how far a job or a campaign is."`
	Jobs     jobsCmd     `cmd:"" name:"jobs" help:"List recent and waiting jobs."`
	Pause    pauseCmd    `cmd:"" name:"pause" help:"Hold jobs back until they are resumed."`
	Resume   resumeCmd   `cmd:"" name:"resume" help:"Let paused jobs go on."`
	Cancel   cancelCmd   `cmd:"" name:"cancel" help:"End jobs: who was not reached yet is skipped."`
	Orders   ordersCmd   `cmd:"" name:"orders" help:"List what is paused and cancelled."`
	Results  resultsCmd  `cmd:"" name:"results" help:"Print result events."`
	Feedback feedbackCmd `cmd:"" name:"feedback" help:"Read Apple's feedback service of an app with protocol binary now."`

	Completion completionCmd `cmd:"" help:"Print a script that lets bash, zsh or fish complete command lines."`
}

type completionCmd struct{ cli.Completion }

// Run implements the command.
func (c *completionCmd) Run(s *session) error { return c.Print(s.stdout, "enqueue") }

type apnsCmd struct {
	messageFlags
	recipientFlags
	jobFlags
	apnsFlags
	outcomeFlags
	previewFlag
}

// Help is shown below the usage line of "enqueue apns --help".
func (*apnsCmd) Help() string {
	return `Examples:

    enqueue apns --message "Dinner is ready" --badge 1 --sound default --to TOKEN
    enqueue apns --title Goal --message "5:1" --ids-file tokens.csv.gz --campaign final --wait
    enqueue apns --message "Dear {{name|customer}}, your order {{order}} is on its way." --ids-file orders.csv --vars
    psql -Atc "select token from devices" | enqueue apns --content-available --ids-file -
    enqueue apns --message Hi --to TOKEN --push-type alert --expiration 0 --dry-run

Exit codes: 0 published (with --wait: everybody was reached), 1 a fault or a failed recipient, 2 a wrong flag, recipient
or job (nothing was sent), 69 no server, 78 unreadable credentials.`
}

// Run implements the command.
func (c *apnsCmd) Run(s *session) error {
	return s.send(&order{
		platform: jobs.APNS, flags: []any{&c.jobFlags, &c.messageFlags, &c.apnsFlags},
		recipients: &c.recipientFlags, job: &c.jobFlags, outcome: c.outcomeFlags, dryRun: c.DryRun,
	})
}

type gcmCmd struct {
	messageFlags
	recipientFlags
	jobFlags
	gcmFlags
	outcomeFlags
	previewFlag
}

// Help is shown below the usage line of "enqueue gcm --help".
func (*gcmCmd) Help() string {
	return `Examples:

    enqueue gcm --message "Dinner is ready" --to REGISTRATION_ID
    enqueue gcm --message-json '{"score":"5:1"}' --notification '{"title":"Goal"}' --ids-file users.csv --column fcm_token
    enqueue gcm --message-json @data.json --topic news --time-to-live 3600
    enqueue gcm --message Hi --to REGISTRATION_ID --dry-run

Exit codes: 0 published (with --wait: everybody was reached), 1 a fault or a failed recipient, 2 a wrong flag, recipient
or job (nothing was sent), 69 no server, 78 unreadable credentials.`
}

// Run implements the command.
func (c *gcmCmd) Run(s *session) error {
	return s.send(&order{
		platform: jobs.GCM, flags: []any{&c.jobFlags, &c.messageFlags, &c.gcmFlags},
		recipients: &c.recipientFlags, job: &c.jobFlags, outcome: c.outcomeFlags, dryRun: c.DryRun,
	})
}
