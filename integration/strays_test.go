package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/results"
)

func withoutLegacy(text string) string { return without(text, "legacy") }

// taken waits until nothing is left on PUSH_JOBS.
func taken(t *testing.T, nc *nats.Conn) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	poll(t, func() bool {
		stream, err := js.Stream(t.Context(), "PUSH_JOBS")
		return err == nil && stream.CachedInfo().State.Msgs == 0
	})
}

// durablesOf are the durables of PUSH_WORK for an app.
func durablesOf(t *testing.T, nc *nats.Conn, app string) (names []string) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "PUSH_WORK")
	if err != nil {
		t.Fatal(err)
	}
	list := stream.ConsumerNames(t.Context())
	for name := range list.Name() {
		if strings.Contains(name, "-"+app+"-") {
			names = append(names, name)
		}
	}
	return names
}

// Jobs of an app that no worker has yet wait, whatever their size; nobody waits for them. A worker that learns of the app sends them at once,
// everybody once; what ran out of time meanwhile is told as that.
func TestJobsOfAnUnknownAppWaitForAWorkerThatHasIt(t *testing.T) {
	f := startFleet(t, 2, withoutLegacy)
	nc := connect(t, f.url)
	events := subscribe(t, nc)
	publish(t, nc, "push.apns", `{"id":"one","app":"legacy","message":"hi","ids":["`+token(1)+`"]}`)
	publish(t, nc, "push.apns.bulk", `{"id":"many","app":"legacy","message":"hi","ids":`+tokens(10, 2500)+`}`)
	publish(t, nc, "push.gcm", `{"id":"google","app":"legacy","message":"hi","ids":["r"]}`)
	published := time.Now()
	publish(t, nc, "push.apns", `{"id":"brief","app":"legacy","message":"hi","expiration":1,"ids":["`+token(2)+`"]}`)
	publish(t, nc, "push.apns", `{"id":"mine","message":"hi","ids":["`+token(3)+`"]}`)
	events(func(e *results.Event) bool { return e.Job == "mine" && e.Sent == 1 })
	taken(t, nc)
	poll(t, func() bool { return time.Since(published) > 1100*time.Millisecond })
	f.reload(1, f.text, `"added":["apns.legacy","gcm.legacy"]`)
	final := map[string]string{}
	events(func(e *results.Event) bool {
		if e.Kind == results.KindDead {
			t.Errorf("%s is dead: %+v", e.ID, e.Dead)
		}
		if e.Done && e.App == "legacy" {
			final[e.Job] = fmt.Sprint(e.Totals.Sent, " ", e.Totals.Skipped)
		}
		return len(final) == 4
	})
	if got := fmt.Sprint(final); got != "map[brief:0 1 google:1 0 many:2500 0 one:1 0]" {
		t.Error(got)
	}
	times := map[string]int{}
	for _, n := range ledger(t, f.control) {
		if n.Status == 200 && n.Token != strings.Repeat("00", 32) && !n.DryRun {
			times[n.Token]++
		}
	}
	for token, n := range times {
		if n != 1 {
			t.Errorf("%s arrived %d times", token, n)
		}
	}
	if len(times) != 2503 {
		t.Errorf("%d recipients arrived", len(times))
	}
}

