package integration

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// A job that comes again under its own id, from a publisher without Nats-Msg-Id, sends nothing and is told of; with another body it is a dead letter, and
// enqueue says how far the first one is. Two workers share them.
func TestAnIDStandsForOneJob(t *testing.T) {
	s := openTheatre(t, startProvidersWith(t, `{"rules":[]}`), startServer(t).url())
	workers := []*process{s.worker("one"), s.worker("two")}
	a := audience{"again"}
	small, large := a.order(jobs.APNS, "default", "small", 2, nil), a.order(jobs.GCM, "default", "large", 2_500, nil)
	s.orders = []*order{small, large}
	if err := s.publish(s.orders...); err != nil {
		t.Fatal(err)
	}
	s.settle()
	plain := func(o *order, body string) {
		t.Helper()
		if _, err := s.js.PublishMsg(t.Context(), &nats.Msg{Subject: jobs.IntakeSubject(o.platform, o.lane), Data: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	kinds := func() map[results.Kind]int {
		n := map[results.Kind]int{}
		for _, e := range s.events {
			n[e.Kind]++
		}
		return n
	}
	for _, o := range s.orders {
		plain(o, o.body)
	}
	until(t, "both are told of as duplicates", func() bool { s.read(); return kinds()[results.KindDuplicateJob] == 2 })
	plain(small, strings.Replace(small.body, "Hello", "Good morning", 1))
	until(t, "another body is a dead letter", func() bool { s.read(); return kinds()[results.KindDead] == 1 })
	last := s.events[len(s.events)-1]
	if last.Dead == nil || last.Dead.Reason != results.DeadIDReused {
		t.Errorf("%+v", last)
	}
	first := s.enqueue("apns", "--id", "by-hand", "--message", "Hello", "--to", "aabb", "--wait")
	again := s.enqueue("apns", "--id", "by-hand", "--message", "Hello", "--to", "aabb")
	if !strings.Contains(first, "sent 1 of 1") || !strings.Contains(again, "apns default by-hand: done") || !strings.Contains(again, "sent 1 of 1") {
		t.Errorf("%s%s", first, again)
	}
	for _, w := range workers {
		s.end(w)
	}
	n := map[string]int{}
	for _, arrived := range ledger(t, s.control) {
		n[arrived.Token]++
	}
	for token, times := range n {
		if times != 1 {
			t.Errorf("%s arrived %d times", token, times)
		}
	}
	if len(n) != 2_503 {
		t.Errorf("%d recipients", len(n))
	}
}
