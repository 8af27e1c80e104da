package enqueue

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/queue"
)

// connectionFlags say where the broker is. The fromenv tag names the variable that is used when the flag is absent.
type connectionFlags struct {
	NATSURL string `name:"nats-url" fromenv:"NATS_URL" group:"Connection" placeholder:"URL" default:"nats://127.0.0.1:4222" help:"NATS server, or several separated by commas (default: ${default}; environment: NATS_URL)."`
	Creds   string `fromenv:"NATS_CREDS" group:"Connection" placeholder:"FILE" help:"NATS credentials file (environment: NATS_CREDS)."`
}

// connect opens the connection, or says in one sentence what to do.
func (s *session) connect(ctx context.Context) (*queue.Conn, error) {
	if s.connection.Creds != "" {
		file, err := os.Open(s.connection.Creds)
		if err != nil {
			return nil, cli.Exitf(cli.ExitConfig, "--creds: %w", plainPathError(err))
		}
		_ = file.Close()
	}
	conn, err := queue.Connect(ctx, queue.Options{
		URL: s.connection.NATSURL, Creds: s.connection.Creds, Name: "enqueue", Logger: zerolog.Nop(),
	})
	server := readable(s.connection.NATSURL)
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		return nil, cli.Exitf(cli.ExitUnavailable, "the NATS server at %s refuses these credentials (%w); check --creds, NATS_CREDS or the user in the URL", server, err)
	case errors.Is(err, queue.ErrUnavailable):
		return nil, cli.Exitf(cli.ExitUnavailable, "no NATS server answers at %s; start a worker there, which brings its own, or say where the server is with --nats-url or NATS_URL", server)
	}
	return nil, fmt.Errorf("connecting to %s: %w", server, err)
}

// readable is a list of server URLs without passwords.
func readable(urls string) string {
	var shown []string
	for one := range strings.SplitSeq(urls, ",") {
		parsed, err := url.Parse(strings.TrimSpace(one))
		switch {
		case err != nil:
			one = "the address given"
		case parsed.User != nil:
			parsed.User = url.User("redacted")
			one = parsed.String()
		}
		shown = append(shown, one)
	}
	return strings.Join(shown, ",")
}
