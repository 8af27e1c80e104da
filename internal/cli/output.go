package cli

// OutputFlags say how a command prints what it has to tell. Every command of both programs that has two ways embeds them.
type OutputFlags struct {
	Output string `short:"o" enum:"table,json" default:"table" group:"Output" placeholder:"table|json" help:"table: text for people. json: one object per line."`
	// JSONFlag is what --output json was called first; it stays.
	JSONFlag bool `name:"json" hidden:"" group:"Output" help:"The same as --output json."`
}

// JSON says that a program reads what is printed.
func (o OutputFlags) JSON() bool { return o.JSONFlag || o.Output == "json" }
