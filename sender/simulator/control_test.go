package simulator

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ask sends one request to a control server and returns status, content type and body.
func ask(t *testing.T, server *httptest.Server, method, path, body string) (int, string, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("Content-Type"), string(answer)
}

func testControl(t *testing.T) (*httptest.Server, *Ledger, *Scripts) {
	t.Helper()
	ledger, scripts := NewLedger(), NewScripts()
	server := httptest.NewServer(Control(ledger, scripts))
	t.Cleanup(server.Close)
	return server, ledger, scripts
}

func TestControlLedger(t *testing.T) {
	server, ledger, _ := testControl(t)
	want := []Notification{
		apnsLine("aa", "id-1", `{"aps":{"alert":"<b> & \u2028"}}`, 200, ""),
		apnsLine("bb", "", `{"aps":{}}`, 400, "BadDeviceToken"),
	}
	for _, n := range want {
		ledger.Add(n)
	}
	status, contentType, body := ask(t, server, http.MethodGet, "/ledger", "")
	if status != http.StatusOK || contentType != "application/x-ndjson" {
		t.Errorf("%d %s", status, contentType)
	}
	if !strings.Contains(body, `"body":{"aps":{"alert":"<b> & \u2028"}}`) {
		t.Errorf("the body is not shown as it came: %s", body)
	}
	var got []Notification
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		var n Notification
		if err := json.Unmarshal(lines.Bytes(), &n); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		got = append(got, n)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}

	_, _, body = ask(t, server, http.MethodGet, "/ledger/summary", "")
	const wantSummary = `{"received":2,"accepted":1,"distinct":2,"duplicates":0,"dry_run":0,"platforms":{"apns":` +
		`{"received":2,"accepted":1,"distinct":2,"duplicates":0,"dry_run":0,"statuses":{"200":1,"400":1},"reasons":{"BadDeviceToken":1}}}}` + "\n"
	if diff := cmp.Diff(wantSummary, body); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}

	kept, forgotten := apnsLine("cc", "", `{"aps":{}}`, 200, ""), apnsLine("dd", "", `{"aps":{}}`, 200, "")
	kept.At, forgotten.At = time.Now(), time.Now().Add(-maxStorage)
	ledger.Reset()
	ledger.Add(kept)
	ledger.Add(forgotten)
	if _, contentType, body = ask(t, server, http.MethodGet, "/ledger/stored", ""); contentType != "application/x-ndjson" || strings.Count(body, "\n") != 1 || !strings.Contains(body, `"token":"cc"`) {
		t.Errorf("stored: %s %s", contentType, body)
	}

	if status, _, _ := ask(t, server, http.MethodDelete, "/ledger", ""); status != http.StatusNoContent || ledger.Len() != 0 {
		t.Errorf("DELETE answers %d and leaves %d lines", status, ledger.Len())
	}
}