// Jobs that no worker comes for are dead letters after the grace, once, with the list of known apps, also when the workers are started anew
// meanwhile; nothing of them is left at the broker.
func TestJobsOfAnAppThatNobodyHasBecomeDeadLetters(t *testing.T) {
	const grace = "2s"
	f := startFleet(t, 2, withoutLegacy, "--unknown-app-grace", grace)
	nc := connect(t, f.url)
	events := subscribe(t, nc)
	published := time.Now()
	publish(t, nc, "push.apns", `{"id":"one","app":"nobody","message":"hi","ids":["`+token(1)+`"]}`)
	publish(t, nc, "push.apns.bulk", `{"id":"many","app":"nobody","message":"hi","ids":`+tokens(10, 2500)+`}`)
	publish(t, nc, "push.gcm", `{"id":"later","app":"nobody","message":"hi","deliver_at":"`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`","ids":["r"]}`)
	taken(t, nc)
	f.all[1].signal(syscall.SIGTERM)
	if code := f.all[1].wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	second := start(t, "worker", nil, "run", "--config", f.files[1], "--log-format", "json", "--worker", "w-b", "--nats-url", f.url, "--unknown-app-grace", grace)
	second.waitFor("is ready")
	dead := map[string]int{}
	events(func(e *results.Event) bool {
		if e.Kind != results.KindDead || e.Dead.Reason != "unknown_app" || len(e.Skipped) != 1 {
			t.Errorf("%+v %+v", e, e.Dead)
			return true
		}
		if text := e.Dead.Faults[0].Problem; !strings.Contains(text, `no app "nobody"`) || !strings.Contains(text, "known: ") || !strings.Contains(text, "default") || !strings.Contains(text, "in 2s") {
			t.Error(text)
		}
		if since := time.Since(published); since < 2*time.Second {
			t.Errorf("%s died after %s", e.ID, since)
		}
		dead[e.Job] += e.Totals.Skipped
		return len(dead) == 3
	})
	if got := fmt.Sprint(dead); got != "map[later:1 many:2500 one:1]" {
		t.Error(got)
	}
	poll(t, func() bool { return len(durablesOf(t, nc, "nobody")) == 0 })
	if code, output := runToEnd(t, "worker", nil, "dead", "list", "--nats-url", f.url, "--app", "nobody"); code != 0 || strings.Count(output, "unknown_app") != 3 {
		t.Errorf("exit code %d:\n%s", code, output)
	}
}

// A worker that loses an app does not touch what another one has of it, however long that waits; a job that only the other one can
// send is sent by it.
func TestWorkOfAnAppThatAnotherWorkerHasIsLeftToIt(t *testing.T) {
	f := startFleet(t, 2, func(text string) string { return text }, "--unknown-app-grace", "1s")
	nc := connect(t, f.url)
	events := subscribe(t, nc)
	out := `{"rules":[{"platform":"apns","prefix":"aa","percent":100,"answer":{"status":503,"reason":"ServiceUnavailable"}}]}`
	setScript(t, f.control, out)
	var ids []string
	for i := range 1500 {
		ids = append(ids, fmt.Sprintf(`"aa%s"`, token(i)[2:]))
	}
	publish(t, nc, "push.apns", `{"id":"waits","app":"legacy","message":"hi","ids":[`+strings.Join(ids, ",")+`]}`)
	events(func(e *results.Event) bool {
		return e.Kind == results.KindProvider && e.State == "opened" && e.App == "legacy"
	})
	f.reload(0, withoutLegacy(f.text), `"removed":["apns.legacy","gcm.legacy"]`)
	// A job of an app that really nobody has shows that both have looked, after the grace.
	publish(t, nc, "push.apns", `{"id":"typo","app":"nobody","message":"hi","ids":["ab"]}`)
	events(func(e *results.Event) bool { return e.Job == "typo" && e.Kind == results.KindDead })
	setScript(t, f.control, `{}`)
	publish(t, nc, "push.apns", `{"id":"new","app":"legacy","message":"hi","ids":["bb"]}`)
	waits, fresh := false, false
	events(func(e *results.Event) bool {
		if e.App == "legacy" && (e.Kind == results.KindDead || len(e.Uncertain)+len(e.Failures)+len(e.Skipped) > 0) {
			t.Errorf("%s: %+v", e.ID, e.Dead)
		}
		if e.Job == "waits" && e.Kind == results.KindJobDone {
			waits = e.Totals.Sent == 1500
		}
		fresh = fresh || e.Job == "new" && e.Sent == 1 && e.Worker == "w-b"
		return waits && fresh
	})
}
