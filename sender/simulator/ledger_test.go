package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender/simulator/h2sim"
)

var at = time.Date(2026, 11, 23, 10, 0, 0, 123_000_000, time.UTC)

func apnsLine(token, id string, body string, status int, reason string) Notification {
	headers := map[string]string{"apns-topic": "com.example.app"}
	if id != "" {
		headers["apns-id"] = id
	}
	return Notification{Platform: APNS, Protocol: "http2", Token: token, Headers: headers, Body: json.RawMessage(body), Status: status, Reason: reason, At: at}
}

func TestLedgerGivesBackWhatWasAdded(t *testing.T) {
	want := []Notification{
		apnsLine("aa", "id-1", `{"aps":{}}`, 200, ""),
		apnsLine("bb", "id-2", `{"aps":{}}`, 410, "Unregistered"),
		apnsLine("aa", "", `{"aps":{"alert":"aa"}}`, 200, ""), // the token inside the text
		{Platform: GCM, Protocol: "v1", Token: "reg", Headers: map[string]string{}, Body: json.RawMessage(`{"message":{"token":"reg","data":{"reg":"reg"}}}`), Status: 200, DryRun: true, At: at},
		{Platform: GCM, Protocol: "legacy", Token: "reg", Headers: map[string]string{"a": "b"}, Status: 401, Reason: "INVALID_KEY", Chunk: 1000, At: at},
		{Platform: APNS, Protocol: "http2", Headers: map[string]string{}, Body: json.RawMessage(`"not JSON"`), Status: 404, Reason: "BadPath", At: at},
	}
	ledger := NewLedger()
	for _, n := range want {
		ledger.Add(n)
	}
	if diff := cmp.Diff(want, ledger.All()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if ledger.Len() != len(want) {
		t.Errorf("Len is %d", ledger.Len())
	}
	ledger.Reset()
	if ledger.Len() != 0 || len(ledger.All()) != 0 {
		t.Error("lines after Reset")
	}
}

func TestAddEach(t *testing.T) {
	shared := Notification{Platform: GCM, Protocol: "legacy", Headers: map[string]string{"a": "b"}, Body: json.RawMessage(`{"data":{}}`), Chunk: 2, At: at}
	ledger := NewLedger()
	ledger.AddEach(shared, []Recipient{{Token: "r1", Status: 200}, {Token: "r2", Status: 200, Reason: "NotRegistered"}})
	first, second := shared, shared
	first.Token, first.Status = "r1", 200
	second.Token, second.Status, second.Reason = "r2", 200, "NotRegistered"
	if diff := cmp.Diff([]Notification{first, second}, ledger.All()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestSummary(t *testing.T) {
	gcm := func(token, body string, dryRun bool) Notification {
		return Notification{Platform: GCM, Protocol: "v1", Token: token, Body: json.RawMessage(body), Status: 200, DryRun: dryRun, At: at}
	}
	ledger := NewLedger()
	for _, n := range []Notification{
		apnsLine("aa", "id-1", `{}`, 200, ""),
		apnsLine("aa", "id-1", `{"other":1}`, 200, ""), // the same apns-id: a duplicate, whatever the body
		apnsLine("aa", "id-2", `{}`, 200, ""),          // another notification
		apnsLine("bb", "id-3", `{}`, 503, "ServiceUnavailable"),
		apnsLine("bb", "id-3", `{}`, 200, ""), // a retry is no duplicate
		apnsLine("", "", `{}`, 404, "BadPath"),
		gcm("aa", `{"t":"aa"}`, false),
		gcm("aa", `{"t":"aa"}`, false), // without an id the body decides
		gcm("aa", `{"t":"aa","x":1}`, false),
		gcm("aa", `{"t":"aa"}`, true), // a dry run is no delivery
	} {
		ledger.Add(n)
	}
	want := Summary{
		Counts: Counts{Received: 10, Accepted: 7, Distinct: 3, Duplicates: 2, DryRun: 1},
		Platforms: map[string]*PlatformSummary{
			APNS: {
				Counts:   Counts{Received: 6, Accepted: 4, Distinct: 2, Duplicates: 1},
				Statuses: map[int]int{200: 4, 404: 1, 503: 1},
				Reasons:  map[string]int{"ServiceUnavailable": 1, "BadPath": 1},
			},
			GCM: {
				Counts:   Counts{Received: 4, Accepted: 3, Distinct: 1, Duplicates: 1, DryRun: 1},
				Statuses: map[int]int{200: 4},
				Reasons:  map[string]int{},
			},
		},
	}
	if diff := cmp.Diff(want, ledger.Summary()); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

func TestLedgerIsExactUnderConcurrency(t *testing.T) {
	const writers, each = 8, 3 * perPage / 4
	ledger := NewLedger()
	stop := make(chan struct{})
	var readers, all sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			n := 0
			for range ledger.Each() {
				n++
			}
			if sum := ledger.Summary(); sum.Received < n {
				t.Errorf("%d lines, then a summary of %d", n, sum.Received)
			}
		}
	})
	for w := range writers {
		all.Go(func() {
			for i := range each {
				ledger.Add(apnsLine(fmt.Sprintf("%d-%d", w, i), fmt.Sprintf("id-%d-%d", w, i), `{"aps":{}}`, 200, ""))
			}
		})
	}
	all.Wait()
	close(stop)
	readers.Wait()
	want := Counts{Received: writers * each, Accepted: writers * each, Distinct: writers * each}
	if diff := cmp.Diff(want, ledger.Summary().Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// A line must not cost more than its own part: the million-recipient tests depend on it.
func TestLedgerIsLean(t *testing.T) {
	const lines, most = 40_000, 300
	message := `{"message":{"data":{"text":"` + fmt.Sprintf("%0500d", 0) + `"},"token":"`
	before := heap()
	ledger := NewLedger()
	for i := range lines {
		token := fmt.Sprintf("%064x", i)
		headers := map[string]string{"authorization": "bearer [redacted]", "content-type": "application/json", "apns-id": fmt.Sprintf("%036d", i), "user-agent": "volley", "content-length": "600"}
		ledger.Add(Notification{Platform: GCM, Protocol: "v1", Token: token, Headers: headers, Body: json.RawMessage(message + token + `"}}`), Status: 200, At: at})
	}
	if per := (heap() - before) / lines; per > most {
		t.Errorf("a line takes %d bytes, want at most %d", per, most)
	}
	runtime.KeepAlive(ledger)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestWait(t *testing.T) {
	ledger := NewLedger()
	if err := ledger.Wait(t.Context(), 0); err != nil {
		t.Error(err)
	}
	wait := func(count int) chan error { // returns when the waiting has begun
		done := make(chan error, 1)
		go func() { done <- ledger.Wait(t.Context(), count) }()
		for waiting := 0; waiting == 0; runtime.Gosched() {
			ledger.mu.Lock()
			waiting = len(ledger.waiting)
			ledger.mu.Unlock()
		}
		return done
	}
	done := wait(2)
	ledger.Add(apnsLine("aa", "", `{}`, 200, ""))
	ledger.Add(apnsLine("bb", "", `{}`, 200, ""))
	if err := <-done; err != nil {
		t.Error(err)
	}
	done = wait(4)
	ledger.AddEach(apnsLine("", "", `{}`, 200, ""), []Recipient{{Token: "cc"}, {Token: "dd"}})
	if err := <-done; err != nil {
		t.Error(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ledger.Wait(gone, 5); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting in a cancelled context: %v", err)
	}
	if len(ledger.waiting) != 0 {
		t.Error("a waiter stays behind")
	}
}

func TestHeaders(t *testing.T) {
	got := Headers(h2sim.Fields{
		{Name: "authorization", Value: "bearer secret.jwt.token"},
		{Name: "authorization", Value: "basic second"},
		{Name: "proxy-authorization", Value: "Basic c2VjcmV0"},
		{Name: "cookie", Value: "a=secret"},
		{Name: "apns-topic", Value: "com.example.app"},
		{Name: "x-twice", Value: "a"},
		{Name: "x-twice", Value: "b"},
		{Name: "x-empty"},
	})
	want := map[string]string{
		"authorization": "bearer [redacted]", "proxy-authorization": "Basic [redacted]", "cookie": "[redacted]",
		"apns-topic": "com.example.app", "x-twice": "a, b", "x-empty": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	tests := map[string]string{
		"key=AAAA:secret": "key=[redacted]", "Bearer ya29.x": "Bearer [redacted]", "secret": "[redacted]", "secretwithspace later": "[redacted]", "": "[redacted]",
	}
	for credential, want := range tests {
		if got := Headers(h2sim.Fields{{Name: "authorization", Value: credential}})["authorization"]; got != want {
			t.Errorf("a credential is shown as %q, want %q", got, want)
		}
	}
}

// Both ways into the ledger must give the same lines, and share what they have in common.
func TestAddRequestIsAdd(t *testing.T) {
	requests := []struct {
		fields h2sim.Fields
		line   Notification
	}{
		{h2sim.Fields{{Name: "b", Value: "2"}, {Name: "apns-id", Value: "id-1"}, {Name: "a", Value: "1"}}, apnsLine("aa", "", `{"aps":{}}`, 200, "")},
		{h2sim.Fields{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}, {Name: "apns-id", Value: "id-2"}}, apnsLine("bb", "", `{"aps":{}}`, 410, "Unregistered")},
		{h2sim.Fields{{Name: "a", Value: "1"}, {Name: "a", Value: "2"}}, apnsLine("cc", "", `{"aps":{"alert":"cc"}}`, 200, "")},
		{h2sim.Fields{{Name: "authorization", Value: "bearer x"}, {Name: "authorization", Value: "bearer y"}}, apnsLine("dd", "", `{"aps":{"alert":"dd"}}`, 200, "")},
		{h2sim.Fields{{Name: "cookie", Value: "c"}}, Notification{Platform: APNS, Protocol: "http2", Status: 404, Reason: "BadPath", At: at}},
	}
	one, other := NewLedger(), NewLedger()
	for _, r := range requests {
		one.AddRequest(r.line, r.fields)
		r.line.Headers = Headers(r.fields)
		other.Add(r.line)
	}
	if diff := cmp.Diff(other.All(), one.All()); diff != "" {
		t.Errorf("lines (-added +from requests):\n%s", diff)
	}
	if len(one.heads) != 4 || len(one.bodies) != 2 || len(other.heads) != 4 || len(other.bodies) != 2 {
		t.Errorf("%d heads and %d bodies are kept, and %d and %d; want 4 and 2", len(one.heads), len(one.bodies), len(other.heads), len(other.bodies))
	}
	for _, r := range requests { // the second time nothing new may be kept
		one.AddRequest(r.line, r.fields)
		r.line.Headers = Headers(r.fields)
		one.Add(r.line)
	}
	if len(one.heads) != 4 || len(one.bodies) != 2 {
		t.Errorf("%d heads and %d bodies are kept, want 4 and 2", len(one.heads), len(one.bodies))
	}
}

func TestBody(t *testing.T) {
	tests := []struct{ raw, want string }{
		{"", ""}, {`{"a":1}`, `{"a":1}`}, {`{"a":`, `"{\"a\":"`}, {"{\"a\":\"\xff\"}", `"{\"a\":\"\ufffd\"}"`},
	}
	for _, test := range tests {
		if got := string(Body([]byte(test.raw))); got != test.want {
			t.Errorf("%q is kept as %s, want %s", test.raw, got, test.want)
		}
	}
}
