package gcmtest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/volleypush/volley/sender/simulator"
)

// attempt posts once on a connection of its own, and returns the error.
func (f *fixture) attempt(ctx context.Context, h2 bool, path, authorization, body string) error {
	f.t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.URL()+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	request.Header = http.Header{"Authorization": {authorization}, "Content-Type": {"application/json"}}
	transport := f.newClient(h2).Transport.(*http.Transport) //nolint:forcetypeassert // made by newClient
	conn, err := transport.NewClientConn(ctx, "https", f.Addr())
	if err != nil {
		return err
	}
	defer conn.Close()
	response, err := conn.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// What was taken is in the ledger although the client never learns of it; what was refused unseen is not.
func TestAnswersThatGetLost(t *testing.T) {
	tests := []struct {
		name   string
		answer simulator.Answer
		err    string // over HTTP/2
		lines  int    // of a call to two recipients of which one is concerned
	}{
		{"reset", simulator.Answer{Reset: "INTERNAL_ERROR"}, "INTERNAL_ERROR", 2},
		{"refused", simulator.Answer{Reset: "REFUSED_STREAM"}, "REFUSED_STREAM", 0},
		{"never", simulator.Answer{Never: true}, "context canceled", 2},
		{"cut in the middle", simulator.Answer{Status: 503, Reset: "CANCEL"}, "CANCEL", 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := start(t, nil)
			f.script(simulator.Rule{Token: "lost", Answer: test.answer})
			for _, h2 := range []bool{true, false} {
				for path, call := range map[string]struct {
					authorization, body string
					lines               int
				}{
					"/fcm/send": {"key=k", `{"registration_ids":["lost","other"],"data":{"a":"b"}}`, test.lines},
					"/v1/projects/" + project + "/messages:send": {"Bearer " + f.IssueToken(project), `{"message":{"token":"lost"}}`, min(1, test.lines)},
				} {
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					if test.answer.Never { // the client gives up when it has arrived
						go func() {
							_ = f.Ledger().Wait(ctx, call.lines)
							cancel()
						}()
					}
					err := f.attempt(ctx, h2, path, call.authorization, call.body)
					cancel()
					if err == nil || h2 && !strings.Contains(err.Error(), test.err) {
						t.Errorf("h2 %v: %s ends with %v, want %q", h2, path, err, test.err)
					}
					if got := f.Ledger().Len(); got != call.lines {
						t.Errorf("h2 %v: %s leaves %d lines, want %d", h2, path, got, call.lines)
					}
					f.Ledger().Reset()
				}
			}
		})
	}
}

// A phase's answer is for sends of both protocols, and not for the token endpoint, which is another service.
func TestPhaseAnswersEverybody(t *testing.T) {
	f := start(t, nil)
	if err := f.Scripts().Set(simulator.Script{Phases: []simulator.Phase{{Platform: simulator.GCM, Answer: &simulator.Answer{Status: 503, RetryAfter: "9"}}}}); err != nil {
		t.Fatal(err)
	}
	for _, got := range []answered{f.legacy(`{"to":"a"}`), f.v1(`{"message":{"token":"a"}}`)} {
		if got.status != 503 || got.header.Get("Retry-After") != "9" {
			t.Errorf("answered %d %v", got.status, got.header)
		}
	}
	got := f.do(f.client, http.MethodPost, "/token", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, "grant_type=x")
	if got.status != 400 {
		t.Errorf("the token endpoint answers %d", got.status)
	}
}

func TestFaultsOfThePlatform(t *testing.T) {
	f := start(t, nil)
	for platform, strikes := range map[string]bool{simulator.APNS: false, simulator.GCM: true} {
		script := simulator.Script{Faults: []simulator.Fault{{Platform: platform, Kind: simulator.RefuseStream}}}
		if err := f.Scripts().Set(script); err != nil {
			t.Fatal(err)
		}
		if err := f.attempt(t.Context(), true, "/fcm/send", "key=k", `{"to":"a"}`); (err != nil) != strikes {
			t.Errorf("with a fault of %s: %v", platform, err)
		}
	}
}

func TestExcess(t *testing.T) {
	f := start(t, nil)
	if _, _, yes := f.excess(); yes {
		t.Error("it is a habit without being asked for")
	}
	if err := f.Scripts().Set(simulator.Script{Habits: &simulator.Habits{GoAwayOnExcess: true}}); err != nil {
		t.Fatal(err)
	}
	if code, text, yes := f.excess(); !yes || code != http2.ErrCodeProtocol || text != "exceeded_max_concurrent_streams" {
		t.Errorf("%v %q %v", code, text, yes)
	}
}
