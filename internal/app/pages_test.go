package app

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
)

// shown starts a worker with a page, and returns it and the page's address.
func shown(t *testing.T, s *Simulators, dir string, change func(*config.Config)) (*Worker, string) {
	t.Helper()
	c := config.Default()
	c.NATS.StoreDir, c.NATS.Listen, c.HTTP = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0"
	var err error
	if c.Apps, err = s.Credentials(dir); err != nil {
		t.Fatal(err)
	}
	change(c)
	w, err := Start(t.Context(), Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Stop(context.WithoutCancel(t.Context())) })
	return w, "http://" + w.HTTP()
}

// fetch is what a page says; "" for one that is not there.
func fetch(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}

func eventually(t *testing.T, what string, fact func() bool) {
	t.Helper()
	late := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !fact() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func TestAnyWorkerShowsTheFleet(t *testing.T) {
	s, err := StartSimulators(SimulatorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	dir := t.TempDir()
	first, page := shown(t, s, dir, func(c *config.Config) { c.Worker = "first" })
	body := []byte(`{"id":"one","campaign":"spring","message":"Hello","ids":["` + strings.Repeat("ab", 32) + `"]}`)
	if _, err := first.Queue().PublishJob(t.Context(), jobs.APNS, jobs.LaneNormal, "default", "one", body); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the job is on the page", func() bool { return strings.Contains(fetch(t, page+"/campaigns"), "spring") })
	eventually(t, "it is counted", func() bool { return strings.Contains(fetch(t, page+"/"), "1 in the last hour") })
	for path, want := range map[string]string{
		"/apps": "key SIMULATED1, team SIMULATED2", "/job?platform=apns&app=default&id=one": "spring", "/search?q=one": "one", "/event?id=apns.default.one.0.0": "segment", "/dead": "no dead letters",
	} {
		if !strings.Contains(fetch(t, page+path), want) {
			t.Errorf("%s does not say %q", path, want)
		}
	}
	second, other := shown(t, s, dir, func(c *config.Config) {
		c.Worker, c.NATS.URL = "second", config.NewURL(first.NATS())
	})
	eventually(t, "the second worker shows the first, and what was before it", func() bool {
		says := fetch(t, other+"/")
		return strings.Contains(says, "<b>first</b>") && strings.Contains(says, "<b>second</b>") && strings.Contains(says, "1 in the last hour")
	})
	if err := second.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its end is shown", func() bool { return strings.Contains(fetch(t, page+"/"), "ended") })
}

// What has no event yet is shown all the same, and what waits for an app that only another worker has.
func TestThePageShowsWhatWaits(t *testing.T) {
	s, err := StartSimulators(SimulatorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	dir := t.TempDir()
	first, page := shown(t, s, dir, func(c *config.Config) { delete(c.Apps, "legacy") })
	shown(t, s, dir, func(c *config.Config) { c.NATS.URL = config.NewURL(first.NATS()) })
	if _, err := first.Queue().Give(t.Context(), pipeline.OrderPause, pipeline.Scope{Campaign: "held"}); err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"id":"one","app":"legacy","campaign":"held","message":{"a":"b"},"ids":["abc","def"]}`)
	if _, err := first.Queue().PublishJob(t.Context(), jobs.GCM, jobs.LaneBulk, "legacy", "one", body); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the campaign is shown", func() bool {
		says := fetch(t, page+"/campaigns")
		return strings.Contains(says, "name=held") && strings.Contains(says, "1 paused")
	})
	if says := fetch(t, page+"/job?platform=gcm&app=legacy&id=one"); !strings.Contains(says, "It has no event yet") || !strings.Contains(says, "paused") {
		t.Errorf("the job's page says: %s", says)
	}
	load, err := first.Queue().Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(load.Durables, func(d queue.DurableLoad) bool { return d.App == "legacy" && !d.Ours }) {
		t.Errorf("the first worker does not see the app of the second: %+v", load.Durables)
	}
}

func TestATakenDefaultPortIsNoFault(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", config.DefaultHTTP)
	if err == nil { // else somebody has it already, which is as good
		t.Cleanup(func() { _ = taken.Close() })
	}
	listener, moved, err := listenHTTP(config.DefaultHTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	if addr := listener.Addr().String(); !moved || addr == config.DefaultHTTP || !strings.HasPrefix(addr, "127.0.0.1:") {
		t.Errorf("%s, moved: %v", addr, moved)
	}
	if _, _, err := listenHTTP(listener.Addr().String()); err == nil || !strings.Contains(err.Error(), "--http") {
		t.Errorf("another port that is taken: %v", err)
	}
}

func TestLoopback(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:8088": true, "localhost:1": true, "[::1]:1": true, "127.1.2.3:1": true, ":8088": false, "0.0.0.0:8088": false, "[::]:1": false, "192.0.2.1:1": false, "example.com:1": false, "x": false,
	} {
		if got := loopback(addr); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
}

func TestWhereThePageIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		addr   string
		closed bool
		want   string
	}{
		{"127.0.0.1:8088", false, "  see it at http://127.0.0.1:8088/"},
		{"[::]:8088", false, "  see it at http://127.0.0.1:8088/"},
		{"0.0.0.0:1", false, "  see it at http://127.0.0.1:1/"},
		{"192.0.2.1:1", false, "  see it at http://192.0.2.1:1/"},
		{"[::]:8088", true, "  probes and metrics at http://127.0.0.1:8088/, no web page: others can reach it, so it needs http_token_file"},
	} {
		if got := pageLine(c.addr, c.closed); got != c.want {
			t.Errorf("%s: %q", c.addr, got)
		}
	}
}

func TestAPageForOthersNeedsAToken(t *testing.T) {
	s, err := StartSimulators(SimulatorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w, page := shown(t, s, t.TempDir(), func(c *config.Config) { c.HTTP = "0.0.0.0:0" })
	var banner strings.Builder
	if w.Banner(&banner, nil); !strings.Contains(banner.String(), "no web page") {
		t.Errorf("the banner says: %s", banner.String())
	}
	page = strings.Replace(page, "[::]", "127.0.0.1", 1)
	if fetch(t, page+"/") != "" || fetch(t, page+"/events") != "" {
		t.Error("the page is shown to everybody")
	}
	if fetch(t, page+"/healthz") == "" || fetch(t, page+"/metrics") == "" {
		t.Error("probes are not answered")
	}
	c := config.Default()
	c.NATS.StoreDir, c.NATS.Listen, c.HTTPTokenFile = t.TempDir(), "", "/does/not/exist"
	if c.Apps, err = s.Credentials(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{Config: c}); !errors.Is(err, ErrCredentials) {
		t.Errorf("a token that can't be read: %v", err)
	}
}
