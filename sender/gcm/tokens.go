package gcm

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/volleypush/volley/sender"
)

const (
	// renewBefore is how long before its end an access token is renewed, while the old one still serves. x/oauth2's own 10 s would let
	// tokens end under requests that are under way.
	renewBefore = 5 * time.Minute
	// renewPause is how long a failed renewal is not repeated while the old token still serves.
	renewPause = 10 * time.Second
	// tokenTimeout bounds one exchange with the token endpoint.
	tokenTimeout = 30 * time.Second
)

// tokens is the one cached access token of a client, or of those that share it. Only one goroutine fetches at a time; who needs a token meanwhile waits for it.
type tokens struct {
	config Config
	client *http.Client

	mu         sync.Mutex
	users      int // clients that have asked for a token and were not closed since
	credential Credential
	replaced   int // how often the credential was replaced
	current    string
	renewAt    time.Time // fetch a new one from here on
	expires    time.Time // never use it from here on
	flight     *flight
	life       context.Context
	endLife    context.CancelFunc
}

// flight is one fetch. failure is set before done is closed.
type flight struct {
	credential Credential
	replaced   int // tokens.replaced when it began
	done       chan struct{}
	failure    *sender.Outcome
}

func newTokens(config Config) *tokens {
	t := &tokens{config: config, credential: config.Credential}
	t.client = &http.Client{
		Timeout: tokenTimeout,
		// Once an hour: no idle connection is kept.
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: config.RootCAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: config.ConnectTimeout,
			DialContext:         config.Dial,
			Proxy:               direct(config.Proxy),
			DisableKeepAlives:   true,
		},
		// An assertion goes where the key file says and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return t
}

// direct keeps what goes to this machine's own metadata server, which is all that is asked without TLS, away from a proxy.
func direct(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme == "http" {
			return nil, nil
		}
		return proxy(r)
	}
}

// get returns an access token. The failure, if any, is the outcome of whoever wanted to send with it.
func (t *tokens) get(ctx context.Context) (string, *sender.Outcome) {
	for {
		t.mu.Lock()
		now := t.config.Now()
		if !now.Before(t.renewAt) && t.flight == nil {
			t.start()
		}
		if t.current != "" && now.Before(t.expires) {
			token := t.current
			t.mu.Unlock()
			return token, nil
		}
		f := t.flight
		if f == nil { // a pause after a failed renewal, and then the token has ended
			t.start()
			f = t.flight
		}
		t.mu.Unlock()
		select {
		case <-f.done:
			if f.failure != nil {
				return "", f.failure
			}
		case <-ctx.Done():
			o := sender.Failed(reasonsByName[reasonCancelled], 0)
			return "", &o
		}
	}
}

// drop forgets a token that was refused, unless it was replaced already.
func (t *tokens) drop(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current == token {
		t.current, t.renewAt, t.expires = "", time.Time{}, time.Time{}
	}
}

// start begins a fetch. The mutex is held.
func (t *tokens) start() {
	if t.life == nil {
		t.life, t.endLife = context.WithCancel(context.Background())
	}
	t.flight = &flight{credential: t.credential, replaced: t.replaced, done: make(chan struct{})}
	go t.fetch(t.life, t.flight)
}

func (t *tokens) fetch(life context.Context, f *flight) {
	seen := &witness{next: t.client.Transport}
	client := *t.client
	client.Transport = underLife{life, seen}
	// A new source for each fetch: those of x/oauth2 keep their token until 10 s before its end and can't be told to drop it.
	var token *oauth2.Token
	source, err := f.credential.source(context.WithValue(life, oauth2.HTTPClient, &client))
	if err == nil {
		token, err = source.Token()
	}
	// The token's own end is in this machine's time; what counts is how long it lasts.
	lasts := time.Hour
	switch {
	case err != nil:
	case token.AccessToken == "":
		err = errNoAccessToken
	case !token.Expiry.IsZero():
		if lasts = time.Until(token.Expiry); lasts <= 0 {
			err = errTokenEnded
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.config.Now()
	switch {
	case err != nil:
		o := t.failure(f.credential, err, seen.refusal)
		f.failure = &o
		t.renewAt = now.Add(renewPause)
	case life.Err() == nil:
		t.current = token.AccessToken
		t.renewAt = now.Add(lasts - min(renewBefore, lasts/4))
		t.expires = now.Add(lasts - min(10*time.Second, lasts/10))
	}
	if t.replaced != f.replaced { // replaced meanwhile: what this fetch brought serves until the new one's token is there
		t.renewAt = time.Time{}
	}
	t.flight = nil
	close(f.done)
}

// replace has the next token fetched with another credential, soon. The present one serves meanwhile.
func (t *tokens) replace(credential Credential) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.credential, t.renewAt = credential, time.Time{}
	t.replaced++
}

// underLife ends requests with the client: x/oauth2 makes its requests without a context.
type underLife struct {
	life context.Context
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (u underLife) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(u.life, cancel)
	response, err := u.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		stop()
		cancel()
		return nil, err
	}
	response.Body = &endingBody{ReadCloser: response.Body, end: func() { stop(); cancel() }}
	return response, nil
}

// endingBody lets go of the request's context when the answer has been read.
type endingBody struct {
	io.ReadCloser
	end func()
}

// Close implements io.Closer.
func (b *endingBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

// close ends a fetch under way and forgets the token. A TokenSource of the caller is not waited for: it can't be interrupted.
func (t *tokens) close() {
	t.mu.Lock()
	f := t.flight
	if t.life != nil {
		t.endLife()
		t.life = nil
	}
	t.current, t.renewAt, t.expires = "", time.Time{}, time.Time{}
	t.mu.Unlock()
	if f != nil && t.config.TokenSource == nil {
		<-f.done
	}
}
