package app

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/obs"
	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

func TestObserverLines(t *testing.T) {
	tests := []struct {
		name string
		do   func(observer)
		want []string
		not  []string
	}{
		{"a segment", func(o observer) {
			o.Committed(&results.Event{ID: "apns.default.j.0.0", Kind: results.KindSegment, Recipients: 2, Sent: 1, Failures: []results.Failure{{Token: "secret-token"}}}, time.Time{})
		}, []string{`"level":"info"`, `"sent":1`, `"failed":1`}, []string{"secret-token"}},
		{"a finished job shows its totals", func(o observer) {
			o.Committed(&results.Event{ID: "apns.default.j.done.0", Kind: results.KindJobDone, Totals: &results.Totals{Sent: 14000, Failures: 3}}, time.Time{})
		}, []string{`"sent":14000`, `"failed":3`}, nil},
		{"a dead letter warns with its faults", func(o observer) {
			o.Committed(&results.Event{Kind: results.KindDead, Dead: &results.Dead{Reason: "invalid", Faults: []jobs.Fault{{Field: "mesage", Problem: "unknown field"}}}}, time.Time{})
		}, []string{`"level":"warn"`, `"reason":"invalid"`, "mesage: unknown field"}, nil},
		{"trouble that comes back", func(o observer) { o.Trouble("push.apns", errors.New("broken"), false) }, []string{`"level":"warn"`, "comes back", "broken"}, nil},
		{"trouble that is repeated", func(o observer) { o.Trouble("push.apns", errors.New("broken"), true) }, []string{"trying again"}, []string{"comes back"}},
		{
			"an outage warns", func(o observer) {
				o.News(&results.Event{Kind: results.KindProvider, App: "shop", State: "opened", Detail: "the provider is out"})
			},
			[]string{`"level":"warn"`, `"state":"opened"`, "the provider is out", "shop"},
			nil,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			test.do(observer{zerolog.New(&out), obs.NewMetrics(obs.Sources{}, zerolog.Nop()), provider.NewRegistry()})
			for _, want := range test.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%s is not in %s", want, &out)
				}
			}
			for _, not := range test.not {
				if strings.Contains(out.String(), not) {
					t.Errorf("%s is in %s", not, &out)
				}
			}
		})
	}
}
