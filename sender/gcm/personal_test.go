package gcm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender"
)

// people decodes a list of "vars".
func people(t testing.TB, vars ...string) [][]jobs.Var {
	t.Helper()
	entries := make([]string, len(vars))
	for i, v := range vars {
		entries[i] = `{"id":"x","vars":` + v + `}`
	}
	job, err := jobs.Decode(jobs.GCM, []byte(`{"message":"m","recipients":[`+strings.Join(entries, ",")+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	return job.Vars
}

func preparePersonal(t testing.TB, p Protocol, m *Message) *Personal {
	t.Helper()
	personal, err := PreparePersonal(p, m, testNow)
	if err != nil {
		t.Fatal(err)
	}
	return personal
}

func TestPersonalBodies(t *testing.T) {
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	for _, row := range []struct {
		name     string
		protocol Protocol
		m        Message
		vars     string
		want     string
	}{
		{"legacy text", Legacy, Message{Data: "Dear {{n}}"}, `{"n":"\"A\""}`, `{"data":{"message":"Dear \"A\""},"priority":"high","to":"abc"}`},
		{
			"legacy keeps objects", Legacy,
			Message{Data: raw(`{"{{n}}":{"b":["{{n|x}}"]}}`), CollapseKey: new("k-{{n}}"), RestrictedPackageName: new("a.{{n}}")},
			`{"n":1}`,
			`{"collapse_key":"k-1","data":{"{{n}}":{"b":["1"]}},"priority":"high","restricted_package_name":"a.1","to":"abc"}`,
		},
		{"legacy raw payload", Legacy, Message{Payload: raw(`{"data":{"a":"{{n}}"}}`)}, `{"n":"x"}`, `{"to":"abc","data":{"a":"x"}}`},
		{
			"v1: objects in data are texts", V1,
			Message{Data: raw(`{"a":{"{{k}}":"{{n}}"},"b":["{{{{","{{m|\"}}"],"c":"{{n}}"}`)},
			`{"n":"say \"hi\"\\"}`,
			`{"message":{"android":{"priority":"HIGH"},"apns":{"headers":{"apns-priority":"5"}},"data":{"a":"{\"{{k}}\":\"say \\\"hi\\\"\\\\\"}",` +
				`"b":"[\"{{\",\"\\\"\"]","c":"say \"hi\"\\"},"token":"abc"}}`,
		},
		{
			"v1: notification", V1,
			Message{Notification: map[string]any{"title": "{{n}}", "body_loc_args": `["{{n}}"]`}, DryRun: new(true)},
			`{"n":"x\ny"}`,
			`{"message":{"android":{"notification":{"body_loc_args":["x\ny"]},"priority":"HIGH"},"apns":{"headers":{"apns-priority":"10"},` +
				`"payload":{"aps":{"alert":{"loc-args":["x\ny"],"title":"x\ny"}}}},"notification":{"title":"x\ny"},"token":"abc"},"validate_only":true}`,
		},
		{"v1: behind the token", V1, Message{Payload: raw(`{"data":{"a":"{{n}}"}}`)}, `{"n":true}`, `{"message":{"token":"abc","data":{"a":"true"}}}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			out := make([]sender.Outcome, 1)
			messages := preparePersonal(t, row.protocol, &row.m).For(people(t, row.vars), out)
			if messages[0] == nil {
				t.Fatal(out[0].Reason)
			}
			if got := string(messages[0].Body("abc")); got != row.want {
				t.Errorf("\n got %s\nwant %s", got, row.want)
			}
		})
	}
}

// TestPersonalEndToEnd: every registration ID gets its own message; equal ones share a chunk of the legacy protocol, which has 1,000 at most.
func TestPersonalEndToEnd(t *testing.T) {
	for _, p := range []Protocol{V1, Legacy} {
		for _, engine := range []Engine{EnginePipelined, EngineNetHTTP} {
			if p == Legacy && engine == EnginePipelined {
				continue
			}
			t.Run(string(p)+" "+string(engine), func(t *testing.T) {
				s, c := simulate(t, p)
				if engine == EngineNetHTTP && p == V1 {
					c.config.Engine, c.pipelined, c.pool.open = engine, false, c.pool.openHTTP
				}
				all := ids(2503)
				vars := make([]string, len(all))
				for i := range vars {
					vars[i] = fmt.Sprintf(`{"n":"%d","city":"C\"1"}`, max(i-2500, 0)) // 2,501 are equal
				}
				vars[7] = `{"city":"x"}`
				out := make([]sender.Outcome, len(all))
				messages := preparePersonal(t, p, &Message{Data: map[string]any{"text": "{{n}} in {{city|no}}"}}).For(people(t, vars...), out)
				if messages[7] != nil || out[7].Class != sender.Rejected || out[7].Reason.Description != "Missing variable: n" || out[7].Reason.Name != reasonMissingVariable {
					t.Errorf("without a variable: %+v", out[7])
				}
				all, messages = slices.Delete(all, 7, 8), slices.Delete(messages, 7, 8)
				out = make([]sender.Outcome, len(all))
				c.Deliver(t.Context(), &Request{Tokens: all, Message: messages[0], Messages: messages}, out)
				arrived := map[string]string{}
				chunks := map[int]int{}
				for n := range s.Ledger().Each() {
					var body struct {
						Data    struct{ Text string }
						Message struct{ Data struct{ Text string } }
					}
					if err := json.Unmarshal(n.Body, &body); err != nil {
						t.Fatal(err)
					}
					arrived[n.Token] += body.Data.Text + body.Message.Data.Text
					chunks[n.Chunk]++
				}
				for i, id := range all {
					want := fmt.Sprintf(`%d in C"1`, max(i-2499, 0))
					if out[i].Class != sender.Accepted || arrived[id] != want {
						t.Fatalf("%d: %+v, got %q, want %q", i, out[i], arrived[id], want)
					}
				}
				if want := map[int]int{1000: 2000, 500: 500, 0: 2}; p == Legacy && !cmp.Equal(want, chunks) {
					t.Errorf("chunks: %v", chunks)
				}
			})
		}
	}
}

