package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender/apns"
	"github.com/volleypush/volley/sender/simulator"
)

// findings writes a report as lines: "warning: subject: text: remedy".
func findings(r *Report) string {
	var b strings.Builder
	if r != nil {
		for _, f := range r.Findings {
			fmt.Fprintf(&b, "%s: %s: %s: %s\n", f.Verdict, f.Subject, f.Text, f.Remedy)
		}
	}
	return b.String()
}

// patient is a doctor of a configuration that finds room everywhere.
func patient(t *testing.T, change func(*config.Config)) *doctor {
	t.Helper()
	c := config.Default()
	c.Worker, c.NATS.StoreDir = "w-1", t.TempDir()
	if change != nil {
		change(c)
	}
	return &doctor{
		Report: &Report{}, config: c, keeper: &keeper{}, now: func() time.Time { return observedAt },
		free:   func(string) (int64, error) { return 1 << 40, nil },
		lookup: func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil },
	}
}

// examined runs one look and wants lines that begin so, and no others that are no ok.
func examined(t *testing.T, d *doctor, look func(*doctor), want ...string) {
	t.Helper()
	look(d)
	got := findings(d.Report)
	complaints := 0
	for _, w := range want {
		if !strings.Contains("\n"+got, "\n"+w) {
			t.Errorf("%q is not in\n%s", w, got)
		}
		if !strings.HasPrefix(w, "ok") {
			complaints++
		}
	}
	if n := d.Count(Bad) + d.Count(Warning); n != complaints {
		t.Errorf("%d complaints, want %d:\n%s", n, complaints, got)
	}
}

func TestCheckSettings(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Config)
		want   []string
	}{
		"as they are by default": {nil, []string{"ok: ack wait: 30s", "ok: events kept: 24h0m0s (PUSH_RESULTS), each with 180 bytes of the server's memory", "ok: NATS: a server inside the worker"}},
		"a short ack wait":       {func(c *config.Config) { c.AckWait = shortAckWait - 1 }, []string{"warning: ack wait: 9.999999999s: a worker that pauses"}},
		"just long enough":       {func(c *config.Config) { c.AckWait = shortAckWait }, []string{"ok: ack wait: 10s"}},
		"a long ack wait":        {func(c *config.Config) { c.AckWait = longAckWait + 1 }, []string{"warning: ack wait: 10m0.000000001s: what a dead worker held"}},
		"another server":         {func(c *config.Config) { c.NATS.URL = config.NewURL("nats://u:planted@h:4222") }, []string{"ok: NATS: nats://"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := patient(t, c.change)
			examined(t, d, (*doctor).settings, c.want...)
			if strings.Contains(findings(d.Report), "planted") {
				t.Error("a password is shown")
			}
		})
	}
}

func TestCheckDisk(t *testing.T) {
	need := queue.Topology{}.Room()
	for name, c := range map[string]struct {
		free   int64
		max    int64
		fault  error
		want   string
		broker bool
	}{
		"much room":            {free: 10 * need, want: "ok: disk: "},
		"room that will end":   {free: need*3/2 - 1, want: "warning: disk: "},
		"too little":           {free: need, want: "error: disk: ", broker: true},
		"a limit of our own":   {free: 10 * need, max: need, want: "ok: disk: "},
		"a limit that is less": {free: 10 * need, max: need - 1, want: "error: disk: ", broker: true},
		"not to be known":      {fault: errors.New("no such disk"), want: "warning: disk: no such disk"},
	} {
		t.Run(name, func(t *testing.T) {
			d := patient(t, func(cfg *config.Config) {
				cfg.NATS.MaxStore = config.Size(c.max)
				cfg.NATS.StoreDir = filepath.Join(cfg.NATS.StoreDir, "not", "there", "yet")
			})
			d.free = func(dir string) (int64, error) {
				if _, err := os.Stat(dir); err != nil {
					t.Errorf("asked about %s, which is not there", dir)
				}
				return c.free, c.fault
			}
			examined(t, d, (*doctor).store, c.want)
			if d.Is(ErrBroker) != c.broker {
				t.Errorf("the broker's trouble: %v", d.Is(ErrBroker))
			}
		})
	}
	if free, err := natsembed.Free(t.TempDir()); err != nil || free <= 0 {
		t.Errorf("%d bytes free, %v", free, err)
	}
	if _, err := natsembed.Free(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is not there has room")
	}
}

