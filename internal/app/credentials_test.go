package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns/apnstest"
	"github.com/volleypush/volley/sender/simulator"
)

// household is a keeper with one app, whose credential is a file that the test writes.
type household struct {
	*keeper
	t    *testing.T
	file string
	log  bytes.Buffer
}

// keep makes a keeper of an app with a certificate.
func keep(t *testing.T, certificate []byte, endpoint string, authority *simulator.Authority) *household {
	t.Helper()
	dir := t.TempDir()
	h := &household{t: t, file: filepath.Join(dir, "push.pem")}
	h.write(certificate)
	a := config.DefaultApp()
	a.APNS = config.DefaultAPNS()
	a.APNS.Certificate, a.APNS.Endpoint, a.APNS.CAFile = h.file, endpoint, filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(a.APNS.CAFile, authority.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	log := zerolog.New(&h.log)
	registry, keeper, err := openApps(&config.Config{Apps: map[string]*config.App{"shop": a}}, time.Now, func(string) zerolog.Logger { return log })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	h.keeper = keeper
	return h
}

func (h *household) write(text []byte) {
	h.t.Helper()
	if err := os.WriteFile(h.file, text, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// looks is what the keeper tells of in n looks.
func (h *household) looks(n int) []*results.Event {
	var told []*results.Event
	for range n {
		h.look(h.t.Context(), false, func(e *results.Event) { told = append(told, e) })
	}
	return told
}

func states(events []*results.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.State)
	}
	return out
}

// pemOf is a client certificate with its key, for one topic.
func pemOf(t *testing.T, authority *simulator.Authority, topic string) []byte {
	t.Helper()
	made, err := authority.ClientCertificate("Apple Push Services: "+topic, topic)
	if err != nil {
		t.Fatal(err)
	}
	return joined(t, &made)
}

func joined(t *testing.T, c *tls.Certificate) []byte {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
}

// send sends a job's one recipient by the registry, as the pipeline does.
func send(t *testing.T, registry *provider.Registry, token string) sender.Outcome {
	t.Helper()
	app, _ := registry.App(jobs.APNS, "shop")
	job, err := jobs.Decode(jobs.APNS, []byte(`{"message":"hi","ids":"`+token+`"}`))
	if err != nil {
		t.Error(err)
	}
	batch, err := app.Prepare(&jobs.Segment{Job: job, JobID: "j", Segments: 1, Total: 1, Published: time.Now()})
	if err != nil {
		t.Error(err)
		return sender.Outcome{}
	}
	out := make([]sender.Outcome, 1)
	batch.Send(t.Context(), []int{0}, nil, out)
	return out[0]
}

// TestReloadDropsNothing: a changed file is in force for what begins, and what is under way ends as it began.
func TestReloadDropsNothing(t *testing.T) {
	const slow, quick = "aa", "bb"
	canary := strings.Repeat("00", 32)
	authority, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	scripts := simulator.NewScripts()
	if err := scripts.Set(simulator.Script{Rules: []simulator.Rule{{Token: slow, Answer: simulator.Answer{Latency: simulator.Duration(300 * time.Millisecond)}}}}); err != nil {
		t.Fatal(err)
	}
	server, err := apnstest.New(apnstest.Options{Authority: authority, Scripts: scripts})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	h := keep(t, pemOf(t, authority, "com.example.old"), server.URL(), authority)

	first := make(chan sender.Outcome, 1)
	go func() { first <- send(t, h.registry, slow) }()
	if err := server.Ledger().Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if told := h.looks(3); len(told) != 0 {
		t.Fatalf("nothing has changed: %v", states(told))
	}
	h.write(pemOf(t, authority, "com.example.new"))
	if told := h.looks(1); len(told) != 0 {
		t.Fatalf("it may still be written: %v", states(told))
	}
	told := h.looks(3)
	if diff := cmp.Diff([]string{stateReloaded}, states(told)); diff != "" {
		t.Fatal(diff)
	}
	if text := told[0].Detail; !strings.Contains(text, `app "shop"`) || !strings.Contains(text, "com.example.new") || !strings.Contains(text, h.file) {
		t.Error(text)
	}
	if out := send(t, h.registry, quick); out.Class != sender.Accepted {
		t.Errorf("the new one: %+v", out)
	}
	if out := <-first; out.Class != sender.Accepted {
		t.Errorf("what was under way: %+v", out)
	}
	if err := h.registry.Close(); err != nil {
		t.Error(err)
	}
	topics := map[string]string{}
	for _, n := range server.Ledger().All() {
		topics[n.Token] = n.Headers["apns-topic"]
	}
	if diff := cmp.Diff(map[string]string{slow: "com.example.old", quick: "com.example.new", canary: "com.example.new"}, topics); diff != "" {
		t.Error(diff)
	}
	if got := server.State().Accepted; got != 2 {
		t.Errorf("%d connections, want one of each", got)
	}
}

// TestBrokenFileLeavesTheOldOneInForce: it is told once, with file and remedy, and a good one mends it.
func TestBrokenFileLeavesTheOldOneInForce(t *testing.T) {
	authority, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	server, err := apnstest.New(apnstest.Options{Authority: authority})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	good := pemOf(t, authority, "com.example.app")
	h := keep(t, good, server.URL(), authority)
	for name, spoil := range map[string]func(){
		"garbage": func() { h.write([]byte("garbage")) },
		"half":    func() { h.write(good[:len(good)/2]) },
		"gone": func() {
			if err := os.Remove(h.file); err != nil {
				t.Fatal(err)
			}
		},
	} {
		spoil()
		told := h.looks(5)
		if diff := cmp.Diff([]string{stateUnusable}, states(told)); diff != "" {
			t.Fatalf("%s: %s", name, diff)
		}
		for _, part := range []string{`app "shop"`, "the old one stays in force", h.file} {
			if !strings.Contains(told[0].Detail, part) {
				t.Errorf("%s: %q does not say %q", name, told[0].Detail, part)
			}
		}
		if !strings.Contains(h.log.String(), `"level":"error"`) || !strings.Contains(h.log.String(), "the old one stays in force") {
			t.Errorf("%s: the log says %s", name, h.log.String())
		}
		h.log.Reset()
		if out := send(t, h.registry, "ab"); out.Class != sender.Accepted {
			t.Errorf("%s: the old one: %+v", name, out)
		}
		h.write(good)
		if diff := cmp.Diff([]string{stateReloaded}, states(h.looks(5))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestExpiryIsAnnounced at 30, 7 and 1 days and at the end, once each, at a time that all replicas agree on.
func TestExpiryIsAnnounced(t *testing.T) {
	authority, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	fresh := func() *household {
		return keep(t, pemOf(t, authority, "com.example.app"), "https://127.0.0.1:1", authority)
	}
	h := fresh()
	info, _ := h.sides()[0].apple.Certificate()
	end := info.NotAfter
	const day = 24 * time.Hour
	for _, step := range []struct {
		left  time.Duration
		state string
		said  string
		at    time.Duration // before the end
	}{
		{31 * day, "", "", 0},
		{30*day + time.Second, "", "", 0},
		{30 * day, stateExpiring, "in 30 days", 30 * day},
		{29 * day, "", "", 0},
		{7*day + time.Second, "", "", 0},
		{7 * day, stateExpiring, "in 7 days", 7 * day},
		{day + time.Second, "", "", 0},
		{day, stateExpiring, "in 24 hours", day},
		{time.Second, "", "", 0},
		{0, stateExpired, "has expired", 0},
		{-day, "", "", 0},
	} {
		h.now = func() time.Time { return end.Add(-step.left) }
		told := h.looks(2)
		if step.state == "" {
			if len(told) != 0 {
				t.Errorf("%s before the end: %v", step.left, states(told))
			}
			continue
		}
		if diff := cmp.Diff([]string{step.state}, states(told)); diff != "" {
			t.Fatalf("%s before the end: %s", step.left, diff)
		}
		for _, part := range []string{`app "shop"`, "Apple Push Services: com.example.app", h.file, end.UTC().Format(time.DateOnly), step.said, "make a new one"} {
			if !strings.Contains(told[0].Detail, part) {
				t.Errorf("%q does not say %q", told[0].Detail, part)
			}
		}
		if !told[0].At.Equal(end.Add(-step.at)) {
			t.Errorf("%s before the end: the event is of %s", step.left, told[0].At)
		}
		// A replica that starts later says the same.
		other := fresh()
		other.sides()[0].apple = h.sides()[0].apple
		other.now = func() time.Time { return end.Add(time.Minute - step.left) }
		if again := other.looks(1); len(again) != 1 || again[0].Key() != told[0].Key() {
			t.Errorf("another replica: %v", again)
		}
	}
}

// TestAlarmsNeverBlock: what sends must not wait for what tells.
func TestAlarmsNeverBlock(t *testing.T) {
	k := newKeeper(time.Now, func(string) zerolog.Logger { return zerolog.Nop() })
	for range 3 * cap(k.alarms) {
		k.alarm(jobs.APNS, "shop", stateWrongEnvironment, "text")
	}
	ctx, cancel := context.WithCancel(t.Context())
	told := 0
	err := k.run(ctx, func(context.Context, *results.Event) {
		if told++; told == cap(k.alarms) {
			cancel()
		}
	})
	if err != nil || told != cap(k.alarms) {
		t.Errorf("%d told, %v", told, err)
	}
}
