package apnstest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/volleypush/volley/sender/simulator"
)

func TestScriptedAnswers(t *testing.T) {
	tests := []struct {
		name   string
		answer simulator.Answer
		status int
		body   string
		reason string // in the ledger
	}{
		{"410 with time", simulator.Answer{Reason: "Unregistered", TimestampMS: 1795430000123}, 410, `{"reason":"Unregistered","timestamp":1795430000123}`, "Unregistered"},
		{"410 now", simulator.Answer{Status: 410}, 410, fmt.Sprintf(`{"reason":"Unregistered","timestamp":%d}`, now.UnixMilli()), "Unregistered"},
		{"410 expired", simulator.Answer{Reason: "ExpiredToken", TimestampMS: 5}, 410, `{"reason":"ExpiredToken","timestamp":5}`, "ExpiredToken"},
		{"time only beside 410", simulator.Answer{Reason: "BadDeviceToken", TimestampMS: 5}, 400, `{"reason":"BadDeviceToken"}`, "BadDeviceToken"},
		{"unknown reason", simulator.Answer{Reason: "SomethingNew"}, 400, `{"reason":"SomethingNew"}`, "SomethingNew"},
		{"unknown reason, status", simulator.Answer{Reason: "SomethingNew", Status: 599}, 599, `{"reason":"SomethingNew"}`, "SomethingNew"},
		{"unknown status", simulator.Answer{Status: 504}, 504, "", "Gateway Timeout"},
		{"page of a proxy", simulator.Answer{Status: 502, Body: "<html>"}, 502, "<html>", "Bad Gateway"},
		{"body with 200", simulator.Answer{Body: "{}"}, 200, "{}", "OK"},
		{"accepted", simulator.Answer{Status: 200}, 200, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := start(t, nil)
			f.script(simulator.Rule{Token: goodToken, Answer: test.answer})
			got := f.send(f.client(), f.good())
			if got.status != test.status || got.body != test.body {
				t.Errorf("answered %d %q, want %d %q", got.status, got.body, test.status, test.body)
			}
			if got.header.Get("apns-id") != goodID {
				t.Error("without the apns-id")
			}
			if line := f.Ledger().All()[0]; line.Reason != test.reason || line.Status != test.status {
				t.Errorf("the ledger says %d %q, want %d %q", line.Status, line.Reason, test.status, test.reason)
			}
		})
	}
}

func TestStatusOfReason(t *testing.T) {
	table := map[int]string{
		400: "BadCollapseId BadDeviceToken BadExpirationDate BadMessageId BadPriority BadTopic DeviceTokenNotForTopic DuplicateHeaders IdleTimeout InvalidPushType MissingDeviceToken MissingTopic PayloadEmpty TopicDisallowed",
		403: "BadCertificate BadCertificateEnvironment ExpiredProviderToken Forbidden InvalidProviderToken MissingProviderToken UnrelatedKeyIdInToken BadEnvironmentKeyIdInToken",
		404: "BadPath",
		405: "MethodNotAllowed",
		410: "ExpiredToken Unregistered",
		413: "PayloadTooLarge",
		429: "TooManyProviderTokenUpdates TooManyRequests",
		500: "InternalServerError",
		503: "ServiceUnavailable Shutdown",
	}
	for status, reasons := range table {
		for reason := range strings.FieldsSeq(reasons) {
			if got := statusOf(reason); got != status {
				t.Errorf("%s is answered with %d, want %d", reason, got, status)
			}
		}
		if reason := reasonOf(status); statusOf(reason) != status {
			t.Errorf("status %d is given the reason %s, which belongs to %d", status, reason, statusOf(reason))
		}
	}
}

func TestScriptOfOtherPlatformDoesNotApply(t *testing.T) {
	f := start(t, nil)
	f.script(simulator.Rule{Platform: simulator.GCM, Percent: 100, Answer: simulator.Answer{Status: 503}})
	f.expect(f.client(), f.good(), 200, "")
}

func TestTimesAndHeaders(t *testing.T) {
	f := start(t, nil)
	f.script(simulator.Rule{Percent: 100, Times: 2, Answer: simulator.Answer{Reason: "TooManyRequests", RetryAfter: "17", Headers: map[string]string{"x-front": "a"}}})
	client := f.client()
	for range 2 {
		got := f.expect(client, f.good(), 429, "TooManyRequests")
		if got.header.Get("Retry-After") != "17" || got.header.Get("X-Front") != "a" {
			t.Errorf("headers %v", got.header)
		}
	}
	f.expect(client, f.good(), 200, "")
}

// A slow recipient must not hold up others on the same connection, and one whose client has left was accepted.
func TestLatency(t *testing.T) {
	f := start(t, nil)
	const slow = "ff"
	f.script(simulator.Rule{Token: slow, Answer: simulator.Answer{Latency: simulator.Duration(time.Hour)}})
	client, p := f.client(), f.good() // one provider token for all
	ctx, leave := context.WithCancel(t.Context())
	var slowOnes sync.WaitGroup
	for range 20 {
		slowOnes.Go(func() {
			request, err := http.NewRequestWithContext(ctx, p.method, f.URL()+"/3/device/"+slow, strings.NewReader(p.body))
			if err != nil {
				t.Error(err)
				return
			}
			request.Header = p.header.Clone()
			if response, err := client.Do(request); err == nil {
				response.Body.Close()
				t.Error("a slow one was answered")
			}
		})
	}
	if err := f.Ledger().Wait(t.Context(), 20); err != nil {
		t.Fatal(err)
	}
	f.expect(client, p, 200, "")
	leave()
	slowOnes.Wait()
	if sum := f.Ledger().Summary(); sum.Accepted != 21 || sum.Duplicates != 19 {
		t.Errorf("%d accepted and %d duplicates, want 21 and 19", sum.Accepted, sum.Duplicates)
	}
}

func TestManyAtOnce(t *testing.T) {
	const clients, each = 4, 500
	f := start(t, nil)
	f.script(simulator.Rule{Percent: 10, Answer: simulator.Answer{Reason: "Unregistered"}})
	var all sync.WaitGroup
	gone := 0
	for c := range clients {
		client := f.client()
		authorization := f.good().header
		slots := make(chan struct{}, 100)
		for i := range each {
			token := fmt.Sprintf("%064x", c*each+i)
			if simulator.Selected(token, "", 10) {
				gone++
			}
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL()+"/3/device/"+token, strings.NewReader(goodBody))
				if err != nil {
					t.Error(err)
					return
				}
				request.Header = authorization.Clone()
				response, err := client.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				response.Body.Close()
				if want := simulator.Selected(token, "", 10); want != (response.StatusCode == http.StatusGone) {
					t.Errorf("%s is answered %d", token, response.StatusCode)
				}
			})
		}
	}
	all.Wait()
	sum := f.Ledger().Summary()
	if sum.Received != clients*each || sum.Distinct != clients*each || sum.Accepted != clients*each-gone || sum.Duplicates != 0 {
		t.Errorf("%+v, want %d received of which %d are gone", sum.Counts, clients*each, gone)
	}
}
