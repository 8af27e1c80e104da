package apnstest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/volleypush/volley/sender/simulator"
)

// attempt sends the push once and returns what came, its body only as an error of reading it.
func (f *fixture) attempt(ctx context.Context, client http.RoundTripper, p *push, body io.Reader) (answered, http.Header, error) {
	f.t.Helper()
	request, err := http.NewRequestWithContext(ctx, p.method, f.URL()+p.path, body)
	if err != nil {
		f.t.Fatal(err)
	}
	request.Header = p.header.Clone()
	response, err := client.RoundTrip(request)
	if err != nil {
		return answered{}, nil, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return answered{status: response.StatusCode, header: response.Header}, response.Trailer, err
}

// conn is one connection that is not pooled.
func (f *fixture) conn() *http.ClientConn {
	f.t.Helper()
	transport := f.client().Transport.(*http.Transport) //nolint:forcetypeassert // made by client
	conn, err := transport.NewClientConn(f.t.Context(), "https", f.Addr())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// What was taken is in the ledger although the client never learns of it; what was refused unseen is not.
func TestAnswersThatGetLost(t *testing.T) {
	tests := []struct {
		name   string
		answer simulator.Answer
		err    string
		status int // in the ledger; 0 for no line
		reason string
	}{
		{"reset", simulator.Answer{Reset: "INTERNAL_ERROR"}, "INTERNAL_ERROR", 200, ""},
		{"refused", simulator.Answer{Reset: "REFUSED_STREAM"}, "REFUSED_STREAM", 0, ""},
		{"never", simulator.Answer{Never: true}, "context canceled", 200, ""},
		{"cut in the middle", simulator.Answer{Reason: "Unregistered", Reset: "CANCEL"}, "CANCEL", 410, "Unregistered"},
		{"acceptance that is cut", simulator.Answer{Status: 200, Reset: "CANCEL"}, "CANCEL", 200, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := start(t, nil)
			f.script(simulator.Rule{Token: goodToken, Answer: test.answer})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if test.answer.Never { // the client gives up when it has arrived
				go func() {
					_ = f.Ledger().Wait(ctx, 1)
					cancel()
				}()
			}
			p := f.good()
			got, _, err := f.attempt(ctx, f.conn(), p, strings.NewReader(p.body))
			if begun := test.answer.Status != 0 || test.answer.Reason != ""; begun != (got.status != 0) {
				t.Errorf("of the answer came %d", got.status)
			}
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("it ends with %v, want %q", err, test.err)
			}
			lines := f.Ledger().All()
			switch {
			case test.status == 0 && len(lines) != 0:
				t.Errorf("the ledger has %+v", lines)
			case test.status == 0:
			case len(lines) != 1 || lines[0].Status != test.status || lines[0].Reason != test.reason || string(lines[0].Body) != goodBody:
				t.Errorf("the ledger has %+v, want %d %q", lines, test.status, test.reason)
			}
		})
	}
}

// What the service would refuse for another reason is refused, whatever the script loses.
func TestLostAnswersAreJudgedFirst(t *testing.T) {
	f := start(t, nil)
	f.script(simulator.Rule{Token: goodToken, Answer: simulator.Answer{Never: true}})
	p := f.good()
	p.header.Del("authorization")
	f.expect(f.client(), p, 403, "MissingProviderToken")
}

// An early answer comes while the body is still being written, and the ledger knows the recipient.
func TestEarlyAnswer(t *testing.T) {
	f := start(t, nil)
	f.script(simulator.Rule{Token: goodToken, Platform: simulator.APNS, Answer: simulator.Answer{Reason: "PayloadTooLarge", Early: true}})
	p := f.good()
	body, write := io.Pipe()
	defer write.Close()
	got, _, err := f.attempt(t.Context(), f.client().Transport, p, body) // nobody ever writes
	if err != nil || got.status != 413 {
		t.Errorf("%v, %v", got, err)
	}
	lines := f.Ledger().All()
	if len(lines) != 1 || lines[0].Token != goodToken || lines[0].Reason != "PayloadTooLarge" || lines[0].Body != nil {
		t.Errorf("the ledger has %+v", lines)
	}
	f.script()
	f.expect(f.client(), p, 200, "")
}

func TestUnusualAnswers(t *testing.T) {
	f := start(t, nil)
	f.script(simulator.Rule{Token: goodToken, Answer: simulator.Answer{
		Status: 500, Body: `{"reason":`, HeaderBytes: 20_000, Trailers: map[string]string{"x-end": "1"}, Informational: []int{103},
	}})
	p := f.good()
	got, trailer, err := f.attempt(t.Context(), f.client().Transport, p, strings.NewReader(p.body))
	if err != nil {
		t.Fatal(err)
	}
	if got.status != 500 || len(got.header.Get("x-filler")) != 20_000 || trailer.Get("x-end") != "1" {
		t.Errorf("%d, trailers %v", got.status, trailer)
	}
}

func TestPhaseAnswersEverybody(t *testing.T) {
	f := start(t, nil)
	if err := f.Scripts().Set(simulator.Script{Phases: []simulator.Phase{{Answer: &simulator.Answer{Status: 503}}}}); err != nil {
		t.Fatal(err)
	}
	f.expect(f.client(), f.good(), 503, "ServiceUnavailable")
}

