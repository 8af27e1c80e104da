package apns

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// raw is a value as it comes out of a job.
func raw(text string) json.RawMessage { return json.RawMessage(text) }

// TestPayload has every row of pushjack-surface §3.1, as DESIGN §2 decides it, and every newer key.
func TestPayload(t *testing.T) {
	for name, test := range map[string]struct {
		message Message
		want    string
	}{
		"nothing":          {Message{}, `{"aps":{}}`},
		"empty text":       {Message{Text: new("")}, `{"aps":{"alert":""}}`},
		"text":             {Message{Text: new("text")}, `{"aps":{"alert":"text"}}`},
		"raw UTF-8":        {Message{Text: new("é 世 😀 \u2028 < > & \x7f")}, "{\"aps\":{\"alert\":\"é 世 😀 \u2028 < > & \x7f\"}}"},
		"escapes":          {Message{Text: new("\"\\/\b\f\n\r\t\x00\x1f")}, `{"aps":{"alert":"\"\\/\b\f\n\r\t\u0000\u001f"}}`},
		"not UTF-8":        {Message{Text: new("a\xffb")}, "{\"aps\":{\"alert\":\"a\ufffdb\"}}"},
		"lone surrogate":   {Message{Sound: raw(`"\ud800"`)}, "{\"aps\":{\"sound\":\"\ufffd\"}}"},
		"escapes in a job": {Message{Sound: raw(`"\u00e9\ud83d\ude00"`)}, `{"aps":{"sound":"é😀"}}`},

		"alert object": {Message{Alert: map[string]any{"title": "t", "body": "b"}}, `{"aps":{"alert":{"body":"b","title":"t"}}}`},
		"alert object with an option": {
			Message{Alert: map[string]any{"body": "b"}, Title: new("T")}, `{"aps":{"alert":{"body":"b","title":"T"}}}`,
		},
		"alert object with an empty option": {
			Message{Alert: map[string]any{"body": "b"}, Title: new("")}, `{"aps":{"alert":{"body":"b","title":""}}}`,
		},
		"empty alert object": {Message{Alert: map[string]any{}}, `{"aps":{"alert":{}}}`},
		"aps dictionary": {
			Message{APS: map[string]any{"alert": "a", "badge": raw("3")}, Category: new("c")}, `{"aps":{"alert":"a","badge":3,"category":"c"}}`,
		},
		"aps dictionary without alert, with an alert option": {
			Message{APS: map[string]any{"badge": 1}, Title: new("T")}, `{"aps":{"alert":{"title":"T"},"badge":1}}`,
		},

		"title":            {Message{Text: new("x"), Title: new("T")}, `{"aps":{"alert":{"body":"x","title":"T"}}}`},
		"title_loc_key":    {Message{Text: new("x"), TitleLocKey: new("K")}, `{"aps":{"alert":{"body":"x","title-loc-key":"K"}}}`},
		"title_loc_args":   {Message{Text: new("x"), TitleLocArgs: []string{"1"}}, `{"aps":{"alert":{"body":"x","title-loc-args":["1"]}}}`},
		"action_loc_key":   {Message{Text: new("x"), ActionLocKey: new("K")}, `{"aps":{"alert":{"action-loc-key":"K","body":"x"}}}`},
		"loc_key":          {Message{Text: new("x"), LocKey: new("K")}, `{"aps":{"alert":{"body":"x","loc-key":"K"}}}`},
		"loc_args":         {Message{Text: new("x"), LocArgs: []string{"1", "2"}}, `{"aps":{"alert":{"body":"x","loc-args":["1","2"]}}}`},
		"launch_image":     {Message{Text: new("x"), LaunchImage: new("i")}, `{"aps":{"alert":{"body":"x","launch-image":"i"}}}`},
		"subtitle":         {Message{Text: new("x"), Subtitle: new("S")}, `{"aps":{"alert":{"body":"x","subtitle":"S"}}}`},
		"subtitle_loc_key": {Message{SubtitleLocKey: new("K")}, `{"aps":{"alert":{"subtitle-loc-key":"K"}}}`},
		"subtitle_loc_args": {
			Message{SubtitleLocArgs: []string{"1"}}, `{"aps":{"alert":{"subtitle-loc-args":["1"]}}}`,
		},
		"options without a text": {
			Message{LocKey: new("K"), LocArgs: []string{"a"}}, `{"aps":{"alert":{"loc-args":["a"],"loc-key":"K"}}}`,
		},
		"empty options do not make an object": {
			Message{Text: new("x"), Title: new(""), LocArgs: []string{}}, `{"aps":{"alert":"x"}}`,
		},
		"empty options alone":         {Message{Title: new(""), LocArgs: []string{}}, `{"aps":{}}`},
		"empty options are kept then": {Message{Text: new("x"), LocKey: new("K"), LocArgs: []string{}, Title: new("")}, `{"aps":{"alert":{"body":"x","loc-args":[],"loc-key":"K","title":""}}}`},

		"badge":                 {Message{Badge: new(int64(5))}, `{"aps":{"badge":5}}`},
		"badge 0 is kept":       {Message{Badge: new(int64(0))}, `{"aps":{"badge":0}}`},
		"content_available":     {Message{ContentAvailable: true}, `{"aps":{"content-available":1}}`},
		"mutable_content":       {Message{MutableContent: true}, `{"aps":{"mutable-content":1}}`},
		"flags off":             {Message{ContentAvailable: false, MutableContent: false}, `{"aps":{}}`},
		"sound":                 {Message{Sound: "default"}, `{"aps":{"sound":"default"}}`},
		"sound object":          {Message{Sound: raw(`{"volume":0.5,"name":"n","critical":1}`)}, `{"aps":{"sound":{"critical":1,"name":"n","volume":0.5}}}`},
		"sound null":            {Message{Sound: raw(` null `)}, `{"aps":{}}`},
		"sound of a Go type":    {Message{Sound: struct{ Name string }{"n"}}, `{"aps":{"sound":{"Name":"n"}}}`},
		"category":              {Message{Category: new("")}, `{"aps":{"category":""}}`},
		"thread_id":             {Message{ThreadID: new("t")}, `{"aps":{"thread-id":"t"}}`},
		"target_content_id":     {Message{TargetContentID: new("t")}, `{"aps":{"target-content-id":"t"}}`},
		"interruption_level":    {Message{InterruptionLevel: new("time-sensitive")}, `{"aps":{"interruption-level":"time-sensitive"}}`},
		"relevance_score":       {Message{RelevanceScore: raw("0.50")}, `{"aps":{"relevance-score":0.50}}`},
		"relevance_score of Go": {Message{RelevanceScore: 0.5}, `{"aps":{"relevance-score":0.5}}`},
		"filter_criteria":       {Message{FilterCriteria: new("f")}, `{"aps":{"filter-criteria":"f"}}`},
		"live activity": {
			Message{
				StaleDate: new(int64(2)), ContentState: raw(`{"b":{"y":1,"x":[true,null]},"a":12345678901234567890}`), Timestamp: new(int64(1)),
				Event: new("start"), DismissalDate: new(int64(3)), AttributesType: new("T"), Attributes: map[string]any{"k": "v"},
			},
			`{"aps":{"attributes":{"k":"v"},"attributes-type":"T","content-state":{"a":12345678901234567890,"b":{"x":[true,null],"y":1}},` +
				`"dismissal-date":3,"event":"start","stale-date":2,"timestamp":1}}`,
		},
		"extra beside aps, sorted": {
			Message{Text: new("x"), Extra: map[string]any{"z": 1, "a": 2, "n": nil}}, `{"a":2,"aps":{"alert":"x"},"n":null,"z":1}`,
		},
		"raw payload": {Message{Raw: raw("{ \"mdm\" : \"magic\\u00e9\" }")}, `{ "mdm" : "magic\u00e9" }`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := test.message.Payload(MaxPayload)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Error(diff)
			}
			if !json.Valid(got) {
				t.Error("not valid JSON")
			}
		})
	}
}

