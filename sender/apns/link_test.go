package apns

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
)

// These tests say what becomes of recipients when connections and streams end in every way the provider knows
// (apns-http2 §13, §14), frame by frame.

// TestBadCertificateEnvironment: Apple says it in a GOAWAY and nowhere else. net/http's own transport would open thousands
// of connections here.
func TestBadCertificateEnvironment(t *testing.T) { onEngines(t, testBadCertificateEnvironment) }

func testBadCertificateEnvironment(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings()
		f.take(1)
		f.goAway(0, `{"reason":"BadCertificateEnvironment"}`)
		f.goAway(0, `{"reason":"BadCertificateEnvironment"}`) // it was seen twice
	})
	c := s.clientOn(t, e, nil)
	out := deliver(t, c, &Request{Tokens: tokens(50)})
	if diff := cmp.Diff(map[string]int{"BadCertificateEnvironment": 50}, names(out)); diff != "" {
		t.Error(diff)
	}
	if out[0].Class != sender.Credential {
		t.Errorf("class %s", out[0].Class)
	}
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	if err := c.LastFailure(); err == nil || !strings.Contains(err.Error(), "BadCertificateEnvironment") {
		t.Errorf("the operator is told %v", err)
	}
}

// TestStreamsThatEndWithoutAnAnswer: a refused stream was not taken; any other reset, and the end of the connection, leaves
// it open whether it was.
func TestStreamsThatEndWithoutAnAnswer(t *testing.T) { onEngines(t, testStreamsThatEndWithoutAnAnswer) }

func testStreamsThatEndWithoutAnAnswer(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(5))
		for _, r := range f.take(1) {
			f.answer(r.stream, 200, "")
		}
		begun := f.take(5)
		f.reset(begun[0].stream, codeRefusedStream)
		f.reset(begun[1].stream, codeInternal)
		f.reset(begun[2].stream, codeCancel)
		f.answer(begun[3].stream, 400, `{"reason":"BadDeviceToken"}`)
	})
	out := deliver(t, s.clientOn(t, e, nil), &Request{Tokens: tokens(6)})
	if diff := cmp.Diff(map[string]int{"": 1, RefusedStream: 1, AnswerLost: 3, "BadDeviceToken": 1}, names(out)); diff != "" {
		t.Error(diff)
	}
}

// TestAnswerThatIsCutOff: a refusal whose body does not come whole is a lost answer, whatever its status promised.
func TestAnswerThatIsCutOff(t *testing.T) { onEngines(t, testAnswerThatIsCutOff) }

func testAnswerThatIsCutOff(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(1))
		for r, ok := f.next(); ok; r, ok = f.next() {
			f.write(frameHeaders, flagEndHeader, r.stream, []byte("\x08\x03410"))
			f.write(frameData, 0, r.stream, []byte(`{"reason":"Unreg`))
			f.reset(r.stream, codeCancel)
		}
	})
	out := deliver(t, s.clientOn(t, e, nil), &Request{Tokens: tokens(3)})
	if diff := cmp.Diff(map[string]int{AnswerLost: 3}, names(out)); diff != "" {
		t.Error(diff)
	}
}

// TestRefusedStreamsOnly: a provider that refuses every stream gets each recipient once, and nobody is reported as sent.
func TestRefusedStreamsOnly(t *testing.T) { onEngines(t, testRefusedStreamsOnly) }

func testRefusedStreamsOnly(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(5))
		for {
			r, ok := f.next()
			if !ok {
				return
			}
			f.reset(r.stream, codeRefusedStream)
		}
	})
	out := deliver(t, s.clientOn(t, e, nil), &Request{Tokens: tokens(7)})
	if diff := cmp.Diff(map[string]int{RefusedStream: 7}, names(out)); diff != "" {
		t.Error(diff)
	}
}

// TestConnectionLostAfterTheFirstRequest: one is uncertain, the rest was never begun, and nobody dials again.
func TestConnectionLostAfterTheFirstRequest(t *testing.T) {
	onEngines(t, testConnectionLostAfterTheFirstRequest)
}