func TestControlScript(t *testing.T) {
	server, _, scripts := testControl(t)
	if _, _, body := ask(t, server, http.MethodGet, "/script", ""); body != `{"rules":[]}`+"\n" {
		t.Errorf("the first script is %s", body)
	}
	for name, text := range map[string]string{"yaml": everythingYAML, "json": everythingJSON} {
		if err := scripts.Set(Script{}); err != nil {
			t.Fatal(err)
		}
		status, _, body := ask(t, server, http.MethodPost, "/script", text)
		if status != http.StatusOK || body != `{"rules":3}`+"\n" {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if diff := cmp.Diff(everything(), scripts.Script()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	_, _, shown := ask(t, server, http.MethodGet, "/script", "")
	again, err := ParseScript([]byte(shown))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(everything(), again); diff != "" {
		t.Errorf("what is shown is not what is in force (-want +got):\n%s", diff)
	}

	counted := "faults: [{kind: reset}, {kind: close}]\nphases: [{for: 1s}]"
	if _, _, body := ask(t, server, http.MethodPost, "/script", counted); body != `{"faults":2,"phases":1,"rules":0}`+"\n" {
		t.Errorf("faults and phases are answered with %s", body)
	}
	if err := scripts.Set(everything()); err != nil {
		t.Fatal(err)
	}
	status, _, body := ask(t, server, http.MethodPost, "/script", "rules:\n  - tokn: a\n")
	if status != http.StatusBadRequest || !strings.Contains(body, "line 2") || !strings.Contains(body, "tokn") {
		t.Errorf("a bad script answers %d %s", status, body)
	}
	if diff := cmp.Diff(everything(), scripts.Script()); diff != "" {
		t.Errorf("a bad script changed the one in force (-want +got):\n%s", diff)
	}
	if status, _, _ := ask(t, server, http.MethodPost, "/script", strings.Repeat(" ", maxScript+1)); status != http.StatusBadRequest {
		t.Errorf("a script over the limit answers %d", status)
	}
}

func TestControlFaults(t *testing.T) {
	server, _, scripts := testControl(t)
	s := &scene{t: t, authority: testAuthority(t), scripts: scripts}
	s.script("faults: [{kind: goaway, after: 1000}]\nphases: [{for: 1h, platform: gcm, answer: {status: 503}}]")
	s.Endpoint = testEndpoint(t, EndpointOptions{Name: "test", Platform: APNS, Authority: s.authority, Scripts: scripts, Connect: accepting})
	report := func(method, body string) FaultReport {
		t.Helper()
		status, contentType, text := ask(t, server, method, "/faults", body)
		if status != http.StatusOK || contentType != "application/json" {
			t.Fatalf("%s answers %d %s %s", method, status, contentType, text)
		}
		var out FaultReport
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	names := func(r FaultReport) (names []string) {
		for _, f := range r.Faults {
			name := f.Name + " " + f.Platform
			if f.Active {
				name += " active"
			}
			names = append(names, name)
		}
		return names
	}
	p := s.dial()
	p.ready()
	got := report(http.MethodGet, "")
	if diff := cmp.Diff([]string{"fault 1  active", "phase 1 gcm active"}, names(got)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	want := []ServerState{{Name: "test", Platform: "apns", Addr: s.Addr(), Listening: true, Accepted: 1, Open: 1}}
	if diff := cmp.Diff(want, got.Servers); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}

	got = report(http.MethodPost, `{"down": "1h"}`) // it is down when the answer comes
	if got.Servers[0].Listening || got.Faults[2].Name != "posted 1" || !got.Faults[2].Active || got.Faults[2].Strikes != 1 {
		t.Errorf("after down: %+v", got)
	}
	if _, err := s.tryDial(); err == nil {
		t.Error("connections are taken while it is down")
	}
	if status, _, _ := ask(t, server, http.MethodDelete, "/faults", ""); status != http.StatusNoContent || !s.State().Listening {
		t.Errorf("DELETE answers %d and leaves %+v", status, s.State())
	}

	got = report(http.MethodPost, "platform: apns\nfor: 100ms\nanswer: {reason: Shutdown}")
	if answer, ok := scripts.Answer(APNS, "t"); !ok || answer.Reason != "Shutdown" || got.Faults[2].Name != "posted 2" || got.Faults[2].Until == nil {
		t.Errorf("after an answer: %+v, %+v", answer, got)
	}
	until(t, func() bool { _, ok := scripts.Answer(APNS, "t"); return !ok })
	p = s.dial()
	p.ready()
	report(http.MethodPost, `{"fault": {"kind": "goaway", "then": "stay"}}`)
	p.expect("away after 0: NO_ERROR")
	if diff := cmp.Diff([]string{"fault 1  active", "phase 1 gcm active", "posted 3  active"}, names(report(http.MethodGet, ""))); diff != "" {
		t.Errorf("the posted answer is over and still there (-want +got):\n%s", diff)
	}

	for body, want := range map[string]string{
		"":                                    "it needs down, fault or answer",
		`{"down": "-1s"}`:                     "for -1s is not within",
		`{"down": "1s", "for": "1s"}`:         "down goes with platform only",
		`{"fault": {"kind": "down"}}`:         "down needs for",
		`{"fault": {"kind": "x"}}`:            `kind "x"`,
		`{"faults": []}`:                      `unknown key "faults"`,
		"fault: {kind: stall, oops: 1}":       "oops",
		strings.Repeat(" ", maxScript+1):      "larger than",
		`{"platform": "x", "answer": {}}`:     `platform "x"`,
		`{"answer": {}, "fault": {"kind":1}}`: "fault",
	} {
		status, _, text := ask(t, server, http.MethodPost, "/faults", body)
		if status != http.StatusBadRequest || !strings.Contains(text, want) {
			t.Errorf("%.40q answers %d %s, want %q", body, status, text, want)
		}
	}
}

func TestControlRefusesTheRest(t *testing.T) {
	server, _, _ := testControl(t)
	tests := []struct {
		method, path string
		status       int
	}{
		{http.MethodPut, "/ledger", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/script", http.StatusMethodNotAllowed},
		{http.MethodPut, "/faults", http.StatusMethodNotAllowed},
		{http.MethodGet, "/", http.StatusNotFound},
	}
	for _, test := range tests {
		if status, _, _ := ask(t, server, test.method, test.path, ""); status != test.status {
			t.Errorf("%s %s answers %d, want %d", test.method, test.path, status, test.status)
		}
	}
}