func TestFaultsOfThePlatform(t *testing.T) {
	f := start(t, nil)
	set := func(platform string) {
		t.Helper()
		script := simulator.Script{Faults: []simulator.Fault{{Platform: platform, Kind: simulator.GoAway, LastStream: "none", Then: "close", Reason: "BadCertificateEnvironment"}}}
		if err := f.Scripts().Set(script); err != nil {
			t.Fatal(err)
		}
	}
	p := f.good()
	set(simulator.GCM)
	if _, _, err := f.attempt(t.Context(), f.conn(), p, strings.NewReader(p.body)); err != nil {
		t.Error(err)
	}
	set(simulator.APNS)
	if _, _, err := f.attempt(t.Context(), f.conn(), p, strings.NewReader(p.body)); err == nil || f.Ledger().Len() != 1 {
		t.Errorf("%v, and %d lines", err, f.Ledger().Len())
	}
}

// available waits until the connection has that many streams: an answered one is free a moment after its answer.
func available(t *testing.T, conn *http.ClientConn, want int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); conn.Available() != want; {
		if time.Now().After(deadline) {
			t.Fatalf("%d streams are available, want %d", conn.Available(), want)
		}
		<-time.After(time.Millisecond)
	}
}

func TestOneStreamAtFirst(t *testing.T) {
	f := start(t, func(o *Options) { o.Habits.OneStreamAtFirst = true; o.MaxConcurrentStreams = 7 })
	conn, p := f.conn(), f.good()
	send := func(status int) {
		t.Helper()
		got, _, err := f.attempt(t.Context(), conn, p, strings.NewReader(p.body))
		if err != nil || got.status != status {
			t.Fatalf("%v, %v", got, err)
		}
	}
	available(t, conn, 1)
	p.header.Set("apns-priority", "7")
	send(400)
	available(t, conn, 1)
	p.header.Set("apns-priority", "10")
	send(200)
	available(t, conn, 7)
	p.header.Set("apns-priority", "7")
	send(400)
	available(t, conn, 7)
	certificate, err := f.Authority().ClientCertificate("x", goodTopic)
	if err != nil {
		t.Fatal(err)
	}
	transport := f.client(certificate).Transport.(*http.Transport) //nolint:forcetypeassert // made by client
	if conn, err = transport.NewClientConn(t.Context(), "https", f.Addr()); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	available(t, conn, 7)
}

func TestOneStreamAfterError(t *testing.T) {
	f := start(t, func(o *Options) { o.MaxConcurrentStreams = 7 })
	if err := f.Scripts().Set(simulator.Script{
		Habits: &simulator.Habits{OneStreamAfterError: true},
		Rules: []simulator.Rule{
			{Token: "aa", Answer: simulator.Answer{Reason: "BadDeviceToken"}},
			{Token: "bb", Answer: simulator.Answer{Reason: "Unregistered"}},
			{Token: "cc", Answer: simulator.Answer{Status: 503}},
		},
	}); err != nil {
		t.Fatal(err)
	}
	conn, p := f.conn(), f.good()
	for _, step := range []struct {
		token   string
		streams int
	}{{"bb", 7}, {"cc", 7}, {"aa", 1}, {"bb", 1}, {"aa", 1}, {"dd", 7}, {"aa", 1}} {
		p.path = "/3/device/" + step.token
		if _, _, err := f.attempt(t.Context(), conn, p, strings.NewReader(p.body)); err != nil {
			t.Fatal(err)
		}
		available(t, conn, step.streams)
	}
}

func TestSilentAfterExpiry(t *testing.T) {
	f := start(t, func(o *Options) { o.Habits.SilentAfterExpiry = true })
	conn, p := f.conn(), f.good()
	fresh := p.header.Get("authorization")
	p.header.Set("authorization", "bearer "+f.mint(now.Add(-2*time.Hour), nil))
	if got, _, err := f.attempt(t.Context(), conn, p, strings.NewReader(p.body)); err != nil || got.status != 403 {
		t.Fatalf("%v, %v", got, err)
	}
	p.header.Set("authorization", fresh)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := f.attempt(ctx, conn, p, strings.NewReader(p.body)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a good token afterwards: %v", err)
	}
	f.expect(f.client(), p, 200, "") // another connection knows nothing of it
}

func TestErrorLimit(t *testing.T) {
	f := start(t, func(o *Options) { o.Habits.ErrorLimit = 5 })
	f.script(
		simulator.Rule{Token: "aa", Answer: simulator.Answer{Reason: "BadDeviceToken"}},
		simulator.Rule{Token: "bb", Answer: simulator.Answer{Reason: "Unregistered"}},
	)
	conn, p := f.conn(), f.good()
	for i, token := range []string{"aa", "bb", "aa", "bb", "bb", "aa"} {
		p.path = "/3/device/" + token
		if _, _, err := f.attempt(t.Context(), conn, p, strings.NewReader(p.body)); err != nil {
			t.Fatalf("push %d: %v", i, err)
		}
	}
	if _, _, err := f.attempt(t.Context(), conn, p, strings.NewReader(p.body)); err == nil {
		t.Error("the connection goes on after six errors")
	}
	if f.Ledger().Len() != 6 {
		t.Errorf("the ledger has %d lines", f.Ledger().Len())
	}
}

func TestHabitsOfTheScriptComeFirst(t *testing.T) {
	f := start(t, func(o *Options) { o.Habits.GoAwayOnExcess = true })
	if code, text, yes := f.excess(); !yes || code != http2.ErrCodeRefusedStream || text != "Maximum active streams violated for this endpoint." {
		t.Errorf("%v %q %v", code, text, yes)
	}
	if err := f.Scripts().Set(simulator.Script{Habits: &simulator.Habits{}}); err != nil {
		t.Fatal(err)
	}
	if _, _, yes := f.excess(); yes {
		t.Error("the script's habits are not heeded")
	}
}
