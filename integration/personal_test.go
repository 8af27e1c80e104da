package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender/simulator"
)

// greetings is what the providers answer to the personal jobs: some recipients are busy at first, so that retries are personal too.
const greetings = `{"rules":[
	{"platform":"apns","percent":3,"salt":"busy","times":1,"answer":{"status":503,"reason":"ServiceUnavailable"}},
	{"platform":"gcm","prefix":"default-","percent":3,"salt":"busy","times":1,"answer":{"status":503,"reason":"UNAVAILABLE"}},
	{"platform":"gcm","prefix":"legacy-","percent":3,"salt":"busy","times":1,"answer":{"reason":"Unavailable"}}]}`

// person is one recipient of a personal job, and what it is to read; "" for one that gets nothing.
type person struct {
	ID   string         `json:"id"`
	Vars map[string]any `json:"vars,omitempty"`
	want string
}

// personal makes a job of n recipients whose message is greeting. Every 50th has no name, and every 49th has only that.
func (a audience) personal(app string, platform jobs.Platform, n int) (*order, []person) {
	o := a.order(platform, app, "personal", n, nil)
	people := make([]person, n)
	for i := range people {
		name := fmt.Sprintf(`Ann "%d" \ ä`, i/2) // two by two they read the same
		people[i] = person{ID: o.ids[i], Vars: map[string]any{"name": name, "n": i / 2, "vip": true}, want: fmt.Sprintf("Dear %s, you are %d (true). {{", name, i/2)}
		switch {
		case i%50 == 7:
			delete(people[i].Vars, "name")
			people[i].want = ""
		case i%49 == 5:
			people[i].Vars = map[string]any{"name": name}
			people[i].want = fmt.Sprintf("Dear %s, you are nobody (). {{", name)
		}
	}
	const greeting = `Dear {{name}}, you are {{n|nobody}} ({{vip|}}). {{{{`
	job := map[string]any{"id": o.id, "app": app, "recipients": people, "message": map[string]any{"body": greeting, "title": "x"}}
	if platform == jobs.GCM {
		job["message"] = map[string]any{"text": greeting, "list": []string{"{{name}}"}}
	}
	body, err := json.Marshal(job)
	if err != nil {
		panic(err) // it consists of texts
	}
	o.body = string(body)
	return o, people
}

// read is the greeting in what arrived.
func read(t *testing.T, n *simulator.Notification) string {
	t.Helper()
	var body struct {
		APS     struct{ Alert struct{ Body string } }
		Data    struct{ Text string }
		Message struct{ Data struct{ Text, List string } }
	}
	if err := json.Unmarshal(n.Body, &body); err != nil {
		t.Fatal(err)
	}
	if list := body.Message.Data.List; list != "" {
		var inner []string
		if err := json.Unmarshal([]byte(list), &inner); err != nil || len(inner) != 1 || !strings.HasPrefix(body.Message.Data.Text, "Dear "+inner[0]) {
			t.Errorf("the list that became a text: %s", list)
		}
	}
	return body.APS.Alert.Body + body.Data.Text + body.Message.Data.Text
}

// Every recipient of a personal job reads its own text: over each protocol, through splits, retries and two workers. Who lacks a variable
// fails alone.
func TestPersonalJobs(t *testing.T) {
	p := startProvidersWith(t, greetings)
	s := openTheatre(t, p, startServer(t).url())
	people := map[string]person{}
	one := audience{"personal"}
	add := func(o *order, all []person) {
		s.orders = append(s.orders, o)
		for _, somebody := range all {
			people[somebody.ID] = somebody
		}
	}
	add(one.personal("default", jobs.APNS, 2300))
	add(one.personal("default", jobs.GCM, 1500))
	add(one.personal("legacy", jobs.GCM, 2300))
	add(one.personal("binary", jobs.APNS, 300))
	add(audience{"single"}.personal("default", jobs.APNS, 1))
	first, second := s.worker("first"), s.worker("second")
	if err := s.publish(s.orders...); err != nil {
		t.Fatal(err)
	}
	s.settle()

	failed := map[string]bool{}
	for _, e := range s.events {
		for _, f := range e.Failures {
			failed[f.Token] = true
			if want := map[jobs.Platform]string{jobs.APNS: "APNSMissingPayloadError", jobs.GCM: "GCMServerError"}[e.Platform]; f.Error != want ||
				f.Reason != "MissingVariable" || f.Action != results.ActionFixPayload || !strings.HasSuffix(f.Description, ": name") || people[f.Token].want != "" {
				t.Errorf("%+v", f)
			}
		}
		if err := e.Balanced(); err != nil {
			t.Error(err)
		}
	}
	accepted := map[string]int{}
	for _, n := range ledger(t, p.control) {
		if n.Token == "" {
			continue // a barrier of the binary protocol
		}
		if text := read(t, &n); text != people[n.Token].want {
			t.Fatalf("%s got %q, want %q", n.Token, text, people[n.Token].want)
		}
		if n.Accepted() {
			accepted[n.Token]++
		}
	}
	for id, somebody := range people {
		want := 1
		if somebody.want == "" {
			want = 0
		}
		if accepted[id] != want || failed[id] != (want == 0) {
			t.Errorf("%s: accepted %d times, failed: %v, text %q", id, accepted[id], failed[id], somebody.want)
		}
	}
	s.end(first)
	s.end(second)
}

// The columns of a list are variables, and the one who fails for want of one is told of.
func TestEnqueuePersonal(t *testing.T) {
	s := newSite(t)
	s.begin(s.without)
	list := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(list, []byte("id,name,Order No\nr-1,\"Ann \"\"A\"\"\",1\nr-2,,2\nr-3,Cid,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, output := runToEnd(t, "enqueue", nil, "gcm", "--nats-url", s.url(), "--message-json", `{"text":"Dear {{name|you}}: {{Order_No}}"}`, "--ids-file", list, "--vars", "--wait")
	if code != 1 || !strings.Contains(output, "MissingVariable") || !strings.Contains(output, "Order_No") {
		t.Errorf("exit code %d: %s", code, output)
	}
	got := map[string]string{}
	for _, n := range ledger(t, s.control) {
		got[n.Token] += read(t, &n)
	}
	if want := map[string]string{"r-1": `Dear Ann "A": 1`, "r-2": "Dear you: 2"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A personal job of which a retry dies is still personal when that is requeued.
func TestPersonalDeadSegmentIsRequeued(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.begin(s.without)
	s.script(`{"rules":[{"platform":"gcm","prefix":"late-","times":1,"answer":{"status":503,"retry_after":"4"}}]}`)
	publish(t, connect(t, s.url()), "push.gcm", `{"id":"p","message":{"text":"Dear {{name|you}}"},"android":{"priority":"high"},"recipients":[`+
		`{"id":"early-1","vars":{"name":"Ann"}},{"id":"late-2","vars":{"name":"Bo\"b"}},{"id":"late-3"}]}`)
	s.stored(func(e *results.Event) bool { return e.Retry != nil })
	s.begin(s.reversed) // its app "default" speaks the legacy protocol, which has no "android"
	s.stored(func(e *results.Event) bool { return e.Kind == results.KindDead })
	s.begin(s.without)
	s.dead(0, "requeue", "--job", "p", "--yes")
	s.stored(func(e *results.Event) bool { return e.Requeued })
	got := map[string]string{}
	for _, n := range ledger(t, s.control) {
		if n.Accepted() {
			got[n.Token] += read(t, &n)
		}
	}
	want := map[string]string{"early-1": "Dear Ann", "late-2": `Dear Bo"b`, "late-3": "Dear you"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