func TestPayloadFaults(t *testing.T) {
	deep := strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1)
	for name, test := range map[string]struct {
		message Message
		want    string
	}{
		"aps in extra": {
			Message{Extra: map[string]any{"aps": 1}}, `extra: the key "aps" would overwrite the notification; use the options instead`,
		},
		"two forms": {
			Message{Text: new("x"), APS: map[string]any{}}, "message: is given in more than one form; give a text, an alert object or an aps dictionary",
		},
		"option twice": {
			Message{Alert: map[string]any{"title": "a"}, Title: new("b")}, `title: the message sets "title" already; give it once`,
		},
		"badge twice": {
			Message{APS: map[string]any{"badge": 1}, Badge: new(int64(1))}, `badge: the message sets "badge" already; give it once`,
		},
		"alert twice": {
			Message{APS: map[string]any{"alert": "a"}, Title: new("")}, `title: the message sets "alert" already; give it once`,
		},
		"unknown alert key": {
			Message{Alert: map[string]any{"titel": "a"}}, `message: "titel" is not a key of the alert object; custom keys go into extra`,
		},
		"unknown aps key": {
			Message{APS: map[string]any{"Badge": 1}}, `message: "Badge" is not a key of the aps dictionary; custom keys go into extra`,
		},
		"not JSON":        {Message{Sound: raw("{")}, "sound: not valid JSON"},
		"two values":      {Message{ContentState: raw("1 2")}, "content_state: more than one JSON value"},
		"not a number":    {Message{RelevanceScore: json.Number("0.5,\"x\":1")}, "relevance_score: not a number"},
		"not a JSON type": {Message{Attributes: math.Inf(1)}, "attributes: can't be written as JSON"},
		"extra not JSON":  {Message{Extra: map[string]any{"k": make(chan int)}}, "extra: can't be written as JSON"},
		"alert not JSON":  {Message{Alert: map[string]any{"body": func() {}}}, "message: can't be written as JSON"},
		"too deep":        {Message{Extra: map[string]any{"k": raw(deep)}}, "extra: nested deeper than 64 levels"},
		"raw no object":   {Message{Raw: raw("[]")}, "payload: must be a JSON object"},
		"raw no JSON":     {Message{Raw: raw("{")}, "payload: not valid JSON"},
		"raw with options": {
			Message{Raw: raw("{}"), Text: new("x"), Badge: new(int64(1)), Extra: map[string]any{}},
			"message: can't be given beside payload, which is sent as it is; badge: can't be given beside payload, which is sent as it is; " +
				"extra: can't be given beside payload, which is sent as it is",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := test.message.Payload(MaxPayload)
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("payload %s, error %v", got, err)
			}
			if diff := cmp.Diff(test.want, problems.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNestingAtTheLimit(t *testing.T) {
	const levels = maxDepth // the root object is the first, the value is empty lists all the way down
	m := Message{Extra: map[string]any{"k": raw(strings.Repeat("[", levels) + strings.Repeat("]", levels))}}
	if _, err := m.Payload(0); err != nil {
		t.Error(err)
	}
}

func TestPayloadSizes(t *testing.T) {
	fixed := len(`{"aps":{"alert":""}}`)
	for _, limit := range []int{2048, MaxPayload, MaxVoIPPayload} {
		message := NewMessage(strings.Repeat("x", limit-fixed))
		if got, err := message.Payload(limit); err != nil || len(got) != limit {
			t.Errorf("at the limit of %d: %d bytes, %v", limit, len(got), err)
		}
		message = NewMessage(strings.Repeat("x", limit-fixed+1))
		_, err := message.Payload(limit)
		if !errors.Is(err, InvalidPayloadSizeError) {
			t.Errorf("above the limit of %d: %v", limit, err)
		}
		if _, err = message.Payload(0); err != nil {
			t.Errorf("without a limit: %v", err)
		}
		rawMessage := Message{Raw: raw(`{"a":"` + strings.Repeat("x", limit-8) + `"}`)}
		if got, err := rawMessage.Payload(limit); err != nil || len(got) != limit {
			t.Errorf("raw at the limit of %d: %d bytes, %v", limit, len(got), err)
		}
		if _, err := rawMessage.Payload(limit - 1); !errors.Is(err, InvalidPayloadSizeError) {
			t.Errorf("raw above the limit of %d: %v", limit-1, err)
		}
	}
	if got := Problems.Error(nil); got != "" {
		t.Errorf("no problems say %q", got)
	}
}

// FuzzPayload: whatever goes in, what comes out is JSON, UTF-8 and within the limit, the same each time.
func FuzzPayload(f *testing.F) {
	f.Add("hello", "title", `{"k":1}`, 100, 50)
	f.Add("é😀", "", `"\ud800"`, 4096, 30)
	f.Add("\"\\\x00", "\xff", `[1e5]`, 60, 60)
	f.Add("👨‍👩‍👧‍👦🇩🇪e\u0301", "", `null`, 70, 45)
	f.Fuzz(func(t *testing.T, text, title, extra string, limit, shorter int) {
		m := Message{Text: &text, Title: &title, Extra: map[string]any{"e": raw(extra), text: title}, MaxPayloadLength: shorter}
		got, err := m.Payload(limit)
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("error %#v", err)
			}
			return
		}
		if !json.Valid(got) || !utf8.Valid(got) {
			t.Errorf("%q is not JSON in UTF-8", got)
		}
		if limit > 0 && len(got) > limit {
			t.Errorf("%d bytes, at most %d are allowed", len(got), limit)
		}
		if shorter > 0 && len(got) > shorter {
			t.Errorf("%d bytes, truncated to %d", len(got), shorter)
		}
		again, _ := m.Payload(limit)
		if string(again) != string(got) {
			t.Errorf("%q is not %q", again, got)
		}
	})
}
