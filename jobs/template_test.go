package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// varsOf decodes a "vars".
func varsOf(t testing.TB, text string) []Var {
	t.Helper()
	job, err := Decode(APNS, []byte(`{"recipients":[{"id":"ab","vars":`+text+`}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return job.Vars[0]
}

func TestTemplate(t *testing.T) {
	for _, c := range []struct{ name, text, vars, want, missing string }{
		{"no placeholder", `{"a":"b","c":[1,null,{"d":""}]}`, `{}`, `{"a":"b","c":[1,null,{"d":""}]}`, ""},
		{"a value", `{"a":"Dear {{name}}!"}`, `{"name":"Ann"}`, `{"a":"Dear Ann!"}`, ""},
		{"several", `{"a":"{{x}}{{y}}","b":["{{x}}"]}`, `{"y":"2","x":"1"}`, `{"a":"12","b":["1"]}`, ""},
		{"a number keeps its digits", `{"a":"{{n}}"}`, `{"n":-1.50e3}`, `{"a":"-1.50e3"}`, ""},
		{"true", `{"a":"{{b}} {{c}}"}`, `{"b":true,"c":false}`, `{"a":"true false"}`, ""},
		{"a value is escaped", `{"a":"{{x}}"}`, `{"x":"say \"hi\"\\\n\u0001\u00e4\u2028"}`, `{"a":"say \"hi\"\\\n\u0001ä` + "\u2028" + `"}`, ""},
		{"a value is no placeholder", `{"a":"{{x}}"}`, `{"x":"{{y}}","y":"z"}`, `{"a":"{{y}}"}`, ""},
		{"default", `{"a":"{{x|dear friend}}"}`, `{}`, `{"a":"dear friend"}`, ""},
		{"default with escapes", `{"a":"{{x|\"a\" | b}}"}`, `{}`, `{"a":"\"a\" | b"}`, ""},
		{"empty default", `{"a":"{{x|}}"}`, `{"y":"1"}`, `{"a":""}`, ""},
		{"default for null", `{"a":"{{x|d}}"}`, `{"x":null}`, `{"a":"d"}`, ""},
		{"no default for an empty value", `{"a":"{{x|d}}"}`, `{"x":""}`, `{"a":""}`, ""},
		{"default not needed", `{"a":"{{x|d}}"}`, `{"x":"v"}`, `{"a":"v"}`, ""},
		{"missing", `{"a":"{{x|d}} {{y}}"}`, `{"x":"v"}`, ``, "y"},
		{"names of members", `{"{{x}}":"{{x}}","b":{"{{y}}" : 1}}`, `{"x":"v"}`, `{"{{x}}":"v","b":{"{{y}}" : 1}}`, ""},
		{"literal", `{"a":"{{{{x}} {{{{{{x}} }}"}`, `{"x":"v"}`, `{"a":"{{x}} {{v }}"}`, ""},
		{"a brace behind", `{"a":"{{x}}}"}`, `{"x":"v"}`, `{"a":"v}"}`, ""},
		{"escaped quotes around", `{"a":"\"{{x}}\\","b":"\\\"{{x}}"}`, `{"x":"v"}`, `{"a":"\"v\\","b":"\\\"v"}`, ""},
		{"escaped marks", `{"a":"\u007b\u007Bx\u007d}"}`, `{"x":"v"}`, `{"a":"v"}`, ""},
		{"nothing of the kind", `{"a":"{{ x }} {{"}`, `{"x":"v"}`, `{"a":"{{ x }} {{"}`, ""},
		{"case matters", `{"a":"{{X|d}}"}`, `{"x":"v"}`, `{"a":"d"}`, ""},
		{"just a text", `"{{x}}"`, `{"x":"v"}`, `"v"`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			compiled := CompileTemplate(c.text)
			got, missing := compiled.Append([]byte("before"), varsOf(t, c.vars))
			if missing != c.missing || missing == "" && string(got) != "before"+c.want {
				t.Errorf("got %s, missing %q; want %s, %q", got, missing, c.want, c.missing)
			}
			if missing == "" && !json.Valid(got[len("before"):]) {
				t.Error("not JSON")
			}
			if !json.Valid(compiled.Sample()) {
				t.Errorf("the sample is not JSON: %s", compiled.Sample())
			}
		})
	}
}

// TestNestedPlaceholders: JSON that became a string of JSON is still JSON for every value.
func TestNestedPlaceholders(t *testing.T) {
	for _, value := range []string{`plain`, `say \"hi\"`, `back\\slash`, `new\nline`, `\u0001ä`} {
		inner := string(appendString(append(appendString([]byte("{"), NestPlaceholders("{{k}}", true)), ':'), NestPlaceholders(`a {{x}} {{{{ {{y|"d"}} {{z|e}}`, false)))
		text := string(appendString([]byte(`{"data":`), inner+"}")) + "}"
		got, missing := CompileTemplate(text).Append(nil, varsOf(t, `{"x":"`+value+`","z":"`+value+`"}`))
		if missing != "" {
			t.Fatal(missing)
		}
		var outer, within map[string]string
		if err := errors.Join(json.Unmarshal(got, &outer), json.Unmarshal([]byte(outer["data"]), &within)); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		var want string
		if err := json.Unmarshal([]byte(`"`+value+`"`), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"{{k}}": `a ` + want + ` {{ "d" ` + want}, within); diff != "" {
			t.Error(diff)
		}
	}
}

