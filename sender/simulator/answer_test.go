package simulator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"

	"github.com/volleypush/volley/sender/simulator/h2sim"
)

func TestAnswerApply(t *testing.T) {
	internal := http2.ErrCodeInternal
	tests := []struct {
		name   string
		answer Answer
		want   h2sim.Response
	}{
		{"nothing", Answer{}, h2sim.Response{}},
		{"latency", Answer{Latency: Duration(time.Second)}, h2sim.Response{Latency: time.Second}},
		{"retry after", Answer{RetryAfter: "7"}, h2sim.Response{Header: h2sim.Fields{{Name: "retry-after", Value: "7"}}}},
		{"html", Answer{Body: "\n<html>"}, h2sim.Response{Header: h2sim.Fields{{Name: "content-type", Value: "text/html; charset=UTF-8"}}}},
		{"json", Answer{Body: "{}"}, h2sim.Response{Header: h2sim.Fields{{Name: "content-type", Value: "application/json; charset=UTF-8"}}}},
		{
			"own",
			Answer{Body: "x", Headers: map[string]string{"Content-Type": "text/plain"}},
			h2sim.Response{Header: h2sim.Fields{{Name: "content-type", Value: "text/plain"}}},
		},
		{"filler", Answer{HeaderBytes: 3}, h2sim.Response{Header: h2sim.Fields{{Name: "x-filler", Value: "xxx"}}}},
		{
			"trailers",
			Answer{Trailers: map[string]string{"X-B": "2", "x-a": "1"}},
			h2sim.Response{Trailer: h2sim.Fields{{Name: "x-a", Value: "1"}, {Name: "x-b", Value: "2"}}},
		},
		{"informational", Answer{Informational: []int{103}}, h2sim.Response{Informational: []int{103}}},
		{"reset", Answer{Reset: "INTERNAL_ERROR"}, h2sim.Response{Reset: &internal}},
		{"never", Answer{Never: true}, h2sim.Response{Never: true}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got h2sim.Response
			test.answer.Apply(&got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("response (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnswerHidden(t *testing.T) {
	for _, test := range []struct {
		answer          Answer
		hidden, refuses bool
	}{
		{Answer{}, false, false},
		{Answer{Never: true}, false, false},
		{Answer{Reset: "CANCEL"}, true, false},
		{Answer{Reset: "REFUSED_STREAM"}, true, true},
		{Answer{Reset: "REFUSED_STREAM", Status: 200}, false, false},
		{Answer{Reset: "CANCEL", Reason: "Unregistered"}, false, false},
	} {
		if test.answer.Hidden() != test.hidden || test.answer.Refuses() != test.refuses {
			t.Errorf("%+v: hidden %v, refuses %v", test.answer, test.answer.Hidden(), test.answer.Refuses())
		}
	}
}
