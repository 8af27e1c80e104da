package gcm

import (
	"net/http"
	"strings"
	"testing"
	"unicode"
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
