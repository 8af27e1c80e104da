package apns

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns/apnstest"
	"github.com/volleypush/volley/sender/simulator"
)

// binaryFixture is a client of a simulated gateway and feedback service.
type binaryFixture struct {
	*Client
	t        *testing.T
	gateway  *apnstest.Gateway
	feedback *apnstest.Feedback
}

// simulateBinary starts the simulators and a client of them. change may alter the client's configuration.
func simulateBinary(t *testing.T, rules []simulator.Rule, change func(*Config)) *binaryFixture {
	t.Helper()
	gateway, err := apnstest.NewGateway(apnstest.GatewayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = gateway.Close() })
	feedback, err := apnstest.NewFeedback(apnstest.FeedbackOptions{Authority: gateway.Authority(), Scripts: gateway.Scripts(), Expired: gateway.Expired()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = feedback.Close() })
	if err := gateway.Scripts().Set(simulator.Script{Rules: rules}); err != nil {
		t.Fatal(err)
	}
	certificate, err := gateway.Authority().ClientCertificate("Apple Push Services: "+bundle, bundle)
	if err != nil {
		t.Fatal(err)
	}
	config := Config{
		Protocol: Binary, Certificate: &certificate, Endpoint: gateway.Addr(), FeedbackEndpoint: feedback.Addr(), RootCAs: gateway.Authority().Pool(),
	}
	if change != nil {
		change(&config)
	}
	return &binaryFixture{newClient(t, config), t, gateway, feedback}
}

// refuse is a rule for one of tokens(n).
func refuse(index int, answer simulator.Answer) simulator.Rule {
	return simulator.Rule{Token: tokens(index + 1)[index], Answer: answer}
}

// arrived counts what the ledger has of each token: acceptances and refusals. Barriers are left out.
func (f *binaryFixture) arrived() (accepted, refused map[string]int) {
	accepted, refused = map[string]int{}, map[string]int{}
	for n := range f.gateway.Ledger().Each() {
		switch {
		case n.Token == "":
		case n.Accepted():
			accepted[n.Token]++
		default:
			refused[n.Token]++
		}
	}
	return accepted, refused
}

// check compares the outcomes with the ledger: who was told accepted was accepted once, who was told anything certain was not.
func (f *binaryFixture) check(tokens []string, out []sender.Outcome) {
	f.t.Helper()
	accepted, _ := f.arrived()
	for i, o := range out {
		switch n := accepted[tokens[i]]; {
		case o.Class == sender.Accepted && n != 1:
			f.t.Errorf("recipient %d is accepted, the gateway took it %d times", i, n)
		case o.Class != sender.Accepted && o.Class != sender.Uncertain && n != 0:
			f.t.Errorf("recipient %d is %s (%s), the gateway took it %d times", i, o.Class, o.Reason.Name, n)
		case n > 1:
			f.t.Errorf("recipient %d was taken %d times", i, n)
		}
	}
}