// TestPersonalSize: each recipient's own payload is held against the limit, at it and one past it.
func TestPersonalSize(t *testing.T) {
	for _, p := range []Protocol{V1, Legacy} {
		personal := preparePersonal(t, p, &Message{Data: map[string]any{"abc": "{{n}}"}, CollapseKey: new("this does not count")})
		fits, over := strings.Repeat("x", MaxPayload-3), strings.Repeat("x", MaxPayload-2)
		out := make([]sender.Outcome, 4)
		messages := personal.For(people(t, `{"n":"`+fits+`"}`, `{"n":"`+over+`"}`, `{"n":"`+strings.Repeat(`\n`, MaxPayload-3)+`"}`, `{"n":""}`), out)
		for i, fine := range []bool{true, false, true, true} {
			if (messages[i] != nil) != fine || (out[i].Reason == nil) != fine {
				t.Errorf("%s, %d: %v", p, i, out[i].Reason)
			}
		}
		if r := out[1].Reason; r == nil || r.Error != "GCMMessageTooBigError" {
			t.Errorf("%s: %v", p, r)
		}
	}
}

func TestPersonalNeedsRegistrationIDs(t *testing.T) {
	if _, err := PreparePersonal(V1, &Message{Data: "x", Topic: new("news")}, testNow); err == nil {
		t.Error("a topic is personalised")
	}
	if _, err := PreparePersonal(Legacy, &Message{Data: "x", FID: new(true)}, testNow); err == nil {
		t.Error("other faults go unseen")
	}
}

func BenchmarkPersonal(b *testing.B) {
	for _, p := range []Protocol{V1, Legacy} {
		b.Run(string(p), func(b *testing.B) {
			vars := make([]string, 1000)
			for i := range vars {
				vars[i] = fmt.Sprintf(`{"name":"Ann","order":%d}`, i)
			}
			all := people(b, vars...)
			personal := preparePersonal(b, p, &Message{Data: map[string]any{"title": "Dear {{name|customer}}", "body": "Your order {{order}} is on its way, it will be there soon."}})
			out := make([]sender.Outcome, len(all))
			b.ReportAllocs()
			for n := 0; n < b.N; n += len(all) {
				personal.For(all, out)
			}
		})
	}
}
