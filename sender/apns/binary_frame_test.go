package apns

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// TestBinaryFrame is the byte vector of the reference's own test (apns-binary §2).
func TestBinaryFrame(t *testing.T) {
	payload, err := (&Message{Text: new("sample"), Extra: map[string]any{"foo": "bar"}}).Payload(MaxBinaryPayload)
	if err != nil {
		t.Fatal(err)
	}
	m := message{payload: string(payload), expiration: 30, expires: true, priority: 10}
	want := "02" + "0000005e" + "01" + "0020" + strings.Repeat("11", 32) + "02" + "0026" + hex.EncodeToString([]byte(`{"aps":{"alert":"sample"},"foo":"bar"}`)) +
		"03" + "0004" + "00000000" + "04" + "0004" + "0000001e" + "05" + "0001" + "0a"
	got := hex.EncodeToString(m.append(nil, strings.Repeat("11", 32), 0))
	if diff := cmp.Diff(want, got); diff != "" || len(got)/2 != 99 {
		t.Errorf("%d bytes: %s", len(got)/2, diff)
	}
	m.expires, m.priority = false, 5
	want = "02" + "00000039" + "01" + "0002" + "abcd" + "02" + "0026" + hex.EncodeToString(payload) + "03" + "0004" + "00000007" + "05" + "0001" + "05"
	if diff := cmp.Diff(want, hex.EncodeToString(m.append(nil, "ABCD", 7))); diff != "" {
		t.Error(diff)
	}
}

func TestBarrier(t *testing.T) {
	want := "02" + "0000000f" + "03" + "0004" + "00000102" + "01" + "0000" + "02" + "0002" + "7b7d"
	if diff := cmp.Diff(want, hex.EncodeToString(appendBarrier(nil, 0x102))); diff != "" {
		t.Error(diff)
	}
}

func TestReadPacket(t *testing.T) {
	whole := []byte{8, 7, 0, 0, 1, 2}
	want := &packet{command: 8, status: 7, identifier: 0x102}
	for _, r := range []io.Reader{bytes.NewReader(whole), iotest.OneByteReader(bytes.NewReader(append(whole, 9))), iotest.DataErrReader(bytes.NewReader(whole))} {
		got, err := readPacket(r)
		if err != nil || *got != *want {
			t.Errorf("read %+v, %v", got, err)
		}
	}
	for n := range whole {
		wantErr := io.ErrUnexpectedEOF
		if n == 0 {
			wantErr = io.EOF
		}
		if p, err := readPacket(bytes.NewReader(whole[:n])); !errors.Is(err, wantErr) || p != nil {
			t.Errorf("of %d bytes it reads %+v, %v", n, p, err)
		}
	}
}

// TestJudge is apns-binary §3 and §5.4, case by case. Four notifications were written, if nothing else is said.
func TestJudge(t *testing.T) {
	invalid, processing := Reason("InvalidToken"), Reason("ProcessingError")
	lost := verdict{lost: true}
	says := func(status byte, identifier uint32) *packet { return &packet{commandResponse, status, identifier} }
	for name, test := range map[string]struct {
		packet  *packet
		written int
		barrier bool
		want    verdict
	}{
		"nothing":                         {nil, 4, true, lost},
		"another command":                 {&packet{9, 8, 2}, 4, false, lost},
		"the first":                       {says(8, 1), 4, false, verdict{accepted: 0, reason: invalid, status: 8}},
		"in the middle":                   {says(8, 3), 4, true, verdict{accepted: 2, reason: invalid, status: 8}},
		"the last":                        {says(1, 4), 4, true, verdict{accepted: 3, reason: processing, status: 1}},
		"the barrier":                     {says(2, 5), 4, true, verdict{accepted: 4}},
		"the barrier, another status":     {says(5, 5), 4, true, verdict{accepted: 4}},
		"the barrier, nameless":           {says(2, 0), 4, true, verdict{accepted: 4}},
		"missing token before a barrier":  {says(2, 0), 4, false, lost},
		"nameless":                        {says(8, 0), 4, true, lost},
		"nameless, only one can be meant": {says(8, 0), 1, false, verdict{accepted: 0, reason: invalid, status: 8}},
		"nameless, or the barrier":        {says(8, 0), 1, true, lost},
		"one that was never written":      {says(8, 5), 4, false, lost},
		"far outside":                     {says(8, 1<<32-1), 4, true, lost},
		"shutdown":                        {says(10, 3), 4, true, verdict{accepted: 3}},
		"shutdown after the last":         {says(10, 4), 4, true, verdict{accepted: 4}},
		"shutdown after the barrier":      {says(10, 5), 4, true, verdict{accepted: 4}},
		"shutdown, nameless":              {says(10, 0), 4, true, lost},
		"shutdown of one, nameless":       {says(10, 0), 1, false, lost},
		"no errors":                       {says(0, 3), 4, true, verdict{accepted: 2, lost: true}},
		"no errors, nameless":             {says(0, 0), 1, false, lost},
		"nothing was written":             {says(8, 1), 0, false, lost},
		"undocumented":                    {says(99, 2), 4, true, verdict{accepted: 1, reason: Reason("UnknownStatus"), status: 99}},
	} {
		if got := judge(test.packet, test.written, test.barrier); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestStatusReason(t *testing.T) {
	for status, want := range map[byte]ErrorName{
		1: ProcessingError, 2: MissingTokenError, 3: MissingTopicError, 4: MissingPayloadError, 5: InvalidTokenSizeError,
		6: InvalidTopicSizeError, 7: InvalidPayloadSizeError, 8: InvalidTokenError, 128: ProtocolError, 255: UnknownError, 9: UnknownError,
	} {
		if got := statusReason(status); got.Error != string(want) {
			t.Errorf("status %d is %s, want %s", status, got.Error, want)
		}
	}
}

func FuzzReadPacket(f *testing.F) {
	f.Add([]byte{8, 8, 0, 0, 0, 3}, 4, true)
	f.Add([]byte{8, 10, 0, 0, 0, 0}, 1, false)
	f.Add([]byte{8, 2, 0, 0}, 0, true)
	f.Fuzz(func(t *testing.T, data []byte, written int, barrier bool) {
		written &= 1<<20 - 1
		p, err := readPacket(bytes.NewReader(data))
		if (err == nil) != (len(data) >= packetSize) {
			t.Fatalf("%d bytes: %v", len(data), err)
		}
		v := judge(p, written, barrier)
		if v.accepted < 0 || v.accepted > written || v.reason != nil && (v.accepted == written || v.lost) {
			t.Errorf("the verdict %+v on %d notifications", v, written)
		}
	})
}

func FuzzReadExpired(f *testing.F) {
	f.Add([]byte{0, 0, 0, 30, 0, 2, 1, 2})
	f.Add([]byte{0, 0, 0, 30, 255, 255, 1})
	f.Add(append([]byte{0, 0, 0, 30, 0, 100}, make([]byte, 100)...))
	f.Add(append([]byte{0, 0, 0, 30, 0, 101}, make([]byte, 101)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		token, err := readExpired(bytes.NewReader(data))
		switch {
		case err == nil && len(token.Token) > 2*MaxTokenBytes:
			t.Errorf("a token of %d digits", len(token.Token))
		case err == nil && len(token.Token)/2+6 > len(data):
			t.Errorf("a token of %d digits from %d bytes", len(token.Token), len(data))
		case errors.Is(err, io.EOF) && len(data) > 0:
			t.Error("an entry that breaks off reads like the end of the list")
		}
	})
}