func testConnectionLostAfterTheFirstRequest(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings()
		f.take(1)
	})
	c := s.clientOn(t, e, nil)
	out := deliver(t, c, &Request{Tokens: tokens(20)})
	if diff := cmp.Diff(map[string]int{AnswerLost: 1, ConnectionLost: 19}, names(out)); diff != "" {
		t.Error(diff)
	}
	if out[0].Class != sender.Uncertain || out[19].Class != sender.Unsent {
		t.Errorf("classes %s and %s", out[0].Class, out[19].Class)
	}
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestConnectionsThatDieEachTime: a provider that answers once and leaves can't keep a call dialling for ever.
func TestConnectionsThatDieEachTime(t *testing.T) { onEngines(t, testConnectionsThatDieEachTime) }

func testConnectionsThatDieEachTime(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(1))
		for _, r := range f.take(1) {
			f.answer(r.stream, 200, "")
		}
		f.take(1)
		f.goAway(1, "")
	})
	out := deliver(t, s.clientOn(t, e, nil), &Request{Tokens: tokens(40)})
	const dials = maxLosses + 1
	if n := s.accepted.Load(); n != dials {
		t.Errorf("%d connections", n)
	}
	if diff := cmp.Diff(map[string]int{"": dials, GoAway: 40 - dials}, names(out)); diff != "" {
		t.Error(diff)
	}
}

// TestCredentialRevokedOnTheWay: Apple says so in a GOAWAY; what it had not taken and what was not begun has that reason,
// what it may have taken is uncertain, and nobody dials again.
func TestCredentialRevokedOnTheWay(t *testing.T) { onEngines(t, testCredentialRevokedOnTheWay) }

func testCredentialRevokedOnTheWay(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(4))
		for _, r := range f.take(1) {
			f.answer(r.stream, 200, "")
		}
		begun := f.take(4)
		f.goAway(begun[1].stream, `{"reason":"BadCertificate"}`)
	})
	out := deliver(t, s.clientOn(t, e, nil), &Request{Tokens: tokens(30)})
	if diff := cmp.Diff(map[string]int{"": 1, AnswerLost: 2, "BadCertificate": 27}, names(out)); diff != "" {
		t.Error(diff)
	}
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestAnswersOfIntermediaries: a page instead of JSON, far too large, or nothing at all; the status decides.
func TestAnswersOfIntermediaries(t *testing.T) { onEngines(t, testAnswersOfIntermediaries) }

func testAnswersOfIntermediaries(t *testing.T, e Engine) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(1))
		answers := []func(uint32){
			func(id uint32) { f.answer(id, 200, "", "apns-id", "27CFDC15-E305-4F2D-A7A6-0A0C7B6B5C3A") },
			func(id uint32) {
				f.answer(id, 502, "<html>"+strings.Repeat("x", 2*maxBody)+"</html>", "retry-after", "9")
			},
			func(id uint32) { f.answer(id, 503, "") },
			func(id uint32) { f.answer(id, 403, "<html>") },
			func(id uint32) { f.answer(id, 302, "", "location", "https://example.com/") },
		}
		for _, answer := range answers {
			for _, r := range f.take(1) {
				answer(r.stream)
			}
		}
		f.linger()
	})
	out := deliver(t, s.clientOn(t, e, nil), &Request{Tokens: tokens(5)})
	want := map[string]int{"": 1, "Status502": 1, "Status503": 1, "Status403": 1, "Status302": 1}
	if diff := cmp.Diff(want, names(out)); diff != "" {
		t.Error(diff)
	}
	if out[0].ProviderID != "27CFDC15-E305-4F2D-A7A6-0A0C7B6B5C3A" || out[1].RetryAfter != 9*time.Second || out[1].Status != 502 {
		t.Errorf("%+v, %+v", out[0], out[1])
	}
}

// TestRequestOnTheWire: what Apple gets, header by header.
func TestRequestOnTheWire(t *testing.T) { onEngines(t, testRequestOnTheWire) }

