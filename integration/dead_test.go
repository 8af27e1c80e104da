package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/results"
)

// site is a place with simulated providers and a worker that is stopped and started there with other settings, on the same store.
type site struct {
	t                             *testing.T
	keys, nats, store, control    string
	worker                        *process
	configured, without, reversed string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, keys: t.TempDir(), nats: freePort(t), store: t.TempDir(), control: freePort(t)}
	start(t, "worker", nil, "simulate", "--apns-binary", "127.0.0.1:0", "--apns-feedback", "127.0.0.1:0", "--apns", freePort(t), "--google", freePort(t), "--control", s.control, "--keys-out", s.keys).waitFor("ready")
	text, err := os.ReadFile(filepath.Join(s.keys, "volley.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, rename ...string) string {
		file := filepath.Join(s.keys, name)
		if err := os.WriteFile(file, []byte(strings.NewReplacer(rename...).Replace(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	s.without = write("without.yaml")
	s.configured = write("configured.yaml", "\n  legacy:\n", "\n  shop:\n")
	s.reversed = write("reversed.yaml", "\n  default:\n", "\n  modern:\n", "\n  legacy:\n", "\n  default:\n")
	return s
}

func (s *site) url() string { return "nats://" + s.nats }

// begin starts the worker with these settings, in place of the one that runs.
func (s *site) begin(config string) {
	s.t.Helper()
	if s.worker != nil {
		s.worker.signal(syscall.SIGTERM)
		if code := s.worker.wait(); code != 0 {
			s.t.Fatalf("the worker ended with %d", code)
		}
	}
	s.worker = start(s.t, "worker", nil, "run", "--config", config, "--nats-listen", s.nats, "--store-dir", s.store, "--log-format", "json", "--unknown-app-grace", "0s")
	s.worker.waitFor("is ready")
}

// dead runs `worker dead` and wants this exit code.
func (s *site) dead(code int, args ...string) string {
	s.t.Helper()
	got, output := runToEnd(s.t, "worker", nil, append([]string{"dead", args[0], "--nats-url", s.url()}, args[1:]...)...)
	if got != code {
		s.t.Errorf("worker dead %s: exit code %d, want %d:\n%s", strings.Join(args, " "), got, code, output)
	}
	return output
}

// letters is `worker dead list -o json`.
func (s *site) letters(args ...string) []map[string]any {
	s.t.Helper()
	var all []map[string]any
	decoder := json.NewDecoder(strings.NewReader(strings.TrimPrefix(s.dead(0, append([]string{"list", "-o", "json"}, args...)...), "no dead letters\n")))
	for decoder.More() {
		var one map[string]any
		if err := decoder.Decode(&one); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// stored reads PUSH_RESULTS from its beginning until an event is the wanted one, which it returns with those before it.
func (s *site) stored(wanted func(*results.Event) bool) []*results.Event {
	s.t.Helper()
	js, err := jetstream.New(connect(s.t, s.url()))
	if err != nil {
		s.t.Fatal(err)
	}
	events, err := js.OrderedConsumer(s.t.Context(), "PUSH_RESULTS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		s.t.Fatal(err)
	}
	var all []*results.Event
	for {
		m, err := events.Next(jetstream.FetchMaxWait(30 * time.Second))
		if err != nil {
			s.t.Fatalf("no more events after %d: %v", len(all), err)
		}
		e, err := results.Decode(m.Data())
		if err != nil {
			s.t.Fatal(err)
		}
		if err := e.Balanced(); err != nil {
			s.t.Errorf("the books of %s do not balance: %v", e.ID, err)
		}
		if all = append(all, e); wanted(e) {
			return all
		}
	}
}

// script tells the simulated providers what to answer from now on.
func (s *site) script(text string) {
	s.t.Helper()
	response, err := http.Post("http://"+s.control+"/script", "application/json", strings.NewReader(text))
	if err != nil || response.StatusCode/100 != 2 {
		s.t.Fatal(response, err)
	}
	_ = response.Body.Close()
}

// acceptedOnce wants each recipient accepted by a provider exactly once, and nobody else.
func (s *site) acceptedOnce(n int, recipient func(int) string) {
	s.t.Helper()
	times := map[string]int{}
	for _, line := range ledger(s.t, s.control) {
		if line.Status == http.StatusOK {
			times[line.Token]++
		}
	}
	for i := range n {
		if times[recipient(i)] != 1 {
			s.t.Errorf("recipient %d was accepted %d times", i, times[recipient(i)])
		}
	}
	if len(times) != n {
		s.t.Errorf("%d recipients were accepted, want %d", len(times), n)
	}
}

// A job for an app that nobody knows dies, is shown, and is sent when the app is there: every recipient once.
func TestDeadJobIsRequeued(t *testing.T) {
	s := newSite(t)
	s.begin(s.without)
	body := `{"id":"promo","app":"shop","campaign":"spring","message":"Hello","ids":` + tokens(0, 1500) + `}`
	publish(t, connect(t, s.url()), "push.apns.bulk", body)
	s.stored(func(e *results.Event) bool { return e.Kind == results.KindDead })

	list := s.dead(0, "list")
	for _, want := range []string{"apns/shop", "promo", "unknown_app", "1500", "default, legacy"} {
		if !strings.Contains(list, want) {
			t.Errorf("the list does not mention %q:\n%s", want, list)
		}
	}
	letters := s.letters("--app", "shop", "--reason", "unknown_app", "--newer-than", "1h")
	if len(letters) != 1 || letters[0]["job"] != "promo" || letters[0]["recipients"] != 1500.0 || letters[0]["requeues"] != 0.0 {
		t.Fatalf("letters %v", letters)
	}
	if others := s.letters("--older-than", "1h"); len(others) != 0 {
		t.Errorf("letters of more than an hour ago: %v", others)
	}
	sequence := fmt.Sprint(letters[0]["sequence"])
	shown := s.dead(0, "show", sequence)
	for _, want := range []string{"push.apns.bulk", "PUSH_JOBS", "spring", "apns.shop.promo.0.0", "1500 skipped", `no app "shop" has apns credentials here`} {
		if !strings.Contains(shown, want) {
			t.Errorf("the letter does not mention %q:\n%s", want, shown)
		}
	}
	if strings.Contains(list+shown+fmt.Sprint(letters), token(7)) {
		t.Error("a token was shown")
	}
	if with := s.dead(0, "show", sequence, "--body"); !strings.Contains(with, body) {
		t.Error("--body does not print the original bytes")
	}
	if refused := s.dead(1, "requeue", sequence); !strings.Contains(refused, `no worker was started with apns credentials for app "shop"`) {
		t.Error(refused)
	}

	s.begin(s.configured)
	if done := s.dead(0, "requeue", sequence); !strings.Contains(done, "apns.shop.bulk.promo.all.1") {
		t.Error(done)
	}
	all := s.stored(func(e *results.Event) bool { return e.Kind == results.KindJobDone })
	for _, e := range all[1:] {
		if !e.Requeued || e.Job != "promo" || e.Campaign != "spring" {
			t.Errorf("%s: %+v", e.ID, e)
		}
	}
	if totals := all[len(all)-1].Totals; totals.Recipients != 1500 || totals.Sent != 1500 {
		t.Errorf("totals %+v", totals)
	}
	if again := s.dead(1, "requeue", sequence); !strings.Contains(again, "no such dead letter") {
		t.Error(again)
	}
	if left := s.letters(); len(left) != 0 {
		t.Errorf("letters left: %v", left)
	}
	s.acceptedOnce(1500, token)
}

// The retry of a segment dies, because a worker with other settings takes it, and is requeued when those are mended.
func TestDeadSegmentIsRequeued(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.begin(s.without)
	s.script(`{"rules":[{"platform":"gcm","prefix":"late-","times":1,"answer":{"status":503,"retry_after":"4"}}]}`)
	registration := func(i int) string {
		if i >= 1200 && i < 1210 {
			return fmt.Sprintf("late-%d", i)
		}
		return fmt.Sprintf("registration-%d", i)
	}
	ids := make([]string, 1500)
	for i := range ids {
		ids[i] = registration(i)
	}
	list, err := json.Marshal(ids)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, connect(t, s.url()), "push.gcm", `{"id":"big","message":{"k":"v"},"android":{"priority":"high"},"ids":`+string(list)+`}`)
	s.stored(func(e *results.Event) bool { return e.Retry != nil })

	s.begin(s.reversed) // its app "default" speaks the legacy protocol, which has no "android"
	all := s.stored(func(e *results.Event) bool { return e.Kind == results.KindJobDone })
	if totals := all[len(all)-1].Totals; totals.Sent != 1490 || totals.Skipped != 10 {
		t.Errorf("totals %+v", totals)
	}
	letters := s.letters("--platform", "gcm", "--job", "big")
	if len(letters) != 1 || letters[0]["segment"] != "1" || letters[0]["round"] != 1.0 || letters[0]["reason"] != "payload" || letters[0]["recipients"] != 10.0 {
		t.Fatalf("letters %v", letters)
	}

	s.begin(s.without)
	if done := s.dead(0, "requeue", "--job", "big", "--yes"); !strings.Contains(done, "gcm.default.normal.big.1.2") {
		t.Error(done)
	}
	all = s.stored(func(e *results.Event) bool { return e.Requeued })
	e := all[len(all)-1]
	if e.ID != "gcm.default.big.1.2" || e.Recipients != 10 || e.Sent != 10 || e.Segment != 1 || e.Segments != 2 || e.Retry != nil || e.Totals.Recipients != 10 {
		t.Errorf("%+v totals %+v", e, e.Totals)
	}
	s.acceptedOnce(1500, registration)
}

// A job with faults is not sent again as it is; what nobody wants is dropped, one by one or by filter, never by accident.
func TestDeadLettersAreRefusedAndDropped(t *testing.T) {
	s := newSite(t)
	s.begin(s.without)
	nc := connect(t, s.url())
	events := subscribe(t, nc)
	for i, body := range []string{
		`{"id":"typo","mesage":"Hello","ids":"` + token(1) + `"}`,
		`{"id":"x1","app":"shop","message":"Hello","ids":"` + token(2) + `"}`,
		`{"id":"x2","app":"shop","message":"Hello","ids":"` + token(3) + `"}`,
		`{"id":"x3","app":"shop","message":"Hello","ids":"` + token(4) + `"}`,
	} {
		publish(t, nc, "push.apns", body)
		events(func(*results.Event) bool { return true })
		if n := len(s.letters()); n != i+1 {
			t.Fatalf("%d letters after job %d", n, i)
		}
	}
	sequence := func(job string) string { return fmt.Sprint(s.letters("--job", job)[0]["sequence"]) }
	refused := s.dead(1, "requeue", sequence("typo"))
	for _, want := range []string{"mesage", "message", "publish a corrected job"} {
		if !strings.Contains(refused, want) {
			t.Errorf("the refusal does not mention %q:\n%s", want, refused)
		}
	}
	if strings.Contains(refused, token(1)) {
		t.Error("the refusal shows a token")
	}

	first := sequence("x1")
	s.dead(0, "drop", first)
	if again := s.dead(1, "drop", first); !strings.Contains(again, "no such dead letter") {
		t.Error(again)
	}
	if shown := s.dead(1, "show", first); !strings.Contains(shown, "no such dead letter") {
		t.Error(shown)
	}
	if asked := s.dead(2, "drop", "--app", "shop"); !strings.Contains(asked, "2 dead letters") || !strings.Contains(asked, "--yes") {
		t.Error(asked)
	}
	s.dead(2, "drop")
	s.dead(2, "drop", sequence("x2"), "--app", "shop")
	s.dead(2, "drop", "--app", "*", "--yes")
	if n := len(s.letters()); n != 3 {
		t.Fatalf("%d letters", n)
	}
	s.dead(0, "drop", "--app", "shop", "--limit", "1", "--yes")
	s.dead(0, "drop", "--reason", "unknown_app", "--yes")
	if left := s.letters(); len(left) != 1 || left[0]["job"] != "typo" {
		t.Errorf("left are %v", left)
	}
	if mixed := s.dead(1, "requeue", "--all", "--yes"); !strings.Contains(mixed, "1 dead letter not requeued") {
		t.Error(mixed)
	}
	s.dead(0, "drop", "--all", "--yes")
	s.dead(0, "requeue", "--all", "--yes")
	s.acceptedOnce(0, token)
}

func TestDeadWithoutBroker(t *testing.T) {
	for _, args := range [][]string{{"list"}, {"show", "1"}, {"requeue", "1"}, {"drop", "1"}} {
		code, output := runToEnd(t, "worker", nil, append([]string{"dead", args[0], "--nats-url", "nats://user:secret@127.0.0.1:1"}, args[1:]...)...)
		if code != 69 || !strings.Contains(output, "no NATS server answers at") || strings.Contains(output, "secret") {
			t.Errorf("%s: exit code %d:\n%s", args[0], code, output)
		}
	}
}
