package gcm

import (
	"encoding/json"
	"testing"
)

func TestStringValue(t *testing.T) {
	for _, row := range []struct{ json, want string }{
		{`"as it is"`, "as it is"},
		{`""`, ""},
		{`"1.50"`, "1.50"},
		{`"true"`, "true"},
		{`true`, "true"},
		{`false`, "false"},
		{`0`, "0"},
		{`-0`, "0"},
		{`0.0`, "0"},
		{`1`, "1"},
		{`-7`, "-7"},
		{`1.0`, "1"},
		{`1.50`, "1.5"},
		{`0.10`, "0.1"},
		{`-0.05`, "-0.05"},
		{`1e3`, "1000"},
		{`1E+3`, "1000"},
		{`1.5e3`, "1500"},
		{`12e-1`, "1.2"},
		{`1e-3`, "0.001"},
		{`100`, "100"},
		{`120e-1`, "12"},
		{`12345678901234567890`, "12345678901234567890"},
		{`9007199254740993`, "9007199254740993"},
		{`0.1234567890123456789`, "0.1234567890123456789"},
		{`1e31`, "10000000000000000000000000000000"},
		{`1e32`, "1e32"},
		{`1e-32`, "0.00000000000000000000000000000001"},
		{`1e-34`, "1e-34"},
		{`1e999999999999999999999`, "1e999999999999999999999"},
		{`1e9223372036854775807`, "1e9223372036854775807"},
		{`[1, "a", null]`, `[1,"a",null]`},
		{`{"b":1,"a":{"d":2,"c":[]}}`, `{"a":{"c":[],"d":2},"b":1}`},
		{`[]`, `[]`},
		{`{}`, `{}`},
	} {
		v, err := decodeValue(json.RawMessage(row.json))
		if err != nil {
			t.Fatalf("%s: %v", row.json, err)
		}
		if got, ok := stringValue(v); !ok || got != row.want {
			t.Errorf("%s: %q, want %q", row.json, got, row.want)
		}
	}
	if _, ok := stringValue(nil); ok {
		t.Error("null has a string")
	}
}

func TestCanonicalJSON(t *testing.T) {
	for _, row := range []struct {
		in   any
		want string
	}{
		{"häß 😀 \u2028\u2029 <&>", "\"häß 😀 \u2028\u2029 <&>\""},
		{"\"\\/\b\f\n\r\t\x01\x7f", `"\"\\/\b\f\n\r\t\u0001` + "\x7f\""},
		{"bad \xff byte", "\"bad \uFFFD byte\""},
		{json.RawMessage(`{"z":1.50,"a":"<b>","é":"\u00e9"}`), `{"a":"<b>","z":1.50,"é":"é"}`},
		{map[string]json.RawMessage{"b": json.RawMessage(`{"y":1,"x":2}`), "a": json.RawMessage(`1e3`)}, `{"a":1e3,"b":{"x":2,"y":1}}`},
		{struct {
			N int    `json:"n"`
			S string `json:"s"`
		}{9007199254740993, "x"}, `{"n":9007199254740993,"s":"x"}`},
		{nil, `null`},
		{json.RawMessage(nil), `null`},
		{map[string]json.RawMessage(nil), `null`},
		{true, `true`},
		{[]int{}, `[]`},
	} {
		v, err := decodeValue(row.in)
		if err != nil {
			t.Fatalf("%v: %v", row.in, err)
		}
		if got := string(appendJSON(nil, v)); got != row.want {
			t.Errorf("%#v: %s, want %s", row.in, got, row.want)
		}
	}
	for _, bad := range []any{json.RawMessage(`{`), json.RawMessage(`1 2`), func() {}, json.RawMessage(`{"a":1}x`)} {
		if _, err := decodeValue(bad); err == nil {
			t.Errorf("%T is accepted", bad)
		}
	}
}

func FuzzCanonicalJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.50,"x\u2028"],"b":null}`, `"\ud800"`, `1e400`, `-0.00`, `[[[]]]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := decodeValue(json.RawMessage(text))
		if err != nil {
			return
		}
		once := appendJSON(nil, v)
		again, err := decodeValue(json.RawMessage(once))
		if err != nil {
			t.Fatalf("%s became %s: %v", text, once, err)
		}
		if twice := appendJSON(nil, again); string(twice) != string(once) {
			t.Fatalf("%s became %s, then %s", text, once, twice)
		}
		stringValue(v)
	})
}

func FuzzShortestDecimal(f *testing.F) {
	for _, seed := range []string{"0", "-1.50e2", "1e-40", "123456789012345678901234567890123456789", "1e9223372036854775807", "0.0e5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var n json.Number
		if json.Unmarshal([]byte(text), &n) != nil || n == "" {
			return
		}
		got := shortestDecimal(string(n))
		if !json.Valid([]byte(got)) || len(got) > len(n)+2*maxPlainDigits+4 {
			t.Fatalf("%s became %s", n, got)
		}
		a, errA := n.Float64()
		b, errB := json.Number(got).Float64()
		if (errA == nil) != (errB == nil) || a != b {
			t.Fatalf("%s became %s: %v is not %v", n, got, a, b)
		}
		if again := shortestDecimal(got); again != got {
			t.Fatalf("%s became %s, then %s", n, got, again)
		}
	})
}
