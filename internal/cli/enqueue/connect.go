package enqueue

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/natsurl"
	"github.com/volleypush/volley/internal/queue"
)

// connectionFlags say where the broker is. The fromenv tag names the variable that is used when the flag is absent.
type connectionFlags struct {
	NATSURL string `name:"nats-url" fromenv:"NATS_URL" group:"Connection" placeholder:"URL" default:"nats://127.0.0.1:4222" help:"NATS server, or several separated by commas (default: ${default}; environment: NATS_URL)."`
	Creds   string `name:"nats-creds" aliases:"creds" fromenv:"NATS_CREDS" group:"Connection" placeholder:"FILE" help:"NATS credentials file (environment: NATS_CREDS)."`
	CA      string `name:"nats-ca" fromenv:"NATS_CA" group:"Connection" placeholder:"FILE" help:"Authorities of the server's certificate, PEM (default: the system's; environment: NATS_CA)."`
	Cert    string `name:"nats-cert" fromenv:"NATS_CERT" group:"Connection" placeholder:"FILE" help:"Certificate for a server that asks for one, PEM (environment: NATS_CERT)."`
	Key     string `name:"nats-key" fromenv:"NATS_KEY" group:"Connection" placeholder:"FILE" help:"Its key, PEM (environment: NATS_KEY)."`
	NKey    string `name:"nats-nkey" fromenv:"NATS_NKEY" group:"Connection" placeholder:"FILE" help:"Seed of an nkey (environment: NATS_NKEY)."`
}

func (f connectionFlags) identity() queue.Identity {
	return queue.Identity{CA: f.CA, Certificate: f.Cert, Key: f.Key, NKey: f.NKey}
}

// connect opens the connection, or says in one sentence what to do.
func (s *session) connect(ctx context.Context) (*queue.Conn, error) {
	if s.connection.NATSURL == "" {
		return nil, cli.Exitf(cli.ExitUsage, "--nats-url is empty; give an address like nats://127.0.0.1:4222, or leave it out")
	}
	if err := natsurl.Check(s.connection.NATSURL); err != nil {
		return nil, cli.Exitf(cli.ExitUsage, "--nats-url or NATS_URL can't be used: %w", err)
	}
	conn, err := queue.Connect(ctx, queue.Options{
		URL: s.connection.NATSURL, Creds: s.connection.Creds, Identity: s.connection.identity(), Name: "enqueue", Logger: zerolog.Nop(),
	})
	server := natsurl.Readable(s.connection.NATSURL)
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, queue.ErrCredentials) && s.connection.identity() != (queue.Identity{}):
		return nil, cli.Exit(cli.ExitConfig, err) // it names the file
	case errors.Is(err, queue.ErrCredentials):
		return nil, cli.Exitf(cli.ExitConfig, "--nats-creds or NATS_CREDS: %w", err)
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		return nil, cli.Exitf(cli.ExitUnavailable, "the NATS server at %s refuses these credentials; check --nats-creds, NATS_CREDS or the user in the URL", server)
	case errors.Is(err, queue.ErrUnavailable):
		return nil, cli.Exitf(cli.ExitUnavailable, "no NATS server answers at %s; start a worker there, which brings its own, or say where the server is with --nats-url or NATS_URL", server)
	}
	return nil, fmt.Errorf("connecting to %s: %w", server, err)
}
