package enqueue

import (
	"time"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/jobs"
)

// A flag with a `job` tag is a field of the job's JSON with that name; jobFields collects them. The flag is the field's
// name in kebab case. Two differ: message has two flags, and GCM's dry_run is --provider-dry-run, because --dry-run
// everywhere else means "show it and send nothing".

// jobFlags are the fields that both platforms share.
type jobFlags struct {
	App         *string   `job:"app" group:"Job" placeholder:"NAME" help:"App whose credentials are used (default: default)."`
	Campaign    *string   `job:"campaign" group:"Job" placeholder:"NAME" help:"Groups jobs for status, pause and cancel."`
	ID          *string   `name:"id" group:"Job" placeholder:"ID" help:"Id of the job: letters, digits, _ and -, at most 64. Publishing the same id and content again is harmless; other content needs a new id, because the old one stays with its job for a day, as long as results are kept (default: a fresh UUID). A list that needs several jobs gets ID-1, ID-2, …"`
	Lane        jobs.Lane `group:"Job" enum:"high,normal,bulk" default:"normal" placeholder:"LANE" help:"Priority class: high, normal or bulk (default: ${default})."`
	DeliverAt   *string   `job:"deliver_at" group:"Job" placeholder:"TIME" help:"Not before this time, RFC 3339: 2026-12-24T18:00:00Z (default: now)."`
	OnUncertain *string   `job:"on_uncertain" group:"Job" enum:"resend,report" placeholder:"resend|report" help:"A recipient whose answer was lost: send again, or only report it (default: resend)."`
}

// messageFlags are the two ways of giving the message.
type messageFlags struct {
	Message     *string  `job:"message" xor:"message" group:"Message" placeholder:"TEXT" help:"The text."`
	MessageJSON *jsonArg `name:"message-json" job:"message" xor:"message" group:"Message" placeholder:"JSON|@FILE" help:"The message as JSON. APNs: an object of alert keys, or of aps keys. GCM: the data."`
}

// recipientFlags say who gets the push. All of them add up, in the order --to, --ids, --ids-file.
type recipientFlags struct {
	To             []string `group:"Recipients" sep:"none" placeholder:"TOKEN" help:"A device token or registration ID. Repeatable."`
	IDs            []string `name:"ids" group:"Recipients" sep:"," placeholder:"A,B" help:"Several, separated by commas. Repeatable."`
	IDsFile        string   `name:"ids-file" group:"Recipients" placeholder:"FILE|-" help:"A file (- is standard input), gzip or plain: one per line, CSV or TSV, or a JSON object per line. What it was taken for is shown by --dry-run."`
	Column         string   `group:"Recipients" placeholder:"NAME|N" help:"Column of --ids-file that holds the ids, by name or by number, counted from 1 (default: device_token, registration_id, token, …, id)."`
	Header         *bool    `group:"Recipients" negatable:"" help:"The first line of --ids-file names the columns, or is a recipient already (default: it names them if the column of the ids is among the names)."`
	Vars           bool     `group:"Recipients" help:"The other columns of --ids-file are variables: {{name}} in the texts becomes the recipient's value of that column, {{name|default}} the default where the cell is empty. Without cell and default the recipient fails. {{{{ is sent as {{."`
	SkipBad        bool     `group:"Recipients" help:"Leave out bad lines and say how many, instead of refusing the file."`
	KeepDuplicates bool     `group:"Recipients" help:"Send as often as an id is given (default: repeats are removed and counted)."`
}

// outcomeFlags say what is done beside publishing and how it is told.
type outcomeFlags struct {
	Wait    bool          `group:"Output" help:"Follow the results, end with totals and every reason; exit code 1 if any recipient failed."`
	Timeout time.Duration `group:"Output" placeholder:"DURATION" help:"Most time for --wait: 90s, 10m (default: no limit)."`
	cli.OutputFlags
}

// previewFlag is for the commands that build the job themselves.
type previewFlag struct {
	DryRun bool `group:"Output" help:"Show what would be published, and payload and headers as the provider would get them for the first recipient. Sends nothing, needs no server."`
}
