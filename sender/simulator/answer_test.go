package simulator

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAnswerWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		(&Answer{}).Wait(t.Context())
		if took := time.Since(start); took != 0 {
			t.Errorf("no latency took %s", took)
		}
		(&Answer{Latency: Duration(time.Second)}).Wait(t.Context())
		if took := time.Since(start); took != time.Second {
			t.Errorf("a second took %s", took)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		(&Answer{Latency: Duration(time.Hour)}).Wait(short)
		if took := time.Since(start); took != time.Minute+time.Second {
			t.Errorf("a client that left was waited for: %s", took)
		}
	})
}

func TestAnswerSetHeaders(t *testing.T) {
	tests := []struct {
		name   string
		answer Answer
		want   http.Header
	}{
		{"nothing", Answer{}, http.Header{}},
		{"retry after", Answer{RetryAfter: "7"}, http.Header{"Retry-After": {"7"}}},
		{"html", Answer{Body: "\n<html>"}, http.Header{"Content-Type": {"text/html; charset=UTF-8"}}},
		{"json", Answer{Body: "{}"}, http.Header{"Content-Type": {"application/json; charset=UTF-8"}}},
		{"own", Answer{Body: "x", Headers: map[string]string{"content-type": "text/plain"}}, http.Header{"Content-Type": {"text/plain"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := http.Header{}
			test.answer.SetHeaders(got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}
