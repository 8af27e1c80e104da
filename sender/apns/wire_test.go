package apns

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	return append(binary.BigEndian.AppendUint32(append(out, flags), stream), payload...)
}

func TestFrameScanner(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 3*maxCapture)
	text := bytes.Join([][]byte{
		frame(frameSettings, 0, 0, streams(7)),
		frame(frameSettings, flagAck, 0, nil),
		frame(frameHeaders, 5, 1<<31|3, []byte("header block")),
		frame(frameData, 1, 3, nil),
		frame(frameGoAway, 0, 0, long),
		frame(frameRSTStream, 0, 9, []byte{0, 0, 0, codeRefusedStream}),
	}, nil)
	want := "4/0/0/6 4/1/0/0 1/5/3/0 0/1/3/0 7/0/0/1024 3/0/9/4 "
	for _, step := range []int{1, 2, 8, 9, 10, 1000, len(text)} {
		var got string
		s := frameScanner{frame: func(kind, flags byte, stream uint32, payload []byte) {
			got += fmt.Sprintf("%d/%d/%d/%d ", kind, flags, stream, len(payload))
		}}
		for rest := text; len(rest) > 0; {
			n := min(step, len(rest))
			s.feed(rest[:n])
			rest = rest[n:]
		}
		if got != want {
			t.Errorf("%d bytes at a time: %s, want %s", step, got, want)
		}
	}
}

func TestWireFollowsSettings(t *testing.T) {
	told, raised := 0, 0
	w := newWire(nil, nil, func() { told++ })
	w.onRaise(func() { raised++ })
	ours := func() { w.out.feed(frame(frameSettings, flagAck, 0, nil)) }
	w.out.skip = 0
	ours() // nothing is promised yet: net/http would be wrong
	for _, step := range []struct {
		payload     []byte
		flags       byte
		read, acked uint32 // the limit when it was read, and when net/http has acknowledged it
		raised      bool
	}{
		{nil, flagAck, 0, 0, false},                             // an acknowledgement of the provider says nothing
		{nil, 0, 0, unlimitedStreams, true},                     // the first may leave it open
		{streams(7), 0, 7, 7, false},                            // less holds at once
		{setting(4, 65535), 0, 7, 7, false},                     // another setting leaves it alone
		{streams(0), 0, 0, 0, false},                            //
		{append(streams(9), 0, 3), 0, 0, 9, true},               // more when it is acknowledged; a torn entry at the end
		{append(streams(1), streams(2)...), 0, 2, 2, false},     // the last one counts
		{append(streams(20), setting(4, 1)...), 0, 2, 20, true}, // wherever it stands
	} {
		before := raised
		w.in.feed(frame(frameSettings, step.flags, 0, step.payload))
		if got := w.limit.Load(); got != step.read {
			t.Errorf("%x read: limit %d, want %d", step.payload, got, step.read)
		}
		if step.flags == 0 {
			ours()
		}
		if got := w.limit.Load(); got != step.acked || raised > before != step.raised {
			t.Errorf("%x acknowledged: limit %d, want %d; raised: %t", step.payload, got, step.acked, raised > before)
		}
	}
	if told != 7 {
		t.Errorf("told %d times", told)
	}
	// Several in one read: the lowest of what is not acknowledged holds.
	for _, n := range []uint32{50, 3, 60} {
		w.in.feed(frame(frameSettings, 0, 0, streams(n)))
	}
	for _, want := range []uint32{3, 3, 60} {
		ours()
		if got := w.limit.Load(); got != want {
			t.Errorf("limit %d, want %d", got, want)
		}
	}
}

// FuzzWire: whatever a peer sends, the wire neither panics nor keeps more than it should.
func FuzzWire(f *testing.F) {
	f.Add(frame(frameGoAway, 0, 0, []byte{0, 0, 0, 1, 0, 0, 0, 0, '{', '}'}), 3)
	f.Add(frame(frameSettings, 0, 0, streams(7)), 1)
	f.Add(frame(frameRSTStream, 0, 5, []byte{0, 0, 0, 7}), 100)
	f.Add([]byte{0xff, 0xff, 0xff, 7}, 2)
	f.Fuzz(func(t *testing.T, text []byte, step int) {
		whole, torn := newWire(nil, nil, func() {}), newWire(nil, nil, func() {})
		whole.in.feed(text)
		for rest := text; len(rest) > 0; {
			n := min(max(step, 1), len(rest))
			torn.in.feed(rest[:n])
			rest = rest[n:]
		}
		if whole.limit.Load() != torn.limit.Load() || len(whole.refused) != len(torn.refused) {
			t.Errorf("%x is read differently in pieces of %d", text, step)
		}
		if gone := whole.leave(); gone != nil {
			if len(gone.debug) > maxCapture {
				t.Errorf("%d bytes of debug data are kept", len(gone.debug))
			}
			_ = goAwayReason(gone.debug)
		}
	})
}
