package simulator

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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

func TestControlRefusesTheRest(t *testing.T) {
	server, _, _ := testControl(t)
	tests := []struct {
		method, path string
		status       int
	}{
		{http.MethodPut, "/ledger", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/script", http.StatusMethodNotAllowed},
		{http.MethodGet, "/", http.StatusNotFound},
	}
	for _, test := range tests {
		if status, _, _ := ask(t, server, test.method, test.path, ""); status != test.status {
			t.Errorf("%s %s answers %d, want %d", test.method, test.path, status, test.status)
		}
	}
}