// TestBinaryAnswers: four others and one that gets the answer, in batches of three. What comes of the one, of the others, and on
// how many connections.
func TestBinaryAnswers(t *testing.T) {
	t.Parallel()
	packet := func(p simulator.Packet) simulator.Answer { return simulator.Answer{Packet: &p} }
	for name, test := range map[string]struct {
		answer      simulator.Answer
		want        map[string]int
		connections int
	}{
		"all is well":                    {simulator.Answer{}, map[string]int{"": 10}, 1},
		"1 processing error":             {packet(simulator.Packet{Status: new(1)}), map[string]int{"": 9, "ProcessingError": 1}, 2},
		"2 missing token":                {packet(simulator.Packet{Status: new(2)}), map[string]int{"": 9, "MissingDeviceToken": 1}, 2},
		"3 missing topic":                {packet(simulator.Packet{Status: new(3)}), map[string]int{"": 4, "MissingTopic": 1, "UnsendableApp": 5}, 1},
		"4 missing payload":              {packet(simulator.Packet{Status: new(4)}), map[string]int{"": 4, "MissingPayload": 1, "Unsendable": 5}, 1},
		"5 invalid token size":           {packet(simulator.Packet{Status: new(5)}), map[string]int{"": 9, "InvalidTokenSize": 1}, 2},
		"6 invalid topic size":           {packet(simulator.Packet{Status: new(6)}), map[string]int{"": 4, "InvalidTopicSize": 1, "UnsendableApp": 5}, 1},
		"7 invalid payload size":         {packet(simulator.Packet{Status: new(7)}), map[string]int{"": 4, "InvalidPayloadSize": 1, "Unsendable": 5}, 1},
		"8 invalid token":                {packet(simulator.Packet{Status: new(8)}), map[string]int{"": 9, "InvalidToken": 1}, 2},
		"10 shutdown takes the one":      {simulator.Answer{Reason: "Shutdown"}, map[string]int{"": 10}, 2},
		"128 protocol error":             {packet(simulator.Packet{Status: new(128)}), map[string]int{"": 9, "ProtocolError": 1}, 2},
		"255 unknown":                    {packet(simulator.Packet{Status: new(255)}), map[string]int{"": 9, "UnknownStatus": 1}, 2},
		"99 undocumented":                {packet(simulator.Packet{Status: new(99)}), map[string]int{"": 9, "UnknownStatus": 1}, 2},
		"a packet in two parts":          {packet(simulator.Packet{Split: 3}), map[string]int{"": 9, "InvalidToken": 1}, 2},
		"a packet and a reset":           {packet(simulator.Packet{Then: "reset"}), map[string]int{"": 9, "InvalidToken": 1}, 2},
		"a packet and half an end":       {packet(simulator.Packet{Then: "half_close"}), map[string]int{"": 9, "InvalidToken": 1}, 2},
		"a packet, and nothing ends":     {packet(simulator.Packet{Then: "stay"}), map[string]int{"": 9, "InvalidToken": 1}, 2},
		"a late packet":                  {simulator.Answer{Reason: "InvalidToken", Latency: simulator.Duration(100 * time.Millisecond)}, map[string]int{"": 9, "InvalidToken": 1}, 2},
		"gone, which feedback will tell": {simulator.Answer{Reason: "Unregistered"}, map[string]int{"": 10}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := simulateBinary(t, []simulator.Rule{refuse(4, test.answer)}, nil)
			request := &Request{Tokens: tokens(10), BatchSize: 3}
			out := deliver(t, f.Client, request)
			if diff := cmp.Diff(test.want, names(out)); diff != "" {
				t.Error(diff)
			}
			f.check(request.Tokens, out)
			if o := out[4]; o.Reason != nil && test.answer.Packet != nil && test.answer.Packet.Status != nil && o.Status != *test.answer.Packet.Status {
				t.Errorf("its status is %d", o.Status)
			}
			if got := f.gateway.State().Accepted; got != int64(test.connections) {
				t.Errorf("%d connections, want %d", got, test.connections)
			}
		})
	}
}

// TestBinaryUncertain: where the gateway's end says nothing, nobody is told that all is well, and nobody else is blamed.
func TestBinaryUncertain(t *testing.T) {
	t.Parallel()
	zero, far := uint32(0), uint32(77)
	for name, answer := range map[string]simulator.Answer{
		"no packet":          {Packet: &simulator.Packet{Omit: true}},
		"a reset":            {Reset: "CANCEL"},
		"identifier 0":       {Packet: &simulator.Packet{Status: new(8), Identifier: &zero}},
		"identifier outside": {Packet: &simulator.Packet{Status: new(8), Identifier: &far}},
		"unparsed, nameless": {Packet: &simulator.Packet{Status: new(128), Identifier: &zero}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := simulateBinary(t, []simulator.Rule{refuse(4, answer)}, nil)
			request := &Request{Tokens: tokens(10), BatchSize: 10}
			out := deliver(t, f.Client, request)
			if diff := cmp.Diff(map[string]int{"AnswerLost": 10}, names(out)); diff != "" {
				t.Error(diff)
			}
			f.check(request.Tokens, out)
		})
	}
}

