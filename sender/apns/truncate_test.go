package apns

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTruncation has every row of pushjack-surface §3.3. Counts differ where the reference escapes what is sent raw here,
// and where it drops an alert that can't be shortened enough, this is an error.
func TestTruncation(t *testing.T) {
	family := "👨‍👩‍👧‍👦" // 25 bytes, seven code points, one character
	for name, test := range map[string]struct {
		message Message
		limit   int
		want    string // the payload; "" for an error
	}{
		"off":            {Message{Text: new("helloworld")}, 0, `{"aps":{"alert":"helloworld"}}`},
		"fits exactly":   {Message{Text: new("helloworld")}, 30, `{"aps":{"alert":"helloworld"}}`},
		"one too many":   {Message{Text: new("helloworld")}, 29, `{"aps":{"alert":"hellow..."}}`},
		"one left":       {Message{Text: new("helloworld")}, 24, `{"aps":{"alert":"h..."}}`},
		"none left":      {Message{Text: new("helloworld")}, 23, ``},
		"underscores":    {Message{Text: new(strings.Repeat("_", 100))}, 50, `{"aps":{"alert":"` + strings.Repeat("_", 27) + `..."}}`},
		"two bytes each": {Message{Text: new(strings.Repeat("é", 100))}, 60, `{"aps":{"alert":"` + strings.Repeat("é", 18) + `..."}}`},
		"emoji fit":      {Message{Text: new(strings.Repeat("😀", 10))}, 60, `{"aps":{"alert":"` + strings.Repeat("😀", 10) + `"}}`},
		"emoji":          {Message{Text: new(strings.Repeat("😀", 10))}, 59, `{"aps":{"alert":"` + strings.Repeat("😀", 9) + `..."}}`},
		"only the body": {
			Message{Text: new("helloworldhello"), Title: new("T")}, 50, `{"aps":{"alert":{"body":"hellow...","title":"T"}}}`,
		},
		"alert object": {
			Message{Alert: map[string]any{"body": "helloworldhello", "title": "T"}}, 50, `{"aps":{"alert":{"body":"hellow...","title":"T"}}}`,
		},
		"alert object of a job": {
			Message{Alert: map[string]any{"body": raw(`"helloworldhello"`), "title": raw(`"T"`)}}, 50, `{"aps":{"alert":{"body":"hellow...","title":"T"}}}`,
		},
		"aps dictionary": {Message{APS: map[string]any{"alert": "helloworld"}}, 29, `{"aps":{"alert":"hellow..."}}`},
		"aps dictionary of a job": {
			Message{APS: map[string]any{"alert": raw(`{"body":"helloworldhello","title":"T"}`)}}, 50, `{"aps":{"alert":{"body":"hellow...","title":"T"}}}`,
		},
		"escapes count":         {Message{Text: new(`""""""""""`)}, 32, `{"aps":{"alert":"\"\"\"\"..."}}`},
		"an accent stays":       {Message{Text: new("abe\u0301fghi")}, 28, "{\"aps\":{\"alert\":\"abe\u0301...\"}}"},
		"an accent goes whole":  {Message{Text: new("abe\u0301fghi")}, 27, `{"aps":{"alert":"ab..."}}`},
		"a family stays":        {Message{Text: new(family + family)}, 20 + 25 + 3, `{"aps":{"alert":"` + family + `..."}}`},
		"a family goes whole":   {Message{Text: new("ab" + family)}, 20 + 25 + 1, `{"aps":{"alert":"ab..."}}`},
		"a family alone":        {Message{Text: new(family + family)}, 20 + 25 + 2, ``},
		"a flag goes whole":     {Message{Text: new("a🇩🇪🇫🇷")}, 20 + 1 + 8 + 3 + 3, `{"aps":{"alert":"a🇩🇪..."}}`},
		"extra stays":           {Message{Text: new("helloworld"), Extra: map[string]any{"k": 1}}, 30, `{"aps":{"alert":"h..."},"k":1}`},
		"no text":               {Message{Badge: new(int64(1))}, 10, ``},
		"no body":               {Message{Title: new("a long title")}, 20, ``},
		"empty text":            {Message{Text: new("")}, 10, ``},
		"raw is not shortened":  {Message{Raw: raw(`{"aps":{"alert":"helloworld"}}`)}, 29, ``},
		"raw that fits":         {Message{Raw: raw(`{"aps":{"alert":"helloworld"}}`)}, 30, `{"aps":{"alert":"helloworld"}}`},
		"body is no text":       {Message{Alert: map[string]any{"body": 5, "title": "xxxxx"}}, 20, ``},
		"the alert is no alert": {Message{APS: map[string]any{"alert": 1e9}}, 5, ``},
	} {
		t.Run(name, func(t *testing.T) {
			test.message.MaxPayloadLength = test.limit
			got, err := test.message.Payload(MaxPayload)
			if test.want == "" {
				if !errors.Is(err, InvalidPayloadSizeError) {
					t.Fatalf("payload %s, error %v", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTruncationAimsAtAppleLimit: who asked for truncation gets it at Apple's limit too.
func TestTruncationAimsAtAppleLimit(t *testing.T) {
	m := Message{Text: new(strings.Repeat("x", 5000)), MaxPayloadLength: 10_000}
	got, err := m.Payload(MaxPayload)
	if err != nil || len(got) != MaxPayload {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestTruncationLeavesTheMessageAlone: a message is read-only, and its maps belong to the caller.
func TestTruncationLeavesTheMessageAlone(t *testing.T) {
	alert := map[string]any{"body": "helloworldhello", "title": "T"}
	m := Message{Alert: alert, MaxPayloadLength: 50}
	if _, err := m.Payload(0); err != nil {
		t.Fatal(err)
	}
	dictionary := map[string]any{"alert": alert}
	m = Message{APS: dictionary, MaxPayloadLength: 50}
	if _, err := m.Payload(0); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"body": "helloworldhello", "title": "T"}, alert); diff != "" {
		t.Error(diff)
	}
}

// FuzzTruncation: what is shortened is as long as it can be, ends between two characters as readers see them, and keeps everything
// beside the text.
func FuzzTruncation(f *testing.F) {
	f.Add("helloworldhello", "T", 50)
	f.Add("👨‍👩‍👧‍👦👨‍👩‍👧‍👦", "", 80)
	f.Add("a🇩🇪🇫🇷e\u0301\u0301 \u0928\u093f", "", 45)
	f.Add("\"\\\n\u2028\x00", "t", 50)
	f.Add("\r\nx\xff\xfey", "", 40)
	f.Fuzz(func(t *testing.T, text, title string, limit int) {
		m := Message{Text: &text, Title: &title}
		full, err := m.Payload(0)
		if err != nil {
			t.Fatal(err)
		}
		m.MaxPayloadLength = limit
		got, err := m.Payload(0)
		if err != nil {
			if !errors.Is(err, InvalidPayloadSizeError) {
				t.Fatal(err)
			}
			return
		}
		if limit <= 0 || len(full) <= limit {
			if string(got) != string(full) {
				t.Errorf("%q is shortened to %q without need", full, got)
			}
			return
		}
		if len(got) > limit {
			t.Errorf("%d bytes, at most %d", len(got), limit)
		}
		short := bodyOf(t, got)
		whole := bodyOf(t, full)
		kept, cut := strings.CutSuffix(short, suffix)
		if !cut || !strings.HasPrefix(whole, kept) || kept == "" {
			t.Fatalf("%q is shortened to %q", whole, short)
		}
		ends, costs := clusters(text)
		next := -1
		for i, end := range ends {
			// Invalid bytes have become U+FFFD in what was sent.
			if strings.ToValidUTF8(string([]rune(text[:end])), "\uFFFD") == kept && i+1 < len(ends) {
				next = i + 1
			}
		}
		if next < 0 {
			t.Fatalf("%q is cut within a character: %q", whole, kept)
		}
		if grown := len(got) + costs[next] - costs[next-1]; grown <= limit {
			t.Errorf("%q could be longer: %d bytes of %d", kept, grown, limit)
		}
	})
}

// bodyOf is the text of a payload's alert.
func bodyOf(t *testing.T, payload []byte) string {
	t.Helper()
	var root struct {
		APS struct {
			Alert json.RawMessage `json:"alert"`
		} `json:"aps"`
	}
	if err := json.Unmarshal(payload, &root); err != nil {
		t.Fatal(err)
	}
	var text string
	if json.Unmarshal(root.APS.Alert, &text) == nil {
		return text
	}
	var object struct {
		Body string `json:"body"`
	}
	if err := json.Unmarshal(root.APS.Alert, &object); err != nil {
		t.Fatal(err)
	}
	return object.Body
}