func TestCheckAppleIsPlausible(t *testing.T) {
	authority, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.ClientCertificate("Apple Push Services: com.example.app", "com.example.app")
	if err != nil {
		t.Fatal(err)
	}
	withCertificate, err := apns.New(apns.Config{Certificate: &certificate})
	if err != nil {
		t.Fatal(err)
	}
	info, _ := withCertificate.Certificate()
	good := config.APNS{KeyFile: "AuthKey_ABCDE12345.p8", KeyID: "ABCDE12345", TeamID: "FGHIJ67890", Topic: "com.example.app", Environment: "production"}
	keyed := &apns.Client{} // of a key: it has no certificate
	for name, c := range map[string]struct {
		client *apns.Client
		change func(*config.APNS)
		now    time.Time
		want   []string
	}{
		"all is well":               {client: keyed},
		"a key id in small letters": {client: keyed, change: func(a *config.APNS) { a.KeyFile, a.KeyID = "key.p8", "abcde12345" }, want: []string{`warning: app x, Apple: key_id is "abcde12345"`}},
		"a short team id":           {client: keyed, change: func(a *config.APNS) { a.TeamID = "FGHIJ6789" }, want: []string{`warning: app x, Apple: team_id is "FGHIJ6789"`}},
		"another key's file":        {client: keyed, change: func(a *config.APNS) { a.KeyFile = "AuthKey_ZZZZZ12345.p8" }, want: []string{`warning: app x, Apple: key_id is "ABCDE12345", but the key's file is called AuthKey_ZZZZZ12345.p8: set key_id to ZZZZZ12345`}},
		"a topic that is none":      {client: keyed, change: func(a *config.APNS) { a.Topic = "My App" }, want: []string{`warning: app x, Apple: topic "My App" does not look`}},
		"Apple's binary protocol":   {client: keyed, change: func(a *config.APNS) { a.Protocol = "binary" }, want: []string{"warning: app x, Apple: Apple has switched its binary protocol off"}},
		"a certificate that lasts":  {client: withCertificate, change: noKey, now: info.NotAfter.Add(-expiringSoon)},
		"one that runs out":         {client: withCertificate, change: noKey, now: info.NotAfter.Add(-expiringSoon + 1), want: []string{"warning: app x, Apple: certificate runs out on "}},
		"one that has run out":      {client: withCertificate, change: noKey, now: info.NotAfter, want: []string{"error: app x, Apple: certificate expired on "}},
	} {
		t.Run(name, func(t *testing.T) {
			d, a := patient(t, nil), good
			if c.change != nil {
				c.change(&a)
			}
			if !c.now.IsZero() {
				d.now = func() time.Time { return c.now }
			}
			examined(t, d, func(d *doctor) { d.apple("app x, Apple", &a, c.client) }, c.want...)
			if name == "one that has run out" && !d.Is(ErrCredentials) {
				t.Error("it is no trouble of the credential")
			}
		})
	}
}

func noKey(a *config.APNS) { a.KeyFile = "" }

func TestCheckGoogleIsPlausible(t *testing.T) {
	for name, c := range map[string]struct {
		g       config.GCM
		project string
		want    []string
	}{
		"all is well":              {project: "https://fcm.googleapis.com/v1/projects/my-project"},
		"a number":                 {project: "https://fcm.googleapis.com/v1/projects/123456", want: []string{`warning: app x, Google: project "123456" does not look`}},
		"a name":                   {project: "https://fcm.googleapis.com/v1/projects/My Project", want: []string{"warning: app x, Google: project"}},
		"Google's legacy protocol": {g: config.GCM{Protocol: "legacy"}, want: []string{"warning: app x, Google: Google has switched"}},
		"somebody's":               {g: config.GCM{Protocol: "legacy", Endpoint: "https://gcm.example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			examined(t, patient(t, nil), func(d *doctor) { d.google("app x, Google", &c.g, c.project) }, c.want...)
		})
	}
}

func TestCheckFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.p8")
	for mode, want := range map[os.FileMode][]string{
		0o600: nil, 0o640: nil, 0o644: {"warning: x: " + file + " can be read by everybody (mode 0644): chmod 600 " + file}, 0o620: {"warning: x: " + file + " can be changed by others (mode 0620)"},
	} {
		if err := os.WriteFile(file, []byte("k"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		examined(t, patient(t, nil), func(d *doctor) { d.files("x", "", file, filepath.Join(t.TempDir(), "none")) }, want...)
	}
}

func TestCheckBrokerFindings(t *testing.T) {
	sound := func() *queue.Inspection {
		return &queue.Inspection{Version: "2.15.2", Name: "n", MaxPayload: 1 << 20, Timed: true, Limits: 1 << 30, Store: 1 << 40}
	}
	stream := func(change func(*queue.StreamLook)) func(*queue.Inspection) {
		return func(in *queue.Inspection) {
			s := queue.StreamLook{StreamLoad: queue.StreamLoad{Stream: jobs.StreamJobs, Messages: 3, Bytes: 100, Limit: 1000}}
			change(&s)
			in.Streams = append(in.Streams, s)
		}
	}
	durable := func(l queue.DurableLook) func(*queue.Inspection) {
		return func(in *queue.Inspection) { in.Durables = append(in.Durables, l) }
	}
	for name, c := range map[string]struct {
		change func(*queue.Inspection)
		want   []string
	}{
		"all is well":         {func(in *queue.Inspection) { in.Cluster = "c" }, []string{"ok: NATS server: n, version 2.15.2, messages up to 1.0 MiB", "ok: NATS clock: 0s", "ok: NATS store: the streams may take 1.0 GiB of 1024.0 GiB"}},
		"an old server":       {func(in *queue.Inspection) { in.Old = true }, []string{"error: NATS server: n, version 2.15.2"}},
		"small messages":      {func(in *queue.Inspection) { in.MaxPayload = 2*jobs.EventReserve - 1 }, []string{"error: NATS server: "}},
		"a clock ahead":       {func(in *queue.Inspection) { in.Ahead = clockTolerance + time.Second }, []string{"warning: NATS clock: 31s ahead"}},
		"a clock behind":      {func(in *queue.Inspection) { in.Ahead = -time.Hour }, []string{"warning: NATS clock: -1h0m0s ahead"}},
		"no clock":            {func(in *queue.Inspection) { in.Timed = false }, []string{"ok: NATS clock: not known"}},
		"a store not told of": {func(in *queue.Inspection) { in.Store = 0 }, []string{"ok: NATS store: the streams may take 1.0 GiB; the server does not tell"}},
		"a small store":       {func(in *queue.Inspection) { in.Store = 1<<30 + 1<<28 - 200 }, []string{"error: NATS store: "}},
		"a stream to come":    {stream(func(s *queue.StreamLook) { s.Missing = true }), []string{"ok: stream PUSH_JOBS: is not there yet"}},
		"a stream":            {stream(func(*queue.StreamLook) {}), []string{"ok: stream PUSH_JOBS: 3 messages, 0.0 MiB of 0.0 MiB"}},
		"a newer stream":      {stream(func(s *queue.StreamLook) { s.Newer = true }), []string{"warning: stream PUSH_JOBS: was made by a newer Volley"}},
		"drift": {stream(func(s *queue.StreamLook) {
			s.Differences = []queue.Difference{{Field: "discard", Have: "DiscardOld", Want: "DiscardNew"}}
		}), []string{"warning: stream PUSH_JOBS: discard is DiscardOld, not DiscardNew: a worker corrects it"}},
		"drift for good": {stream(func(s *queue.StreamLook) {
			s.Differences = []queue.Difference{{Field: "retention", Have: "Limits", Want: "WorkQueue", Fixed: true}}
		}), []string{"error: stream PUSH_JOBS: retention is Limits, not WorkQueue, and can't be changed"}},
		"full of jobs":    {stream(func(s *queue.StreamLook) { s.Bytes = 801 }), []string{"warning: stream PUSH_JOBS: 3 messages, 0.0 MiB of 0.0 MiB: a full one refuses publishers"}},
		"not full":        {stream(func(s *queue.StreamLook) { s.Bytes = 800 }), []string{"ok: stream PUSH_JOBS"}},
		"full of events":  {stream(func(s *queue.StreamLook) { s.Stream, s.Bytes = jobs.StreamResults, 900 }), []string{"warning: stream PUSH_RESULTS: 3 messages, 0.0 MiB of 0.0 MiB: workers wait", "ok: events' memory: 3 events take about 0.0 MiB"}},
		"full of letters": {stream(func(s *queue.StreamLook) { s.Stream, s.Bytes = jobs.StreamDead, 900 }), []string{"warning: stream PUSH_DEAD: 3 messages, 0.0 MiB of 0.0 MiB: a full one drops", "warning: dead letters: 3 wait"}},
		"no letters":      {stream(func(s *queue.StreamLook) { s.Stream, s.Messages = jobs.StreamDead, 0 }), []string{"ok: stream PUSH_DEAD"}},
		"much memory":     {stream(func(s *queue.StreamLook) { s.Stream, s.Messages = jobs.StreamResults, muchMemory/eventMemory+1 }), []string{"ok: stream PUSH_RESULTS", "warning: events' memory: "}},
		"much memory to come": {stream(func(s *queue.StreamLook) {
			s.Stream, s.Messages, s.Oldest, s.Retention = jobs.StreamResults, 1_000_000, observedAt.Add(-time.Hour), 24*time.Hour
		}), []string{"ok: stream PUSH_RESULTS", "warning: events' memory: 1000000 events take about 171.7 MiB of the server's memory; at this rate 4.0 GiB when they are kept for 24h0m0s"}},
		"a durable":              {durable(queue.DurableLook{Durable: "d", Pending: 4}), []string{"ok: durable d: 4 wait"}},
		"a durable to come":      {durable(queue.DurableLook{Durable: "d", Missing: true}), []string{"ok: durable d: is not there yet"}},
		"a newer durable":        {durable(queue.DurableLook{Durable: "d", Newer: true}), []string{"warning: durable d: was made by a newer"}},
		"somebody's durable":     {durable(queue.DurableLook{Stream: "PUSH_JOBS", Durable: "d", Foreign: true}), []string{"warning: durable d: is no durable of Volley's and takes messages from PUSH_JOBS"}},
		"an app that is gone":    {durable(queue.DurableLook{Durable: "d", Unclaimed: true, Pending: 7}), []string{"warning: durable d: 7 segments wait for an app"}},
		"an app that left none":  {durable(queue.DurableLook{Durable: "d", Unclaimed: true}), []string{"ok: durable d: is of an app"}},
		"a durable's other wait": {durable(queue.DurableLook{Durable: "d", Differences: []queue.Difference{{Field: "ack_wait", Have: "7s", Want: "30s"}}}), []string{"warning: durable d: ack_wait is 7s, not 30s: a worker corrects it"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := sound()
			c.change(in)
			d := patient(t, nil)
			examined(t, d, func(d *doctor) { d.inspected(in) }, c.want...)
			if bad := strings.HasPrefix(c.want[0], "error"); d.Is(ErrBroker) != bad {
				t.Errorf("the broker's trouble: %v", d.Is(ErrBroker))
			}
		})
	}
}