func testRequestOnTheWire(t *testing.T, e Engine) {
	got := make(chan received, 2)
	s := script(t, nil, func(f *frames, _ int) {
		f.settings()
		for range 2 {
			for _, r := range f.take(1) {
				got <- r
				f.answer(r.stream, 200, "")
			}
		}
		f.linger()
	})
	c := s.clientOn(t, e, nil)
	host := s.listener.Addr().String()
	payload := `{"aps":{"alert":"héllo"}}`
	deliver(t, c, &Request{
		Tokens: []string{"AbCd"}, IDs: []string{"123E4567-E89B-12D3-A456-426614174000"}, Payload: []byte(payload),
		Priority: 5, Expiration: ExpireAt(time.Unix(1795430000, 0)), CollapseID: "c",
	})
	deliver(t, c, &Request{Tokens: []string{"00ff"}, Payload: []byte(`{"aps":{"content-available":1}}`)})
	first, second := <-got, <-got
	authorization := first.head["authorization"]
	if !strings.HasPrefix(authorization, "bearer ey") || second.head["authorization"] != authorization {
		t.Errorf("authorization %q", authorization)
	}
	delete(first.head, "authorization")
	delete(second.head, "authorization")
	if diff := cmp.Diff(map[string]string{
		":method": "POST", ":scheme": "https", ":authority": host, ":path": "/3/device/AbCd", "content-length": "26",
		"apns-id": "123e4567-e89b-12d3-a456-426614174000", "apns-topic": bundle, "apns-push-type": "alert", "apns-priority": "5",
		"apns-expiration": "1795430000", "apns-collapse-id": "c",
	}, first.head); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{
		":method": "POST", ":scheme": "https", ":authority": host, ":path": "/3/device/00ff", "content-length": "31",
		"apns-topic": bundle, "apns-push-type": "background", "apns-priority": "5",
	}, second.head); diff != "" {
		t.Error(diff)
	}
	if string(first.body) != payload {
		t.Errorf("body %s", first.body)
	}
}

// TestAnswersAreReadUpToALimit: at the limit the body is read whole, one byte more and only the status counts.
func TestAnswersAreReadUpToALimit(t *testing.T) { onEngines(t, testAnswersAreReadUpToALimit) }

func testAnswersAreReadUpToALimit(t *testing.T, e Engine) {
	padded := func(size int) string {
		head, tail := `{"reason":"BadDeviceToken"`, "}"
		return head + strings.Repeat(" ", size-len(head)-len(tail)) + tail
	}
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(1))
		for _, size := range []int{maxBody, maxBody + 1} {
			for _, r := range f.take(1) {
				f.answer(r.stream, 400, padded(size))
			}
		}
		f.linger()
	})
	out := deliver(t, s.clientOn(t, e, nil), &Request{Tokens: tokens(2)})
	if out[0].Reason.Name != "BadDeviceToken" || out[1].Reason.Name != "Status400" {
		t.Errorf("%s, %s", out[0].Reason.Name, out[1].Reason.Name)
	}
}

// TestStreamIDsRunOut: a connection of net/http is given up before it could open no stream any more. The other engine has its own test.
func TestStreamIDsRunOut(t *testing.T) {
	s := script(t, nil, func(f *frames, _ int) {
		f.settings(streams(5))
		for r, ok := f.next(); ok; r, ok = f.next() {
			f.answer(r.stream, 200, "")
		}
	})
	c := s.clientOn(t, EngineNetHTTP, nil)
	send := func() {
		t.Helper()
		if out := deliver(t, c, &Request{Tokens: tokens(1)}); out[0].Class != sender.Accepted {
			t.Fatalf("%+v", out[0])
		}
	}
	opened := func(stream uint32) {
		c.pool.mu.Lock()
		defer c.pool.mu.Unlock()
		c.pool.members[0].link.(*nethttpLink).wire.lastOpened.Store(stream)
	}
	send()
	opened(lastStreamID - 1)
	send()
	if n := s.accepted.Load(); n != 1 {
		t.Fatalf("%d connections", n)
	}
	opened(lastStreamID)
	send()
	if n := s.accepted.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

// TestDroppedFlightsAreNeverWritten: between giving up and writing exactly one wins, so that unsent means unsent.
func TestDroppedFlightsAreNeverWritten(t *testing.T) {
	var given flight
	b := &body{flight: &given}
	b.rest.Reset("payload")
	first := given.drop()
	if again := given.drop(); !first || !again {
		t.Error("a flight that nobody took is unsent, however often it is asked")
	}
	if n, err := b.Read(make([]byte, 10)); n != 0 || err == nil {
		t.Errorf("%d bytes of a dropped flight were written, %v", n, err)
	}
	var taken flight
	b = &body{flight: &taken}
	b.rest.Reset("payload")
	if n, err := b.Read(make([]byte, 4)); n != 4 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if taken.drop() {
		t.Error("a flight whose body is on its way is not unsent")
	}
	if n, err := b.Read(make([]byte, 10)); n != 3 || err != nil {
		t.Errorf("the rest: %d bytes, %v", n, err)
	}
}
