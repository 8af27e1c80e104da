package simulator

import (
	"strings"
	"testing"
	"time"
)

func TestPacketAndFeedbackValidate(t *testing.T) {
	packet := func(p Packet) Script { return Script{Rules: []Rule{{Percent: 100, Answer: Answer{Packet: &p}}}} }
	feedback := func(f Feedback) Script { return Script{Feedback: &f} }
	for name, test := range map[string]struct {
		script Script
		want   string
	}{
		"empty":            {packet(Packet{}), ""},
		"status 0":         {packet(Packet{Status: new(0)}), ""},
		"status 255":       {packet(Packet{Status: new(255)}), ""},
		"status 256":       {packet(Packet{Status: new(256)}), "packet: status 256"},
		"status negative":  {packet(Packet{Status: new(-1)}), "packet: status -1"},
		"split 5":          {packet(Packet{Split: 5}), ""},
		"split 6":          {packet(Packet{Split: 6}), "packet: split 6"},
		"omit":             {packet(Packet{Omit: true, Then: ThenReset}), ""},
		"omit and a split": {packet(Packet{Omit: true, Split: 1}), "omit goes with neither"},
		"then":             {packet(Packet{Then: "later"}), `then "later" is not one of`},
		"feedback":         {feedback(Feedback{After: 1, Stall: Duration(time.Hour), Truncate: 3}), ""},
		"after negative":   {feedback(Feedback{After: -1}), "feedback: after and truncate"},
		"stall too long":   {feedback(Feedback{Stall: Duration(time.Hour + 1)}), "feedback: stall"},
	} {
		err := test.script.Validate()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	script, err := ParseScript([]byte("rules:\n  - {prefix: ab, answer: {packet: {status: 8, identifier: 0, split: 3, then: reset}}}\nfeedback: {after: 2, truncate: 7}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p := script.Rules[0].Answer.Packet; *p.Status != 8 || *p.Identifier != 0 || p.Split != 3 || p.Then != ThenReset || script.Feedback.Truncate != 7 {
		t.Errorf("YAML reads as %+v, %+v", p, script.Feedback)
	}
}
