package apns

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// anyMessage draws messages of every form, most of them usual.
func anyMessage(t *rapid.T) *Message {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "Hello", "\"quoted\\\"", "line\nbreak\x01", "grüße 👋\u2028", "bad \xff utf8"}), rapid.String())
	some := func(name string) *string {
		if !rapid.Bool().Draw(t, name+"?") {
			return nil
		}
		return new(text.Draw(t, name))
	}
	number := func(name string) *int64 {
		if !rapid.Bool().Draw(t, name+"?") {
			return nil
		}
		return new(rapid.Int64().Draw(t, name))
	}
	raw := rapid.SampledFrom([]any{
		nil, json.RawMessage(`"x"`), json.RawMessage(`{"b":1,"a":2}`), json.RawMessage(`{"a":[1,-2,0.5,{}],"b":null}`), json.RawMessage(` {"a" : "\u0041"}`),
		json.RawMessage(`null`), json.RawMessage(`{"a":1,"a":2}`), json.RawMessage(`{"a"`), json.RawMessage(`1e3`), 7, "text",
		map[string]any{"k": "v"},
		true,
	})
	m := &Message{
		Text: some("text"), Title: some("title"), LocKey: some("loc_key"), Subtitle: some("subtitle"), Badge: number("badge"), Category: some("category"),
		ThreadID: some("thread_id"), Sound: raw.Draw(t, "sound"), ContentAvailable: rapid.Bool().Draw(t, "ca"), RelevanceScore: raw.Draw(t, "score"),
		ContentState: raw.Draw(t, "state"), StaleDate: number("stale"), Attributes: raw.Draw(t, "attributes"), AttributesType: some("attributes_type"),
	}
	if rapid.Bool().Draw(t, "args?") {
		m.LocArgs = rapid.SliceOfN(text, 0, 3).Draw(t, "args")
	}
	if rapid.Bool().Draw(t, "extra?") {
		m.Extra = map[string]any{}
		for _, key := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "aps", "b", "mdm", "z\n", "é"}), 0, 4).Draw(t, "keys") {
			m.Extra[key] = raw.Draw(t, key)
		}
	}
	if rapid.Bool().Draw(t, "extra JSON?") {
		m.ExtraJSON = map[string]json.RawMessage{}
		for _, key := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "aps", "b", "mdm", "z\n", "é"}), 0, 4).Draw(t, "JSON keys") {
			if text, ok := raw.Draw(t, "JSON "+key).(json.RawMessage); ok {
				m.ExtraJSON[key] = text
			}
		}
	}
	switch rapid.IntRange(0, 9).Draw(t, "form") {
	case 0:
		m.Alert = map[string]any{"body": raw.Draw(t, "body")}
	case 1:
		m.APS = map[string]any{"badge": raw.Draw(t, "aps badge"), "event": "end"}
	case 2:
		m.MaxPayloadLength = 40
	}
	return m
}

// TestPlainRendering: the quick way makes the same bytes as the thorough one, for every message that it takes on, and takes on the usual.
func TestPlainRendering(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMessage(t)
		limit := rapid.SampledFrom([]int{0, 60, MaxPayload}).Draw(t, "limit")
		want, problems := m.renderAny(limit)
		got, plain := m.renderPlain(limit)
		if plain && (len(problems) > 0 || string(got) != string(want)) {
			t.Fatalf("plain %s\nthorough %s %v", got, want, problems)
		}
		usual := (m.Extra == nil || m.ExtraJSON == nil) && m.Alert == nil && m.APS == nil && m.MaxPayloadLength == 0
		if usual && !plain && len(problems) == 0 {
			t.Fatalf("a usual message is not rendered: %s", want)
		}
	})
}

// TestKnownContents: what is known of a message without reading its payload is what reading finds.
func TestKnownContents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMessage(t)
		payload, err := m.Payload(0)
		if err != nil {
			return
		}
		known, ok := m.contents()
		if !ok {
			return
		}
		read := contentsOf(payload)
		type said struct {
			pushType     string
			mdm, shows   bool
			wakes, start bool
			conflicts    [4]string
		}
		of := func(c contents) said {
			s := said{c.pushType(), c.isMDM(), c.shows(), c.wakes(), c.starts(), [4]string{}}
			for i, p := range []string{PushTypeAlert, PushTypeBackground, PushTypeMDM, PushTypeLiveActivity} {
				s.conflicts[i] = c.conflict(p)
			}
			return s
		}
		if diff := cmp.Diff(of(read), of(known), cmp.AllowUnexported(said{})); diff != "" {
			t.Fatalf("%s\n%s", payload, diff)
		}
	})
}

// FuzzCanonical: what passes for canonical is written as it stands, whatever way it goes.
func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2,{"b":"c"}],"é":null}`, `{"b":1,"a":2}`, `{"a":1,"a":1}`, `[1.0]`, `0`, `"\u0041"`, `{"a":{}}`, `[]x`, "\"\xff\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !isCanonical(raw, 0) {
			return
		}
		tree, err := decode(raw)
		if err != nil {
			t.Fatalf("%q is not JSON: %v", raw, err)
		}
		if again, err := appendJSON(nil, tree, 0); err != nil || string(again) != string(raw) {
			t.Fatalf("%q is written as %q, %v", raw, again, err)
		}
	})
}
