package app

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/dash"
	"github.com/volleypush/volley/internal/obs"
	"github.com/volleypush/volley/internal/version"
	"github.com/volleypush/volley/jobs"
)

// show opens the HTTP server, if there is to be one, and makes the worker a part of the fleet: it tells the others how it is, and listens
// to them if it serves a page.
// Both go on while the worker drains, until ctx ends.
func (w *Worker) show(ctx context.Context) error {
	var fleet *dash.Fleet
	if addr := w.options.Config.HTTP; addr != "" {
		listener, moved, err := listenHTTP(addr)
		if err != nil {
			return err
		}
		if w.pages, fleet, err = w.openPages(ctx); err != nil {
			return errors.Join(err, listener.Close())
		}
		w.http = serveHTTP(listener, moved, w.routes())
	}
	started := w.broker.Now()
	member := dash.MembershipParams{
		Bus: w.broker.Conn, Log: w.options.Log("volley.http"), Fleet: fleet, Self: func() *dash.State { return w.state(started) },
	}
	w.member.Go(func() {
		if err := member.Run(ctx); err != nil {
			log := w.options.Log("volley.http")
			log.Warn().Err(err).Msg("the fleet can't be listened to: the web page shows too little")
		}
	})
	return nil
}

// openPages makes the web page. It is served once the HTTP server runs, until ctx ends.
func (w *Worker) openPages(ctx context.Context) (*dash.Server, *dash.Fleet, error) {
	token, err := w.options.Config.PageToken()
	if err != nil {
		return nil, nil, marked{err, ErrCredentials}
	}
	fleet := dash.NewFleet(w.broker.Now)
	w.closed = token.IsZero() && !loopback(w.options.Config.HTTP)
	if w.closed {
		log := w.options.Log("volley.http")
		log.Warn().Str("http", w.options.Config.HTTP).Msg("the web page is not shown: on an address that others can reach it needs http_token_file; probes and metrics are served")
	}
	broker := pageBroker{w.broker.Conn, w.loads, w.waits}
	return dash.New(dash.Params{
		Worker: w.options.Config.Worker, Fleet: fleet, Broker: broker, Control: broker, Now: w.broker.Now, Log: w.options.Log("volley.http"),
		Token: token.Reveal(), Closed: w.closed, Context: ctx,
	}), fleet, nil
}

// loopback says whether only this machine can reach HOST:PORT.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// state is how this worker is, for the fleet.
func (w *Worker) state(started time.Time) *dash.State {
	c := w.options.Config
	s := &dash.State{
		Worker: c.Worker, Version: version.String(), Page: w.HTTP(), Started: started, Segments: c.MaxSegments, Deliveries: c.MaxDeliveries,
	}
	if s.Draining = w.running.Err() != nil; !s.Draining {
		s.Trouble = strings.Join(w.readiness().Why, "; ")
	}
	counted := w.metrics.Read()
	s.Latency, s.Age = dash.Histogram(counted.Sending), dash.Histogram(counted.Age)
	byApp := make(map[[2]string]dash.Counts, len(counted.Apps))
	for _, a := range counted.Apps {
		counts := countsOf(a)
		byApp[[2]string{a.Platform, a.App}] = counts
		s.Counts.Add(counts)
	}
	for _, a := range w.registry.States() {
		one := dash.AppState{
			Platform: a.Platform, App: a.App, Counts: byApp[[2]string{string(a.Platform), a.App}], Expires: a.CredentialExpires, Connections: a.Connections,
			Backlog: w.core.Backlog(a.Platform, a.App),
		}
		if b := w.core.Breaker(a.Platform, a.App); b.Open {
			one.Open, one.Until = true, b.Until
			if app, ok := w.registry.App(a.Platform, a.App); ok && b.Cause != nil {
				one.Cause = app.Explain(b.Cause)
			}
		}
		w.describe(&one, w.roster.of(sideKey{a.Platform, a.App}))
		s.Apps = append(s.Apps, one)
	}
	return s
}

func countsOf(a obs.AppReading) dash.Counts {
	return dash.Counts{Sent: a.Sent, Failed: a.Failed, Expired: a.Expired, Uncertain: a.Uncertain, Skipped: a.Skipped, Retried: a.Retrying}
}

// describe fills in what the settings say of an app. No secret is among it.
func (w *Worker) describe(one *dash.AppState, settings *config.App) {
	if settings != nil {
		one.BacklogLimit = int64(settings.Backlog)
	}
	switch {
	case settings == nil:
	case one.Platform == jobs.APNS && settings.APNS != nil:
		s := settings.APNS
		one.Protocol, one.Environment, one.Endpoint, one.MaxConnections = s.Protocol, s.Environment, hostOf(s.Endpoint), s.Connections
		if one.Credential = "certificate " + filepath.Base(s.Certificate); s.KeyFile != "" {
			one.Credential = "key " + s.KeyID + ", team " + s.TeamID
		}
		if s.Protocol == config.ProtocolBinary {
			one.MaxConnections = 0 // each burst has one of its own
		}
	case one.Platform == jobs.GCM && settings.GCM != nil:
		s := settings.GCM
		one.Protocol, one.Endpoint, one.MaxConnections = s.Protocol, hostOf(s.Endpoint), s.Connections
		switch {
		case s.Protocol == config.ProtocolLegacy:
			one.Credential = "server key"
		case s.MetadataServer:
			one.Credential = "this machine's service account"
		default:
			one.Credential = "service account " + filepath.Base(s.ServiceAccount)
		}
		if s.Protocol == config.ProtocolV1 {
			one.Limit = s.QuotaPerMinute / max(w.options.Config.Workers, 1)
		}
	}
}

// hostOf is the host of an endpoint that replaces the provider's; "" for the provider's own.
func hostOf(endpoint string) string {
	if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
		return u.Host
	}
	return endpoint
}

// moved says that the default port of the web page was taken; "" if not.
func (w *Worker) moved() string {
	if !w.http.moved {
		return ""
	}
	return " (" + config.DefaultHTTP + " is taken)"
}
