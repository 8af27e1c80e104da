package apns

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns/apnstest"
	"github.com/volleypush/volley/sender/simulator"
)

func TestDeliverSendsToEverybodyOnce(t *testing.T) { onEngines(t, testDeliverSendsToEverybodyOnce) }

func testDeliverSendsToEverybodyOnce(t *testing.T, e Engine) {
	s := simulateOn(t, e, nil)
	ids := tokens(700)
	out := deliver(t, s.Client, &Request{Tokens: ids})
	if diff := cmp.Diff(map[string]int{"": len(ids)}, names(out)); diff != "" {
		t.Fatal(diff, s.LastFailure())
	}
	var arrived []string
	for _, n := range s.server.Ledger().All() {
		arrived = append(arrived, n.Token)
	}
	slices.Sort(arrived)
	if diff := cmp.Diff(ids, arrived); diff != "" {
		t.Error(diff)
	}
	for i, o := range out {
		if !isUUID(o.ProviderID) {
			t.Fatalf("recipient %d has the apns-id %q", i, o.ProviderID)
		}
	}
}

// TestDeliverTellsRecipientsApart: each outcome belongs to its own recipient, whatever order the answers come in.
func TestDeliverTellsRecipientsApart(t *testing.T) { onEngines(t, testDeliverTellsRecipientsApart) }

func testDeliverTellsRecipientsApart(t *testing.T, e Engine) {
	scripts := simulator.NewScripts()
	ids := tokens(300)
	bad, gone, slow, broken := ids[17], ids[101], ids[0], ids[250]
	if err := scripts.Set(simulator.Script{Rules: []simulator.Rule{
		{Token: bad, Answer: simulator.Answer{Reason: "BadDeviceToken"}},
		{Token: gone, Answer: simulator.Answer{Reason: "Unregistered", TimestampMS: 1795430000123}},
		{Token: slow, Answer: simulator.Answer{Latency: simulator.Duration(30 * time.Millisecond)}},
		{Token: broken, Answer: simulator.Answer{Status: 503, Reason: "ServiceUnavailable", RetryAfter: "60"}},
	}}); err != nil {
		t.Fatal(err)
	}
	s := simulateOn(t, e, func(o *apnstest.Options, _ *Config) { o.Scripts = scripts })
	ids[50], ids[51] = "not hex", ""
	out := deliver(t, s.Client, &Request{Tokens: ids})
	for i, o := range out {
		want := ""
		switch i {
		case 17:
			want = "BadDeviceToken"
		case 101:
			want = "Unregistered"
		case 250:
			want = "ServiceUnavailable"
		case 50, 51:
			want = MalformedToken
		}
		got := ""
		if o.Reason != nil {
			got = o.Reason.Name
		}
		if got != want {
			t.Errorf("recipient %d: %q, want %q", i, got, want)
		}
	}
	if !out[101].Timestamp.Equal(time.UnixMilli(1795430000123)) || out[101].Status != 410 || out[250].RetryAfter != time.Minute {
		t.Errorf("%+v, %+v", out[101], out[250])
	}
	if got := s.server.Ledger().Len(); got != 298 {
		t.Errorf("%d notifications arrived; malformed tokens must not be sent", got)
	}
}

func TestDeliverWithoutRecipients(t *testing.T) {
	c := newClient(t, Config{Key: testKey(t), Topic: bundle, Dial: noDial(t)})
	deliver(t, c, &Request{})
	out := deliver(t, c, &Request{Tokens: []string{"xyz", "0"}, IDs: []string{"", ""}})
	if diff := cmp.Diff(map[string]int{MalformedToken: 2}, names(out)); diff != "" {
		t.Error(diff)
	}
	out = deliver(t, c, &Request{Tokens: tokens(1), IDs: []string{"nope"}})
	if diff := cmp.Diff(map[string]int{"BadMessageId": 1}, names(out)); diff != "" {
		t.Error(diff)
	}
}

