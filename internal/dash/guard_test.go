package dash

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const token = "correct-horse-battery-staple"

// locked is a stage whose pages need the token.
func locked(t *testing.T) *stage {
	t.Helper()
	return newStage(t, func(p *Params) { p.Token = token })
}

// login gives a token and returns the answer and its cookie.
func (st *stage) login(given, back string) (int, answer, *http.Cookie) {
	st.t.Helper()
	resp := st.ask(http.MethodPost, "/login", url.Values{"token": {given}, "back": {back}}, nil)
	status, _ := text(resp)
	for _, c := range resp.Cookies {
		if c.Name == sessionCookie {
			return status, resp, c
		}
	}
	return status, resp, nil
}

func TestEveryAnswerIsGuardedAgainstScripts(t *testing.T) {
	for _, st := range []*stage{newStage(t, nil), locked(t), newStage(t, func(p *Params) { p.Closed = true })} {
		for _, target := range []string{"/", "/nothing", "/login", "/static/style.css", "/static/live.js", "/live?view=/nothing", "/act"} {
			resp := st.ask(http.MethodGet, target, nil, nil)
			_, body := text(resp)
			csp := resp.Header.Get("Content-Security-Policy")
			if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
				t.Errorf("%s: %q", target, csp)
			}
			if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s: %v", target, resp.Header)
			}
			for _, inline := range []string{"<script>", " style=", " onclick=", " onload=", "javascript:", "http://", "https://"} {
				if strings.Contains(strings.ReplaceAll(body, `xmlns="http://www.w3.org/2000/svg"`, ""), inline) {
					t.Errorf("%s has %q", target, inline)
				}
			}
		}
	}
}

func TestLogin(t *testing.T) {
	st := locked(t)
	resp := st.ask(http.MethodGet, "/events?kind=dead", nil, nil)
	if status, _ := text(resp); status != http.StatusSeeOther || resp.Header.Get("Location") != "/login?back=%2Fevents%3Fkind%3Ddead" {
		t.Errorf("without a session: %d, %s", status, resp.Header.Get("Location"))
	}
	if status, _, cookie := st.login("wrong", "/"); status != http.StatusUnauthorized || cookie != nil {
		t.Errorf("a wrong token: %d, %v", status, cookie)
	}
	status, resp, cookie := st.login(token, "/events?kind=dead")
	if status != http.StatusSeeOther || resp.Header.Get("Location") != "/events?kind=dead" || cookie == nil {
		t.Fatalf("the token: %d, %s, %v", status, resp.Header.Get("Location"), cookie)
	}
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || strings.Contains(cookie.Value, token) {
		t.Errorf("the cookie: %+v", cookie)
	}
	with := func(value string) int {
		status, _ := text(st.ask(http.MethodGet, "/", nil, func(r *http.Request) { r.AddCookie(&http.Cookie{Name: sessionCookie, Value: value}) }))
		return status
	}
	if got := with(cookie.Value); got != http.StatusOK {
		t.Errorf("with the session: %d", got)
	}
	for _, forged := range []string{"", "x", cookie.Value + "0", "9" + cookie.Value, strings.Split(cookie.Value, ".")[0] + "."} {
		if got := with(forged); got != http.StatusSeeOther {
			t.Errorf("with the cookie %q: %d", forged, got)
		}
	}
	other := newStage(t, func(p *Params) { p.Token = token + "2" })
	if status, _ := text(other.ask(http.MethodGet, "/", nil, func(r *http.Request) { r.AddCookie(cookie) })); status != http.StatusSeeOther {
		t.Errorf("a session of another token: %d", status)
	}
	st.pass(sessionLife + time.Second)
	if got := with(cookie.Value); got != http.StatusSeeOther {
		t.Errorf("after its life: %d", got)
	}
}

func TestBearer(t *testing.T) {
	st := locked(t)
	for given, want := range map[string]int{"Bearer " + token: 200, "Bearer wrong": 401, "Basic " + token: 401, token: 401} {
		if status, _ := text(st.ask(http.MethodGet, "/", nil, func(r *http.Request) { r.Header.Set("Authorization", given) })); status != want {
			t.Errorf("%s: %d, want %d", given, status, want)
		}
	}
	if status, _ := text(st.ask(http.MethodGet, "/live?view=/", nil, func(r *http.Request) { r.Header.Set("Accept", "text/event-stream") })); status != http.StatusUnauthorized {
		t.Errorf("a stream without a session: %d", status)
	}
	if status, _ := text(st.ask(http.MethodPost, "/act", url.Values{"do": {"drop"}, "letter": {"1"}, "sure": {"yes"}}, nil)); status != http.StatusUnauthorized || st.store.done() != "" {
		t.Errorf("an order without a session: %d, %s", status, st.store.done())
	}
}

