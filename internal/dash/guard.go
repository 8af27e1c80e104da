package dash

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// sessionCookie is the name of the cookie that says that somebody has given the token.
	sessionCookie = "volley_session"
	// sessionLife is how long it is good for.
	sessionLife = 12 * time.Hour
	// attemptsAtOnce is how many wrong tokens one address may give at once, attemptEvery after what time it may give another.
	attemptsAtOnce = 5
	attemptEvery   = 12 * time.Second
	// attemptsOfAll bounds wrong tokens of all addresses together: so many at once, and one each second.
	attemptsOfAll = 60
	// maxAddresses is how many addresses are told apart.
	maxAddresses = 4096
)

// guard decides who sees the pages. Without a token everybody does who asks for this machine by a name of its own: the page is then
// served on a loopback address only, and a page of another site that resolves to it has another name.
type guard struct {
	// digest is that of the token; nil for none.
	digest []byte
	now    func() time.Time

	mu       sync.Mutex
	all      *rate.Limiter
	attempts lru[string, *rate.Limiter]
}

func newGuard(token string, now func() time.Time) *guard {
	g := &guard{now: now, all: rate.NewLimiter(1, attemptsOfAll), attempts: newLRU[string, *rate.Limiter](maxAddresses)}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		g.digest = sum[:]
	}
	return g
}

// open says whether no token is needed.
func (g *guard) open() bool { return g.digest == nil }

// admits says whether a request may see pages: it has a session or the token.
func (g *guard) admits(r *http.Request) bool {
	if g.open() {
		return true
	}
	if cookie, err := r.Cookie(sessionCookie); err == nil && g.session(cookie.Value) {
		return true
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && g.try(r, token)
}

// try compares a token, if its address has not given too many wrong ones lately.
func (g *guard) try(r *http.Request, token string) bool {
	one := g.limiter(r)
	now := g.now()
	if one.TokensAt(now) < 1 || g.all.TokensAt(now) < 1 {
		return false
	}
	sum := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(sum[:], g.digest) == 1 {
		return true
	}
	one.AllowN(now, 1)
	g.all.AllowN(now, 1)
	return false
}

// limited says whether the address must wait before it may give a token again.
func (g *guard) limited(r *http.Request) bool {
	now := g.now()
	return g.limiter(r).TokensAt(now) < 1 || g.all.TokensAt(now) < 1
}

func (g *guard) limiter(r *http.Request) *rate.Limiter {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	l, made := g.attempts.at(host)
	if made {
		*l = rate.NewLimiter(rate.Every(attemptEvery), attemptsAtOnce)
	}
	return *l
}

// begin is the cookie of a new session. It holds on every worker with the same token, and no worker has to remember it.
func (g *guard) begin(r *http.Request) *http.Cookie {
	ends := strconv.FormatInt(g.now().Add(sessionLife).Unix(), 10)
	return g.cookie(r, ends+"."+g.sign(ends), int(sessionLife.Seconds()))
}

// end is the cookie that removes a session.
func (g *guard) end(r *http.Request) *http.Cookie { return g.cookie(r, "", -1) }

func (g *guard) cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // it is Secure where the page is: without TLS a browser would not send it back
		Name: sessionCookie, Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}

// session says whether a cookie's value is ours and not over.
func (g *guard) session(value string) bool {
	ends, mac, ok := strings.Cut(value, ".")
	if !ok || subtle.ConstantTimeCompare([]byte(mac), []byte(g.sign(ends))) != 1 {
		return false
	}
	at, err := strconv.ParseInt(ends, 10, 64)
	return err == nil && g.now().Before(time.Unix(at, 0))
}

func (g *guard) sign(ends string) string {
	mac := hmac.New(sha256.New, g.digest)
	_, _ = mac.Write([]byte("volley session " + ends))
	return hex.EncodeToString(mac.Sum(nil))
}

// local says whether a request asks for this machine by a name of its own.
func local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// policy is what browsers may do with our pages: fetch from us alone, run and style by our own files alone, and show in no frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}
