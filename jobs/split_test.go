package jobs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func tokens(n, length int) []Token {
	list := make([]Token, n)
	for i := range list {
		list[i] = NewToken(strings.Repeat("a", length))
	}
	return list
}

const maxPayload = 1 << 20

func TestSplit(t *testing.T) {
	// What is left for events of a message of 1 MiB, in recipients of 1,100 bytes each (400 + 2 × 350).
	const room = (maxPayload - EventReserve) / 1100
	exact := EventReserve + 3*(EventPerRecipient+2*64)
	for _, c := range []struct {
		name       string
		ids        []Token
		maxPayload int
		want       []int
	}{
		{"none", nil, maxPayload, []int{0}},
		{"one", tokens(1, 64), maxPayload, []int{0, 1}},
		{"at the limit of recipients", tokens(1000, 64), maxPayload, []int{0, 1000}},
		{"over the limit of recipients", tokens(1001, 64), maxPayload, []int{0, 1000, 1001}},
		{"several", tokens(2500, 64), maxPayload, []int{0, 1000, 2000, 2500}},
		{"at the limit of bytes", tokens(room, 350), maxPayload, []int{0, room}},
		{"over the limit of bytes", tokens(room+1, 350), maxPayload, []int{0, room, room + 1}},
		{"exactly full", tokens(3, 64), exact, []int{0, 3}},
		{"one byte short", tokens(3, 64), exact - 1, []int{0, 2, 3}},
		{"no room at all", tokens(3, 64), 0, []int{0, 1, 2, 3}},
		{"too long for any", append(tokens(1, maxPayload), tokens(2, 2)...), maxPayload, []int{0, 1, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Split(c.ids, c.maxPayload)); diff != "" {
				t.Error(diff)
			}
			job := &Job{Platform: APNS, APNS: &APNSOptions{}, IDs: c.ids}
			if got, want := FitsOne(job, c.maxPayload), len(c.want) <= 2; got != want {
				t.Errorf("FitsOne is %v", got)
			}
		})
	}
	target := mustDecode(t, GCM, `{"topic":"`+strings.Repeat("t", 900)+`","message":"m"}`)
	if !FitsOne(target, 0) {
		t.Error("a topic is not one segment")
	}
}

func TestSplitCoversEverybodyOnceWithinItsLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, EventReserve+40_000).Draw(t, "max payload")
		var ids []Token
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 3000), 0, 80).Draw(t, "lengths") {
			ids = append(ids, NewToken(strings.Repeat("x", n)))
		}
		bounds := Split(ids, limit)
		if bounds[0] != 0 || bounds[len(bounds)-1] != len(ids) {
			t.Fatalf("bounds %v for %d", bounds, len(ids))
		}
		cost := func(from, to int) (sum int) {
			for _, id := range ids[from:to] {
				sum += 2*id.Len() + EventPerRecipient
			}
			return sum
		}
		for i := 1; i < len(bounds); i++ {
			from, to := bounds[i-1], bounds[i]
			if to <= from {
				t.Fatalf("bounds %v", bounds)
			}
			if to-from > 1 && cost(from, to) > limit-EventReserve {
				t.Fatalf("segment %d is too large: %v", i-1, bounds)
			}
			if to < len(ids) && cost(from, to+1) <= limit-EventReserve {
				t.Fatalf("segment %d is smaller than it must be: %v", i-1, bounds)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	body := manyIDs(1000)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(APNS, body); err != nil {
			b.Fatal(err)
		}
	}
}

func manyIDs(n int) []byte {
	var b strings.Builder
	b.WriteString(`{"message":"text","ids":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%064x"`, i)
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

// An id that is written longer than it is counts with what it takes in the event.
func TestSplitCountsWhatAnIDTakesInJSON(t *testing.T) {
	for text, want := range map[string]int{"abc": 3, "\x01\x02": 12, `a"b\c`: 7, "é": 2, "": 0} {
		if got := NewToken(text).written(); got != want {
			t.Errorf("%q takes %d bytes, want %d", text, got, want)
		}
	}
	plain, hostile := make([]Token, 1000), make([]Token, 1000)
	for i := range plain {
		plain[i], hostile[i] = NewToken(strings.Repeat("a", 200)), NewToken(strings.Repeat("\x01", 200))
	}
	const maxPayload = 1 << 20
	if got := len(Split(plain, maxPayload)) - 1; got != 1 {
		t.Errorf("%d segments of plain ids", got)
	}
	if got := len(Split(hostile, maxPayload)) - 1; got != 4 { // 1,000 × (2×1,200+400) in portions of 896 KiB
		t.Errorf("%d segments of hostile ids", got)
	}
}