// TestDeliverRefusesWhatAppleWould: nothing is sent, and everybody has the row that Apple would have answered with.
func TestDeliverRefusesWhatAppleWould(t *testing.T) {
	c := newClient(t, Config{Key: testKey(t), Topic: bundle, Dial: noDial(t)})
	for want, r := range map[string]*Request{
		"PayloadTooLarge": {Payload: make([]byte, MaxPayload+1)},
		"BadPriority":     {Priority: 3},
		"BadCollapseId":   {CollapseID: "\n"},
	} {
		r.Tokens = tokens(2)
		out := deliver(t, c, r)
		if diff := cmp.Diff(map[string]int{want: 2}, names(out)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestDeliverWithACertificate(t *testing.T) { onEngines(t, testDeliverWithACertificate) }

func testDeliverWithACertificate(t *testing.T, e Engine) {
	authority, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.ClientCertificate("Apple Push Services: "+bundle, bundle)
	if err != nil {
		t.Fatal(err)
	}
	s := simulateOn(t, e, func(o *apnstest.Options, c *Config) {
		o.Authority = authority
		c.Key, c.Certificate, c.Topic = nil, &certificate, ""
	})
	out := deliver(t, s.Client, &Request{Tokens: tokens(20)})
	if diff := cmp.Diff(map[string]int{"": 20}, names(out)); diff != "" {
		t.Error(diff)
	}
	out = deliver(t, s.Client, &Request{Tokens: tokens(20), PushType: PushTypeVoIP})
	if diff := cmp.Diff(map[string]int{"TopicDisallowed": 20}, names(out)); diff != "" {
		t.Error(diff)
	}
	for _, n := range s.server.Ledger().All() {
		if _, ok := n.Headers["authorization"]; ok {
			t.Fatal("a provider token was sent beside a certificate")
		}
	}
}

// TestWrongCredentialIsAskedOnce: everybody has the reason, and Apple was asked for one recipient only.
func TestWrongCredentialIsAskedOnce(t *testing.T) { onEngines(t, testWrongCredentialIsAskedOnce) }

func testWrongCredentialIsAskedOnce(t *testing.T, e Engine) {
	s := simulateOn(t, e, func(_ *apnstest.Options, c *Config) { c.Key = testKey(t) })
	for range 2 {
		out := deliver(t, s.Client, &Request{Tokens: tokens(100)})
		if diff := cmp.Diff(map[string]int{"InvalidProviderToken": 100}, names(out)); diff != "" {
			t.Error(diff)
		}
		if out[0].Status != 403 || out[1].Status != 0 || out[1].Class != sender.Credential {
			t.Errorf("%+v, %+v", out[0], out[1])
		}
	}
	if got := s.server.Ledger().Len(); got != 2 {
		t.Errorf("asked %d times in two calls", got)
	}
	if err := s.LastFailure(); err == nil {
		t.Error("the operator is told nothing")
	}
}

// TestProviderTokenOverHours: one connection lives for hours, and the simulator enforces both of Apple's rules.
func TestProviderTokenOverHours(t *testing.T) { onEngines(t, testProviderTokenOverHours) }

func testProviderTokenOverHours(t *testing.T, e Engine) {
	var mu sync.Mutex
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	s := simulateOn(t, e, func(o *apnstest.Options, c *Config) { o.Now, c.Now = clock, clock })
	for range 60 {
		out := deliver(t, s.Client, &Request{Tokens: tokens(3)})
		if diff := cmp.Diff(map[string]int{"": 3}, names(out)); diff != "" {
			t.Fatal(clock(), diff)
		}
		mu.Lock()
		now = now.Add(7 * time.Minute)
		mu.Unlock()
	}
}

// TestExpiredProviderTokenEndsTheConnection: Apple's side of such a connection never recovers.
func TestExpiredProviderTokenEndsTheConnection(t *testing.T) {
	onEngines(t, testExpiredProviderTokenEndsTheConnection)
}

func testExpiredProviderTokenEndsTheConnection(t *testing.T, e Engine) {
	for _, reason := range []string{"ExpiredProviderToken", "TooManyProviderTokenUpdates", "UnrelatedKeyIdInToken", "Shutdown", "IdleTimeout"} {
		s := script(t, nil, func(f *frames, number int) {
			f.settings()
			for i := 0; ; i++ {
				r, ok := f.next()
				if !ok {
					return
				}
				if number == 1 && i > 0 {
					f.answer(r.stream, 403, `{"reason":"`+reason+`"}`)
					continue
				}
				f.answer(r.stream, 200, "")
			}
		})
		c := s.clientOn(t, e, nil)
		var all []sender.Outcome
		for range 4 {
			all = append(all, deliver(t, c, &Request{Tokens: tokens(1)})...)
		}
		if diff := cmp.Diff(map[string]int{"": 3, reason: 1}, names(all)); diff != "" {
			t.Errorf("%s: %s", reason, diff)
		}
		if n := s.accepted.Load(); n != 2 {
			t.Errorf("%s: %d connections", reason, n)
		}
	}
}

// TestExpiredProviderTokenForEver: a clock that is wrong can't make one call dial again and again.
func TestExpiredProviderTokenForEver(t *testing.T) { onEngines(t, testExpiredProviderTokenForEver) }

func testExpiredProviderTokenForEver(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings()
		for r, ok := f.next(); ok; r, ok = f.next() {
			f.answer(r.stream, 403, `{"reason":"ExpiredProviderToken"}`)
		}
	})
	out := deliver(t, s.clientOn(t, e, nil), &Request{Tokens: tokens(30)})
	if diff := cmp.Diff(map[string]int{"ExpiredProviderToken": 1, NotBegun: 29}, names(out)); diff != "" {
		t.Error(diff)
	}
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestCancelledBeforeItBegins(t *testing.T) {
	c := newClient(t, Config{Key: testKey(t), Topic: bundle, Dial: noDial(t)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := deliverContext(t, ctx, c, &Request{Tokens: append(tokens(3), "zz")})
	if diff := cmp.Diff(map[string]int{NotBegun: 3, MalformedToken: 1}, names(out)); diff != "" {
		t.Error(diff)
	}
}

// TestCancelledOnTheWay: what is written is uncertain, what is not begun is unsent, and the two never mix.
func TestCancelledOnTheWay(t *testing.T) { onEngines(t, testCancelledOnTheWay) }

func testCancelledOnTheWay(t *testing.T, e Engine) {
	arrived := make(chan struct{})
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(4))
		for _, r := range f.take(1) {
			f.answer(r.stream, 200, "")
		}
		f.take(4)
		close(arrived)
		f.linger()
	})
	c := s.clientOn(t, e, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-arrived; cancel(errors.New("draining")) }()
	out := deliverContext(t, ctx, c, &Request{Tokens: tokens(20)})
	if diff := cmp.Diff(map[string]int{"": 1, AnswerNotAwaited: 4, NotBegun: 15}, names(out)); diff != "" {
		t.Error(diff)
	}
}

// TestErrorTimeout: it is counted from the last notification that was begun; what is unanswered then is uncertain.
func TestErrorTimeout(t *testing.T) { onEngines(t, testErrorTimeout) }

func testErrorTimeout(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(10))
		for range 2 {
			for _, r := range f.take(1) {
				f.answer(r.stream, 200, "")
			}
		}
		f.linger()
	})
	start := time.Now()
	out := deliver(t, s.clientOn(t, e, nil), &Request{Tokens: tokens(5), ErrorTimeout: 500 * time.Millisecond})
	if diff := cmp.Diff(map[string]int{"": 2, AnswerTimeout: 3}, names(out)); diff != "" {
		t.Error(diff)
	}
	if waited := time.Since(start); waited < 250*time.Millisecond || waited > 10*time.Second {
		t.Errorf("waited %s", waited)
	}
}

