package gcm

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
)

// legacyOutcomes gives n recipients their outcomes.
func legacyOutcomes(t testing.TB, n int, providerIDs bool, read func(d *delivery, positions []int)) []sender.Outcome {
	t.Helper()
	out := make([]sender.Outcome, n)
	positions := make([]int, n)
	for i := range positions {
		positions[i] = i
	}
	message := &Prepared{protocol: Legacy}
	d := newDelivery(t.Context(), &Client{}, &Request{Tokens: ids(n), Message: message, NoProviderIDs: !providerIDs}, out, nil)
	defer d.end()
	read(d, positions)
	return out
}

// TestLegacyScan has what is read by hand, and what is left to encoding/json. What either makes of it: TestLegacyAnswers.
func TestLegacyScan(t *testing.T) {
	for _, row := range []struct {
		answer string
		want   bool
	}{
		{`{"multicast_id":216,"success":1,"failure":0,"canonical_ids":0,"results":[{"message_id":"0:a%1"}]}`, true},
		{` { "results" : [ { "message_id" : "1" } , {"error":"NotRegistered"} ] , "success" : 1 } ` + "\r\n\t", true},
		{`{"results":[{"message_id":"1","registration_id":"x"}]}`, true},
		{`{"results":[{"registration_id":"x","error":"Unavailable"}]}`, true},
		{`{"results":[{"message_id":"1","message_id":"2"}]}`, true},
		{`{"results":[{}]}`, true},
		{`{"results":[]}`, true},

		{`{"success":1,"failure":0}`, false},
		{`{"message_id":"1"}`, false},
		{`{"results":null}`, false},
		{`{"results":[null]}`, false},
		{`{"results":[{"message_id":1}]}`, false},
		{`{"results":[{"message_id":null}]}`, false},
		{`{"results":[{"message_id":"\u0031"}]}`, false},
		{`{"results":[{"message_id":"ä"}]}`, false},
		{"{\"results\":[{\"message_id\":\"\x00\"}]}", false},
		{"{\"results\":[{\"message_id\":\"\xff\"}]}", false},
		{`{"results":[{"Message_ID":"1"}]}`, false},
		{`{"results":[{"message_id":"1","more":"x"}]}`, false},
		{`{"results":[{"message_id":"1",}]}`, false},
		{`{"results":[{,"message_id":"1"}]}`, false},
		{`{"results":[{"message_id":"1"}{"message_id":"1"}]}`, false},
		{`{"results":[{"message_id":"1"},]}`, false},
		{`{"results":[{"message_id":"1"}]`, false},
		{`{"results":[{"message_id":"1"}],}`, false},
		{`{"results":[{"message_id":"1"}]}}`, false},
		{`{"results":[{"message_id":"1"`, false},
		{`{"results":[{"message_id":"1`, false},
		{`{"results":[],"results":[]}`, false},
		{`{"success":01,"results":[]}`, false},
		{`{"success":,"results":[]}`, false},
		{`{"success":"1","results":[]}`, false},
		{`{"success":1.5,"results":[]}`, false},
		{`{"failed_registration_ids":[],"results":[]}`, false},
		{`[]`, false},
		{``, false},
	} {
		a := answer{status: http.StatusOK, body: []byte(row.answer)}
		legacyOutcomes(t, 2, true, func(d *delivery, positions []int) {
			if got := d.scanResults(a, positions); got != row.want {
				t.Errorf("%q: read by hand: %v", row.answer, got)
			}
		})
	}
}