func TestVarText(t *testing.T) {
	vars := varsOf(t, `{"a":"x\ty","b":1.0,"c":true}`)
	for i, want := range []Var{{"a", "x\ty"}, {"b", "1.0"}, {"c", "true"}} {
		if vars[i].Name != want.Name || vars[i].Text() != want.raw {
			t.Errorf("%s is %q", vars[i].Name, vars[i].Text())
		}
	}
	if (Var{}).Text() != "" {
		t.Error("the zero Var says something")
	}
}

// TestVarsTravelWithTheirRecipients through a split and over the wire, under a schema that older workers leave alone.
func TestVarsTravelWithTheirRecipients(t *testing.T) {
	const body = `{"title":"{{n}}","id":"promo-7","recipients":[{"id":"aa","vars":{"n":"1"}},{"id":"bb"},{"vars":{"n":3,"m":"\u0033"},"id":"cc"},{"id":"dd","vars":{"n":true}}],"thread_id":"t"}`
	whole := NewSegment(mustDecode(t, APNS, body), []byte(body), LaneNormal, "", 1, time.Unix(1, 0))
	header, written, err := whole.Encode()
	if err != nil || string(written) != body || header[HeaderSchema][0] != "2" {
		t.Fatal(err, header, string(written))
	}
	sub := whole.Sub([]int{0, 1, 4}, 1)
	header, written, err = sub.Encode()
	if err != nil || header[HeaderSchema][0] != "2" {
		t.Fatal(err, header)
	}
	const want = `{"id":"promo-7","recipients":[{"id":"bb"},{"id":"cc","vars":{"n":3,"m":"3"}},{"id":"dd","vars":{"n":true}}],"thread_id":"t","title":"{{n}}"}`
	if string(written) != want {
		t.Errorf("\n got %s\nwant %s", written, want)
	}
	back, err := DecodeSegment(sub.Tail().WorkSubject(), header, written)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sub.Job.Vars, back.Job.Vars); diff != "" {
		t.Error(diff)
	}
	if plain, _, _ := wholeSegment(t).Encode(); plain[HeaderSchema][0] != "1" {
		t.Error("a job without variables is kept from older workers")
	}
	sub.Job.Vars = sub.Job.Vars[1:]
	if _, _, err := sub.Encode(); err == nil {
		t.Error("a recipient has lost its variables")
	}
}

