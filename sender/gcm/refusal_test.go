package gcm

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/volleypush/volley/sender"
)

func TestRefusals(t *testing.T) {
	for _, row := range []struct {
		name, body, want string
	}{
		{"OAuth", `{"error":"invalid_grant","error_description":"Account not found."}`, "invalid_grant (Account not found)"},
		{"OAuth without a text", `{"error":"invalid_client"}`, "invalid_client"},
		{"Google", `{"error":{"code":403,"message":"Permission denied.","status":"PERMISSION_DENIED"}}`, "PERMISSION_DENIED (Permission denied)"},
		{"HTML", `<html>`, "HTTP 403"},
		{"a list", `["invalid_grant"]`, "HTTP 403"},
		{"an error of another type", `{"error":[1]}`, "HTTP 403"},
		{"lines", `{"error":"a\nb","error_description":"c\u0000d"}`, "a b (cd)"},
		{"long", `{"error":"` + strings.Repeat("x", 300) + `"}`, strings.Repeat("x", maxDetail) + "…"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := newRefusal(&http.Response{StatusCode: http.StatusForbidden}, []byte(row.body)).detail(); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}

// A wrong clock is named with how wrong it is, whatever else the token endpoint says.
func TestClockSkewIsNamed(t *testing.T) {
	for _, row := range []struct {
		name string
		skew time.Duration // of Google's clock against ours
		says string
	}{
		{"ahead", -2 * time.Hour, "This machine's clock is 2h0m0s ahead of Google's: set it right, for example with NTP"},
		{"behind", 10 * time.Minute, "This machine's clock is 10m0s behind Google's: set it right, for example with NTP"},
		{"close enough", 20 * time.Second, "The key was deleted or the account disabled"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // its clock stands still on a full second
				refused := &refusal{status: 400, code: "invalid_grant", header: http.Header{}}
				refused.header.Set("Date", time.Now().Add(row.skew).UTC().Format(http.TimeFormat))
				if got := (&ServiceAccount{ClientEmail: "a@b"}).explain(refused); !strings.Contains(got, row.says) {
					t.Error(got)
				}
			})
		})
	}
	g := newTokenServer(t)
	g.fail = func(w http.ResponseWriter) {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(400)
		_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
	}
	out := deliver(t, t.Context(), g.client(t), "abc")
	if text := out[0].Reason.Description; !strings.Contains(text, "behind Google's") || out[0].Class != sender.Credential {
		t.Error(text)
	}
}

// roundTrips answers one request after the other.
type roundTrips []int

// RoundTrip implements http.RoundTripper.
func (r *roundTrips) RoundTrip(request *http.Request) (*http.Response, error) {
	status := (*r)[0]
	*r = (*r)[1:]
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: request}, nil
}

// A refusal on the way to a token is not the reason of what fails later: some sources ask for one thing in vain and go on.
func TestWitnessKeepsTheLastAnswer(t *testing.T) {
	w := &witness{next: &roundTrips{404, 200, 403}}
	for i, want := range []int{404, 0, 403} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://sts.example/v1/token", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := w.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		got := 0
		if w.refusal != nil {
			got = w.refusal.status
		}
		if got != want {
			t.Errorf("after answer %d: %d, want %d", i, got, want)
		}
	}
}

// Whatever a token endpoint answers, it becomes one short line.
func FuzzRefusal(f *testing.F) {
	f.Add(400, []byte(`{"error":"invalid_grant","error_description":"Invalid JWT: check your iat"}`))
	f.Add(403, []byte(`{"error":{"code":403,"message":"x","status":"PERMISSION_DENIED"}}`))
	f.Add(502, []byte(`<html>`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		r := newRefusal(&http.Response{StatusCode: status, Header: http.Header{}}, body)
		text := (&ServiceAccount{ClientEmail: "a@b"}).explain(r)
		if len(text) > 1000 || strings.IndexFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }) >= 0 {
			t.Fatalf("%q", text)
		}
	})
}
