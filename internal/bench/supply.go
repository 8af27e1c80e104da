package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/app"
	"github.com/volleypush/volley/internal/bench/peer"
	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender/simulator"
)

// ready is the greeting of a part that serves others.
type ready struct {
	// Address is where a broker or provider is reached.
	Address string
}

// configFile is what a provider writes into its folder: a worker's configuration that leads to it.
const configFile = "volley.yaml"

// provide is the process that is a provider. The simulators beside it make its credentials and answer for Google's accounts.
func provide(_ context.Context, p Part, std Standard) error {
	authority, err := simulator.NewAuthority()
	if err != nil {
		return fmt.Errorf("making the certificate authority: %w", err)
	}
	server, err := peer.Start(peer.Options{
		Platform: p.Provider.Platform, Authority: authority, Latency: p.Provider.Latency, Record: p.Provider.Record, GoneEvery: p.Provider.GoneEvery,
	})
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	simulators, err := app.StartSimulators(app.SimulatorOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = simulators.Close() }()
	if err := describe(p, server, simulators, authority); err != nil {
		return err
	}
	return obey(std.In, std.Out, ready{Address: server.URL()}, func(do string) (any, error) {
		switch do {
		case doReset:
			server.Reset()
		case doCount:
			return peer.Report{Received: server.Received()}, nil
		}
		return server.Report(), nil
	})
}

// describe writes credentials and configuration into the part's folder.
func describe(p Part, server *peer.Server, simulators *app.Simulators, authority *simulator.Authority) error {
	apps, err := simulators.Credentials(p.Dir)
	if err != nil {
		return err
	}
	both := append(simulators.CA(), authority.PEM()...)
	if err := os.WriteFile(filepath.Join(p.Dir, "ca.pem"), both, 0o600); err != nil {
		return fmt.Errorf("writing the authorities: %w", err)
	}
	one := apps["default"]
	one.APNS.Engine, one.APNS.Connections = p.Engine, p.Connections
	switch p.Provider.Platform {
	case peer.APNS:
		one.APNS.Endpoint, one.GCM = server.URL(), nil
	case peer.GCM:
		one.GCM.Endpoint, one.APNS = server.URL(), nil
		if p.Engine != "" {
			one.GCM.Engine = p.Engine
		}
	case peer.Legacy:
		one.GCM, one.APNS = apps["legacy"].GCM, nil
		one.GCM.Endpoint = server.URL() + "/fcm/send"
	}
	if one.Rate, err = config.ParseRate(p.Rate); err != nil {
		return err
	}
	text, err := yaml.Marshal(map[string]any{"workers": max(p.Workers, 1), "apps": map[string]*config.App{jobs.DefaultApp: one, otherApp: one}})
	if err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	if err := os.WriteFile(filepath.Join(p.Dir, configFile), text, 0o600); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return nil
}

// broke is the process that is a broker.
func broke(_ context.Context, p Part, std Standard) error {
	server, err := natsembed.Start(natsembed.Options{ //nolint:contextcheck // it explains a failure in its own time
		Listen: "127.0.0.1:0", StoreDir: filepath.Join(p.Dir, "nats"), SyncAlways: p.Sync, MaxStore: 8 << 30, Logger: zerolog.Nop(),
	})
	if err != nil {
		return fmt.Errorf("starting the broker: %w", err)
	}
	defer server.Shutdown()
	return obey(std.In, std.Out, ready{Address: server.ClientURL()}, func(string) (any, error) { return ready{}, nil })
}