// TestLegacyScanAllocatesNothing: a thousand acceptances.
func TestLegacyScanAllocatesNothing(t *testing.T) {
	text := `{"multicast_id":108,"success":1000,"failure":0,"canonical_ids":0,"results":[` +
		strings.TrimSuffix(strings.Repeat(`{"message_id":"0:1408000000000000%31bd1c9631bd1c96"},`, MaxChunk), ",") + `]}`
	a := answer{status: http.StatusOK, body: []byte(text)}
	legacyOutcomes(t, MaxChunk, false, func(d *delivery, positions []int) {
		if n := testing.AllocsPerRun(10, func() { d.readLegacy(a, positions) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
		if o := d.out[MaxChunk-1]; o.Class != sender.Accepted || o.ProviderID != "" {
			t.Errorf("the last one: %+v", o)
		}
	})
	legacyOutcomes(t, MaxChunk, true, func(d *delivery, positions []int) {
		if n := testing.AllocsPerRun(10, func() { d.readLegacy(a, positions) }); n != 1 {
			t.Errorf("%v allocations with ids", n)
		}
		if o := d.out[MaxChunk-1]; o.ProviderID != "0:1408000000000000%31bd1c9631bd1c96" {
			t.Errorf("the last one: %+v", o)
		}
	})
}

// TestLegacyScanAgreesWithJSON reads answers of every kind, whole, damaged and cut, also with encoding/json.
func TestLegacyScanAgreesWithJSON(t *testing.T) {
	scanned := 0
	for seed := range uint64(20_000) {
		g := generator{rand.New(rand.NewPCG(seed, 1))}
		text := g.answer()
		n := 1 + g.IntN(4)
		ids := g.IntN(2) == 0
		a := answer{status: http.StatusOK, body: []byte(text), retryAfter: 7}
		oracle := legacyOutcomes(t, n, ids, func(d *delivery, positions []int) { d.decodeLegacy(a, positions) })
		got := legacyOutcomes(t, n, ids, func(d *delivery, positions []int) {
			if d.scanResults(a, positions) {
				scanned++
			}
			d.readLegacy(a, positions)
		})
		if diff := cmp.Diff(oracle, got); diff != "" {
			t.Fatalf("seed %d: %q for %d: %s", seed, text, n, diff)
		}
	}
	if scanned < 2000 || scanned > 18_000 {
		t.Errorf("%d of 20000 were read by hand: too one-sided to compare", scanned)
	}
}

// generator makes answers, most of them nearly usual.
type generator struct{ *rand.Rand }

func (g generator) one(of ...string) string { return of[g.IntN(len(of))] }

// often gives the first, or one of the others each n times or so.
func (g generator) often(n int, usual string, others ...string) string {
	if g.IntN(n) > 0 {
		return usual
	}
	return g.one(others...)
}

func (g generator) space() string { return g.often(6, "", " ", "\n", "\t\r ", "\v", "\u00a0") }

// join puts signs and space between elements.
func (g generator) join(elements []string) string {
	var b strings.Builder
	for i, element := range elements {
		if i > 0 {
			b.WriteString(g.often(100, ",", ",,", "", ";"))
		}
		b.WriteString(g.space() + element + g.space())
	}
	return b.String()
}

func (g generator) text() string {
	return g.often(12, g.one("0:1408%31bd", "NotRegistered", "Unavailable", "registration-00000", "a", "12", "longer than eight bytes and than sixteen"),
		"", `\"`, `\u0041`, `\\`, `\ud83d\ude00`, `\ud800`, `\x`, "ä😀", "\xff", "\x00", "\x1f\x7f", "\u2028")
}

func (g generator) value() string {
	return g.often(8, `"`+g.text()+`"`, "null", "true", "1", "-0", "12.5e3", "01", "{}", `{"a":[1,{"b":null}]}`, `[[]]`, `"`, `{"results":[]}`)
}

func (g generator) member(keys ...string) string {
	return `"` + g.often(12, g.one(keys...), "MESSAGE_ID", "Error", `messag\u0065_id`, "unknown", "", "reſults") + `"` + g.space() + g.often(100, ":", "", "::", "=") + g.space() + g.value()
}

func (g generator) result() string {
	if g.IntN(3) == 0 {
		return `{"message_id":"` + g.text() + `"}`
	}
	members := make([]string, g.IntN(4))
	for i := range members {
		members[i] = g.member("message_id", "registration_id", "error")
	}
	return g.often(30, "{"+g.join(members)+"}", "null", "[]", "1", `"x"`, "{", "}")
}

func (g generator) answer() string {
	results := make([]string, g.IntN(5))
	for i := range results {
		results[i] = g.result()
	}
	members := []string{`"results"` + g.space() + `:` + g.space() + g.often(20, "["+g.join(results)+"]", "null", "{}", "[", "7")}
	for range g.IntN(4) {
		members = append(members, g.often(10, `"`+g.one("multicast_id", "success", "failure", "canonical_ids")+`":`+g.one("0", "1", "12", "9223372036854775807"),
			g.member("success", "failure", "message_id", "error"), members[0], `"results":[{"error":"InvalidTtl"}]`, `"failed_registration_ids":["x"]`))
	}
	g.Shuffle(len(members), func(i, k int) { members[i], members[k] = members[k], members[i] })
	text := g.space() + "{" + g.join(members) + "}" + g.space() + g.often(40, "", "{}", "x", "}")
	switch g.IntN(25) {
	case 0:
		return text[:g.IntN(len(text))]
	case 1:
		b := []byte(text)
		b[g.IntN(len(b))] = byte(g.IntN(256))
		return string(b)
	}
	return text
}

// TestUnescaped compares the eight-at-a-time search with the definition, for every byte at every place.
func TestUnescaped(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for c := range 256 {
				text := []byte(strings.Repeat("~", length))
				text[at] = byte(c)
				want := length
				if c < 0x20 || c >= 0x80 || c == '"' || c == '\\' {
					want = at
				}
				if got := unescaped(text); got != want {
					t.Fatalf("%q: %d, want %d", text, got, want)
				}
				if text[length-1] = 0; unescaped(text) != min(want, length-1) {
					t.Fatalf("%q: %d", text, unescaped(text))
				}
			}
		}
	}
}

// FuzzAppendString: what is written means the same text, and nothing is escaped that need not be.
func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", "fGc0001:APA91b", `"`, `\`, "a\nb\x00", "ä\u2028", "\xff", "eight by\x1f", "0123456789\"x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b := appendString([]byte("before"), text)
		var back string
		if err := json.Unmarshal(b[len("before"):], &back); err != nil || back != strings.ToValidUTF8(text, "\uFFFD") {
			t.Fatalf("%q became %q: %v", text, b, err)
		}
		escapes := 0
		for _, c := range []byte(text) {
			if c < 0x20 || c == '"' || c == '\\' {
				escapes++
			}
		}
		if got := strings.Count(string(b), `\`) - strings.Count(text, `\`); got != escapes {
			t.Fatalf("%q became %s: %d escapes", text, b, got)
		}
	})
}