// TestBlackHole: a provider that takes everything and says nothing costs one request's time, not one for each recipient.
func TestBlackHole(t *testing.T) { onEngines(t, testBlackHole) }

func testBlackHole(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings()
		f.linger()
	})
	c := s.clientOn(t, e, func(c *Config) { c.RequestTimeout = 500 * time.Millisecond })
	out := deliver(t, c, &Request{Tokens: tokens(50)})
	counts := names(out)
	if counts[AnswerTimeout] != 1 || counts[ConnectionLost]+counts[NotBegun] != 49 {
		t.Errorf("%v", counts)
	}
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestBlackHoleThatTalks: frames keep coming, the answer to the first request does not; that connection is no good either.
func TestBlackHoleThatTalks(t *testing.T) { onEngines(t, testBlackHoleThatTalks) }

func testBlackHoleThatTalks(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings()
		for _, ok := f.next(); ok; _, ok = f.next() {
			f.settings(streams(50))
		}
	})
	c := s.clientOn(t, e, func(c *Config) { c.RequestTimeout = 500 * time.Millisecond })
	for n := int32(1); n <= 2; n++ {
		out := deliver(t, c, &Request{Tokens: tokens(1)})
		if diff := cmp.Diff(map[string]int{AnswerTimeout: 1}, names(out)); diff != "" {
			t.Error(diff)
		}
		if got := s.accepted.Load(); got != n {
			t.Errorf("%d connections after %d calls", got, n)
		}
	}
}

// TestConnectionThatWentDead: it worked before, and nothing comes back any more; the next call gets a new one.
func TestConnectionThatWentDead(t *testing.T) { onEngines(t, testConnectionThatWentDead) }

func testConnectionThatWentDead(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, number int) {
		f.settings(streams(3))
		for i := 0; ; i++ {
			r, ok := f.next()
			if !ok {
				return
			}
			if number > 1 || i == 0 {
				f.answer(r.stream, 200, "")
			}
		}
	})
	c := s.clientOn(t, e, func(c *Config) { c.RequestTimeout = 600 * time.Millisecond })
	out := deliver(t, c, &Request{Tokens: tokens(4)})
	if diff := cmp.Diff(map[string]int{"": 1, AnswerTimeout: 3}, names(out)); diff != "" {
		t.Error(diff)
	}
	out = deliver(t, c, &Request{Tokens: tokens(4)})
	if diff := cmp.Diff(map[string]int{"": 4}, names(out)); diff != "" {
		t.Error(diff)
	}
	if n := s.accepted.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}
