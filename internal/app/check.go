package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender/apns"
	"github.com/volleypush/volley/sender/gcm"
)

// Check reads every credential that a validated configuration names and writes what a worker would use. It opens no connection
// unless ask is set: then Apple is asked whether it takes each app's credential, with one notification to a device token that no
// device has, and Google, with a message that it checks and does not deliver. An error lists everything that is wrong, by app; it is ErrCredentials if nothing was asked.
func Check(ctx context.Context, c *config.Config, ask bool, out io.Writer) error {
	registry, keeper, err := openApps(c, time.Now, func(string) zerolog.Logger { return zerolog.Nop() })
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, value string) { _, _ = fmt.Fprintf(table, "%s\t%s\n", name, value) }
	row("worker", c.Worker)
	if c.NATS.Embedded() {
		row("NATS", "a server inside the worker, "+cmp.Or(c.NATS.Listen, "for this process only")+", store "+c.NATS.StoreDir+syncWords(c.NATS.SyncAlways))
	} else {
		row("NATS", c.NATS.URL.String())
	}
	row("events kept", c.Results.Retention.String()+" (PUSH_RESULTS)")
	row("dead letters kept", c.Dead.Retention.String()+" (PUSH_DEAD)")
	row("segments at once", fmt.Sprint(c.MaxSegments))
	row("web page", cmp.Or(c.HTTP, "not served"))
	names := make([]string, 0, len(c.Apps))
	for name := range c.Apps {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if a := c.Apps[name].APNS; a != nil {
			row("app "+name+", Apple", describeAPNS(a, keeper.seats[sideKey{jobs.APNS, name}].side.apple))
		}
		if g := c.Apps[name].GCM; g != nil {
			row("app "+name+", Google", describeGCM(g, c.Workers, keeper.seats[sideKey{jobs.GCM, name}].side.project))
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	var refused error
	if ask {
		refused = keeper.prove(ctx)
	}
	return errors.Join(refused, registry.Close())
}

// prove asks the providers about every credential, one after the other: Apple's by the names of their apps, then Google's.
func (k *keeper) prove(ctx context.Context) error {
	var refused []error
	for _, platform := range jobs.Platforms() {
		for _, s := range k.sides() {
			if s.platform != platform {
				continue
			}
			fault, doubt := s.prove(ctx)
			if err := errors.Join(fault, doubt); err != nil {
				what := "Google"
				if s.apple != nil {
					what = s.credential
				}
				refused = append(refused, fmt.Errorf("app %q, %s: %w", s.name, what, err))
			}
		}
	}
	return errors.Join(refused...)
}

func syncWords(always bool) string {
	if always {
		return ", fsync on every write"
	}
	return ", fsync every two minutes"
}

func describeAPNS(a *config.APNS, client *apns.Client) string {
	if a.Protocol == config.ProtocolBinary {
		return describeBinary(a, client)
	}
	endpoint := a.Endpoint
	if endpoint == "" {
		endpoint = apns.ProductionEndpoint
		if a.Environment == config.EnvironmentSandbox {
			endpoint = apns.SandboxEndpoint
		}
	}
	return strings.Join([]string{"topic " + cmp.Or(a.Topic, "of the certificate"), endpoint, describeCredential(a, client)}, ", ")
}

func describeBinary(a *config.APNS, client *apns.Client) string {
	gateway, feedback := apns.ProductionGateway, apns.ProductionFeedback
	if a.Environment == config.EnvironmentSandbox {
		gateway, feedback = apns.SandboxGateway, apns.SandboxFeedback
	}
	polled := "feedback service not asked"
	if a.FeedbackInterval > 0 {
		polled = fmt.Sprintf("feedback service %s every %s", cmp.Or(a.FeedbackEndpoint, feedback), a.FeedbackInterval)
	}
	return strings.Join([]string{
		"binary protocol, topic " + cmp.Or(a.Topic, "of the certificate"), cmp.Or(a.Endpoint, gateway), polled, describeCredential(a, client),
	}, ", ")
}

func describeGCM(g *config.GCM, workers int, project string) string {
	if g.Protocol == config.ProtocolLegacy {
		if g.Endpoint == "" {
			return "legacy protocol, " + gcm.DefaultLegacyEndpoint + ", which Google has switched off: set endpoint to a gateway that speaks it, or protocol v1"
		}
		return "legacy protocol, " + g.Endpoint + ", server key"
	}
	credential := "credential from " + g.ServiceAccount
	if g.MetadataServer {
		credential = "the service account of this machine"
	}
	quota := "no quota"
	if g.QuotaPerMinute > 0 {
		quota = fmt.Sprintf("%d messages a minute", g.QuotaPerMinute/workers)
	}
	return strings.Join([]string{"FCM v1", project, credential, quota}, ", ")
}