// TestBinarySilence: a gateway that says nothing is waited for as long as error_timeout, not shorter and not much longer.
func TestBinarySilence(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, []simulator.Rule{refuse(4, simulator.Answer{Never: true})}, nil)
	began := time.Now()
	out := deliver(t, f.Client, &Request{Tokens: tokens(6), ErrorTimeout: 300 * time.Millisecond})
	if diff := cmp.Diff(map[string]int{"AnswerTimeout": 6}, names(out)); diff != "" {
		t.Error(diff)
	}
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("it waited %s", took)
	}
	// Nobody wants to know the end of the connection any more, so it is closed.
	for deadline := time.Now().Add(10 * time.Second); f.gateway.State().Open > 0; {
		if time.Now().After(deadline) {
			t.Fatal("the connection stays open")
		}
		<-time.After(time.Millisecond)
	}
	// The late connection is nobody's any more: the next call has its own, and identifiers of its own.
	if diff := cmp.Diff(map[string]int{"": 3}, names(deliver(t, f.Client, &Request{Tokens: tokens(3)}))); diff != "" {
		t.Error(diff)
	}
}

// TestBinaryLatePacket is defect 5 of the reference: a packet that comes after its call gave up must not blame the next call.
func TestBinaryLatePacket(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, []simulator.Rule{refuse(2, simulator.Answer{Reason: "InvalidToken", Latency: simulator.Duration(time.Second)})}, nil)
	first := deliver(t, f.Client, &Request{Tokens: tokens(5), ErrorTimeout: 50 * time.Millisecond})
	if diff := cmp.Diff(map[string]int{"AnswerTimeout": 5}, names(first)); diff != "" {
		t.Error(diff)
	}
	second := deliver(t, f.Client, &Request{Tokens: tokens(10)[5:]})
	if diff := cmp.Diff(map[string]int{"": 5}, names(second)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int{"AnswerTimeout": 5}, names(first)); diff != "" {
		t.Error("what was told has changed since", diff)
	}
}

// TestBinaryResend is test_apns_resend of the reference: these fail, all others are accepted, once.
func TestBinaryResend(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		n      int
		failed []int
	}{{50, []int{1}}, {50, []int{1, 5, 7}}, {500, []int{1, 5, 99, 150, 210}}, {100, []int{0, 99}}} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			t.Parallel()
			var rules []simulator.Rule
			for _, i := range test.failed {
				rules = append(rules, refuse(i, simulator.Answer{Reason: "BadDeviceToken"}))
			}
			f := simulateBinary(t, rules, nil)
			response, err := f.Send(t.Context(), tokens(test.n), NewMessage("hello"))
			if err != nil {
				t.Fatal(err)
			}
			var failed []int
			for _, e := range response.Errors {
				failed = append(failed, e.Index)
				if !errors.Is(e, InvalidTokenError) || e.Code != "8" {
					t.Error(e)
				}
			}
			if diff := cmp.Diff(test.failed, failed); diff != "" {
				t.Error(diff)
			}
			f.check(response.Tokens, response.Outcomes)
		})
	}
}

// TestBinaryRepeatedToken is defect 10: one token twice, refused once; each index has its own outcome.
func TestBinaryRepeatedToken(t *testing.T) {
	t.Parallel()
	rule := refuse(0, simulator.Answer{Reason: "InvalidToken"})
	rule.Times = 1
	f := simulateBinary(t, []simulator.Rule{rule}, nil)
	one := tokens(1)[0]
	out := deliver(t, f.Client, &Request{Tokens: []string{one, one}})
	if out[0].Class != sender.Rejected || out[1].Class != sender.Accepted {
		t.Errorf("%s and %s", out[0].Class, out[1].Class)
	}
}

// TestBinaryNobody is defect 9: nothing to send opens no connection.
func TestBinaryNobody(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, nil, nil)
	deliver(t, f.Client, &Request{})
	if out := deliver(t, f.Client, &Request{Tokens: []string{"no hex"}}); out[0].Reason.Name != MalformedToken {
		t.Errorf("a malformed token is %s", out[0].Reason.Name)
	}
	if n := f.gateway.State().Accepted; n != 0 {
		t.Errorf("%d connections", n)
	}
}