// TestSplitCountsVars: what is rendered for a segment is bounded.
func TestSplitCountsVars(t *testing.T) {
	recipients := make([]string, 10)
	for i := range recipients {
		recipients[i] = fmt.Sprintf(`{"id":"ab","vars":{"v":"%s"}}`, strings.Repeat("x", 10_000-7))
	}
	job := mustDecode(t, APNS, `{"recipients":[`+strings.Join(recipients, ",")+`]}`)
	each := 2*2 + EventPerRecipient + 10_000
	if diff := cmp.Diff([]int{0, 5, 10}, job.Split(EventReserve+5*each)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{0, 4, 8, 10}, job.Split(EventReserve+5*each-1)); diff != "" {
		t.Error(diff)
	}
	if FitsOne(job, EventReserve+10*each-1) || !FitsOne(job, EventReserve+10*each) {
		t.Error("FitsOne counts otherwise")
	}
}

func TestIdentifyReadsRecipients(t *testing.T) {
	job := Identify(APNS, []byte(`{"recipients":[{"id":"ab","vars":{"1":1}},{"id":"cd"}],"bad":1}`))
	if len(job.IDs) != 2 || job.IDs[1].Reveal() != "cd" {
		t.Error(job.IDs)
	}
}

func TestRenderingAllocatesNothing(t *testing.T) {
	compiled := CompileTemplate(`{"aps":{"alert":{"body":"Your order {{order}} is on its way.","title":"Dear {{name|customer}}"}},"extra":"{{city}}"}`)
	vars := varsOf(t, `{"name":"Ann","order":4711,"city":"Ober\"ursel"}`)
	room := make([]byte, 0, 512)
	if n := testing.AllocsPerRun(100, func() { compiled.Append(room, vars) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTemplate(b *testing.B) {
	compiled := CompileTemplate(`{"aps":{"alert":{"body":"Your order {{order}} is on its way.","title":"Dear {{name|customer}}"}},"extra":"{{city}}"}`)
	vars := varsOf(b, `{"name":"Ann","order":4711,"city":"Ober\"ursel"}`)
	var room []byte
	for b.Loop() {
		room, _ = compiled.Append(room[:0], vars)
	}
}

// FuzzTemplate: whatever the text and the value, a rendering is JSON with the same members, and says what replacing in the texts would.
func FuzzTemplate(f *testing.F) {
	f.Add("Dear {{name}}", "Ann")
	f.Add("{{{{ {{name|x}} }}", "\"\\\n")
	f.Add("{{name", "{{name}}")
	f.Add("\\\"{{name}}\\", "\u2028")
	f.Add("{{{name}}}", "")
	f.Fuzz(func(t *testing.T, text, val string) {
		text, val = strings.ToValidUTF8(text, "?"), strings.ToValidUTF8(val, "?")
		vars := []Var{{"name", string(appendString(nil, val))}}
		source := appendString(append(appendString([]byte("{"), text), ':'), text)
		rendered, missing := CompileTemplate(string(append(source, '}'))).Append(nil, vars)
		want, wantMissing := "", ""
		cutPlaceholders(text, func(part string, p *placeholder, problem error) {
			switch {
			case problem != nil:
				want += openMark
			case p == nil:
				want += part
			case p.name != "name" && !p.optional && wantMissing == "":
				wantMissing = p.name
			case p.name != "name":
				want += p.fallback
			case p.inner > 0:
				inner := appendString(nil, val)
				for range p.inner - 1 {
					inner = appendString(nil, string(inner[1:len(inner)-1]))
				}
				want += string(inner[1 : len(inner)-1])
			default:
				want += val
			}
		})
		if missing != wantMissing {
			t.Fatalf("missing %q, want %q", missing, wantMissing)
		}
		if missing != "" {
			return
		}
		var got map[string]string
		if err := json.Unmarshal(rendered, &got); err != nil {
			t.Fatalf("%q: %v", rendered, err)
		}
		if diff := cmp.Diff(map[string]string{text: want}, got); diff != "" {
			t.Fatal(diff)
		}
	})
}