func TestAttemptsAreLimited(t *testing.T) {
	st := locked(t)
	for i := range attemptsAtOnce {
		if status, _, _ := st.login("wrong", ""); status != http.StatusUnauthorized {
			t.Fatalf("attempt %d: %d", i, status)
		}
	}
	status, resp, cookie := st.login(token, "")
	if status != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" || cookie != nil {
		t.Errorf("the right token after too many wrong ones: %d, %v", status, cookie)
	}
	if status, _ := text(st.ask(http.MethodGet, "/", nil, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })); status != http.StatusUnauthorized {
		t.Errorf("the header after too many wrong tokens: %d", status)
	}
	elsewhere := st.ask(http.MethodPost, "/login", url.Values{"token": {token}}, func(r *http.Request) { r.RemoteAddr = "198.51.100.7:1" })
	if status, _ := text(elsewhere); status != http.StatusSeeOther {
		t.Errorf("from another address: %d", status)
	}
	st.pass(attemptEvery)
	if status, _, _ := st.login(token, ""); status != http.StatusSeeOther {
		t.Errorf("a while later: %d", status)
	}
}

func TestAttemptsOfAllAddressesAreLimited(t *testing.T) {
	st := locked(t)
	status := 0
	for i := range attemptsOfAll + 1 {
		resp := st.ask(http.MethodPost, "/login", url.Values{"token": {"wrong"}}, func(r *http.Request) {
			r.RemoteAddr = "198.51." + string(rune('0'+i/10)) + "." + string(rune('0'+i%10)) + ":1"
		})
		status, _ = text(resp)
	}
	if status != http.StatusTooManyRequests {
		t.Errorf("after %d wrong tokens from as many addresses: %d", attemptsOfAll, status)
	}
}

func TestBackLeadsNowhereElse(t *testing.T) {
	st := locked(t)
	for back, want := range map[string]string{
		"": "/", "/events?kind=dead&bad=yes": "/events?kind=dead&bad=yes", "https://evil.example/": "/", "//evil.example": "/", `/\evil.example`: "/", "javascript:alert(1)": "/", "events": "/",
		"/\r\nSet-Cookie: a=b": "/", "///evil.example": "/",
	} {
		if _, resp, _ := st.login(token, back); resp.Header.Get("Location") != want {
			t.Errorf("%q leads to %q", back, resp.Header.Get("Location"))
		}
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	for _, st := range []*stage{newStage(t, nil), locked(t)} {
		_, _, cookie := st.login(token, "")
		for name, change := range map[string]func(*http.Request){
			"another site":           func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"a site beside":          func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
			"an old browser's other": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") },
			"no origin":              func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
		} {
			resp := st.ask(http.MethodPost, "/act", url.Values{"do": {"drop"}, "letter": {"1"}, "sure": {"yes"}}, func(r *http.Request) {
				if cookie != nil {
					r.AddCookie(cookie)
				}
				change(r)
			})
			if status, _ := text(resp); status != http.StatusForbidden || st.store.done() != "" {
				t.Errorf("%s: %d, %s", name, status, st.store.done())
			}
		}
	}
}

func TestWithoutATokenOnlyThisMachineIsServed(t *testing.T) {
	st := newStage(t, nil)
	for host, want := range map[string]int{
		"127.0.0.1:8088": 200, "localhost:8088": 200, "LOCALHOST": 200, "[::1]:8088": 200, "127.9.9.9": 200, "evil.example:8088": 421, "192.0.2.1:8088": 421, "": 421, "localhost.evil.example": 421, "0.0.0.0:8088": 421,
	} {
		if status, _ := text(st.ask(http.MethodGet, "/", nil, func(r *http.Request) { r.Host = host })); status != want {
			t.Errorf("asked for as %q: %d, want %d", host, status, want)
		}
	}
	if status, _ := text(locked(t).ask(http.MethodGet, "/login", nil, func(r *http.Request) { r.Host = "volley.example" })); status != http.StatusOK {
		t.Errorf("with a token another name is refused: %d", status)
	}
	closed := newStage(t, func(p *Params) { p.Closed = true })
	for _, target := range []string{"/", "/events", "/login", "/live?view=/"} {
		if status, body := text(closed.ask(http.MethodGet, target, nil, nil)); status != http.StatusForbidden || !strings.Contains(body, "http_token_file") {
			t.Errorf("%s on an open address without a token: %d", target, status)
		}
	}
}

func TestLogout(t *testing.T) {
	st := locked(t)
	resp := st.ask(http.MethodPost, "/logout", url.Values{}, nil)
	if status, _ := text(resp); status != http.StatusSeeOther || len(resp.Cookies) != 1 || resp.Cookies[0].MaxAge >= 0 {
		t.Errorf("%d, %v", status, resp.Cookies)
	}
}
