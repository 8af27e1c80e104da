package bench

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/volleypush/volley/internal/app"
	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns"
	"github.com/volleypush/volley/sender/gcm"
)

// perCall is how many recipients a call of a sender has: a full segment.
const perCall = 1000

// caller sends to the recipients from first on, one for each outcome.
type caller func(ctx context.Context, first int, out []sender.Outcome)

// sent is what a sender's process reports.
type sent struct {
	Usage
	// Accepted counts acceptances.
	Accepted int
}

// send is the process that is a sender alone. Each report is one run of Part.Count notifications.
func send(ctx context.Context, p Part, std Standard) error {
	c, err := config.Load(filepath.Join(p.Dir, configFile), func(string) (string, bool) { return "", false })
	if err != nil {
		return err
	}
	call, end, err := sendWith(c.Apps["default"])
	if err != nil {
		return err
	}
	// Connections are opened, and their limits learnt, before anything is measured. These recipients come before all others.
	warm := make([]sender.Outcome, perCall)
	call(ctx, 0, warm)
	meter := newMeter(p.Profile)
	err = obey(std.In, std.Out, ready{}, func(string) (any, error) {
		meter.reset()
		accepted := sendAll(ctx, p, call)
		return sent{Usage: meter.read(), Accepted: accepted}, nil
	})
	return errors.Join(err, end())
}

// sendAll makes the calls and counts acceptances.
func sendAll(ctx context.Context, p Part, call caller) int {
	var next, accepted atomic.Int64
	var calls sync.WaitGroup
	for range max(p.Calls, 1) {
		calls.Go(func() {
			out := make([]sender.Outcome, perCall)
			for {
				first := int(next.Add(perCall))
				if first > p.Count {
					return
				}
				clear(out)
				call(ctx, first, out)
				for i := range out {
					if out[i].Class == sender.Accepted {
						accepted.Add(1)
					}
				}
			}
		})
	}
	calls.Wait()
	return int(accepted.Load())
}

// sendWith opens the app's client.
func sendWith(a *config.App) (caller, func() error, error) {
	if a.APNS != nil {
		client, err := app.OpenAPNS(a.APNS, time.Now)
		if err != nil {
			return nil, nil, err
		}
		return apple(client), client.Close, nil
	}
	client, err := google(a.GCM)
	if err != nil {
		return nil, nil, err
	}
	title := "A benchmark with a payload of the usual size, which is about two hundred bytes when all is counted together"
	message, err := client.Prepare(&gcm.Message{Data: map[string]any{"title": title, "body": "Hello, it is time to look at your phone again."}})
	if err != nil {
		return nil, nil, fmt.Errorf("preparing the message: %w", err)
	}
	return func(ctx context.Context, first int, out []sender.Outcome) {
		client.Deliver(ctx, &gcm.Request{Tokens: tokens(first, len(out), "fGc"), Message: message, NoProviderIDs: true}, out)
	}, client.Close, nil
}

// applePayload is what every device gets.
const applePayload = `{"aps":{"alert":{"body":"Hello, it is time to look at your phone again.","title":"A benchmark with a payload of the usual size"},"badge":1,"sound":"default"},` +
	`"more":"which is about two hundred bytes"}`

func apple(client *apns.Client) caller {
	payload := []byte(applePayload)
	return func(ctx context.Context, first int, out []sender.Outcome) {
		client.Deliver(ctx, &apns.Request{
			Tokens: tokens(first, len(out), ""), IDs: uuids(first, len(out)), Payload: payload, BatchSize: perCall, NoProviderIDs: true,
		}, out)
	}
}

func google(s *config.GCM) (*gcm.Client, error) {
	c := gcm.Config{Protocol: gcm.Protocol(s.Protocol), Engine: gcm.Engine(s.Engine), Connections: s.Connections, Endpoint: s.Endpoint, ProjectID: s.ProjectID}
	text, err := os.ReadFile(s.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading the authorities: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	c.RootCAs.AppendCertsFromPEM(text)
	if s.Protocol == config.ProtocolLegacy {
		key, err := s.Key()
		if err != nil {
			return nil, err
		}
		c.APIKey = key.Reveal()
	} else if c.Credential, err = gcm.LoadCredential(s.ServiceAccount); err != nil {
		return nil, err
	}
	return gcm.New(c)
}

// tokenSize is the classic size of a device token.
const tokenSize = 64

// tokens are recipients that carry their number: device tokens without a prefix, registration IDs with one after the number.
func tokens(first, n int, suffix string) []string {
	text := make([]byte, 0, n*tokenSize)
	for i := range n {
		text = appendNumber(text, first+i)
		text = append(text, suffix...)
		for len(text) < (i+1)*tokenSize {
			text = append(text, 'a')
		}
	}
	return cut(string(text), n, tokenSize)
}

const uuidSize = 36

func uuids(first, n int) []string {
	text := make([]byte, 0, n*uuidSize)
	for i := range n {
		text = appendNumber(text, first+i)
		text = append(text, "-1111-4111-8111-111111111111"...)
	}
	return cut(string(text), n, uuidSize)
}

// appendNumber writes eight hexadecimal digits.
func appendNumber(text []byte, n int) []byte {
	digits := strconv.AppendInt(make([]byte, 0, 8), int64(n), 16)
	return append(append(text, "00000000"[len(digits):]...), digits...)
}

func cut(text string, n, size int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = text[i*size : (i+1)*size]
	}
	return all
}
