package apnstest

import (
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/volleypush/volley/sender/simulator"
)

// TestGatewayEnds: the ways a connection ends that are not EOF.
func TestGatewayEnds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer simulator.Answer
		want   string
		reset  bool
		lines  int
	}{
		"packet, then a reset": {simulator.Answer{Packet: &simulator.Packet{Then: "reset"}}, "080800000005", true, 1},
		"a reset":              {simulator.Answer{Reset: "CANCEL"}, "", true, 1},
		"a reset, not taken":   {simulator.Answer{Reset: "REFUSED_STREAM"}, "", true, 0},
		"packet, and it stays": {simulator.Answer{Packet: &simulator.Packet{Then: "stay"}}, "080800000005", false, 1},
		"silence":              {simulator.Answer{Never: true}, "", false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startGateway(t, nil)
			f.script(simulator.Rule{Percent: 100, Answer: test.answer})
			conn := f.client(goodTopic)
			f.write(conn, goodFrame(5, rawToken(1)))
			if !test.reset {
				_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			}
			got, err := io.ReadAll(conn)
			timeout, isTimeout := errors.AsType[net.Error](err)
			switch {
			case test.reset && !errors.Is(err, syscall.ECONNRESET):
				t.Errorf("it ends with %v, want a reset", err)
			case !test.reset && (!isTimeout || !timeout.Timeout()):
				t.Errorf("it ends with %v, want silence", err)
			case !test.reset && hex.EncodeToString(got) != test.want:
				t.Errorf("it says %x, want %s", got, test.want)
			}
			if f.Ledger().Len() != test.lines {
				t.Errorf("%d lines, want %d", f.Ledger().Len(), test.lines)
			}
		})
	}
}

// TestGatewayFaults: what strikes connections strikes these too.
func TestGatewayFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault simulator.Fault
		lines int
	}{
		"close after two":        {simulator.Fault{Kind: simulator.Close, After: 2}, 3},
		"the third never taken":  {simulator.Fault{Kind: simulator.Close, After: 2, Lose: "requests"}, 2},
		"half close":             {simulator.Fault{Kind: simulator.HalfClose}, 1},
		"close when it is ready": {simulator.Fault{Kind: simulator.Close, On: "ready"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startGateway(t, nil)
			if err := f.Scripts().Set(simulator.Script{Faults: []simulator.Fault{test.fault}}); err != nil {
				t.Fatal(err)
			}
			conn := f.client(goodTopic)
			for i := range byte(4) {
				if _, err := conn.Write(goodFrame(uint32(i), rawToken(i))); err != nil {
					break
				}
			}
			f.expect(conn, "")
			if err := f.Ledger().Wait(t.Context(), test.lines); err != nil {
				t.Fatal(err)
			}
			if test.fault.Kind == simulator.HalfClose {
				return // it goes on reading
			}
			_ = f.Close()
			if f.Ledger().Len() != test.lines {
				t.Errorf("%d lines, want %d", f.Ledger().Len(), test.lines)
			}
		})
	}
}

func TestFeedback(t *testing.T) {
	t.Parallel()
	list := NewExpiredList()
	gateway := startGateway(t, func(o *GatewayOptions) { o.Expired = list })
	gateway.script(simulator.Rule{Token: hex.EncodeToString(rawToken(3)), Answer: simulator.Answer{Reason: "Unregistered", TimestampMS: 30_000}})
	conn := gateway.client(goodTopic)
	gateway.write(conn, goodFrame(1, rawToken(3)), goodFrame(2, rawToken(4)))
	_ = conn.CloseWrite()
	gateway.expect(conn, "")
	if err := list.Add("zz", now); err == nil {
		t.Error("what is no hex is listed")
	}

	f, err := NewFeedback(FeedbackOptions{Authority: gateway.Authority(), Expired: list})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	certificate, err := f.Authority().ClientCertificate("test", goodTopic)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{RootCAs: f.Authority().Pool(), Certificates: []tls.Certificate{certificate}}
	read := func() string {
		raw, err := io.ReadAll(dialTLS(t, f.Addr(), config))
		if err != nil {
			t.Error(err)
		}
		return hex.EncodeToString(raw)
	}
	entry := "0000001e0020" + strings.Repeat("03", 32)
	if got := read(); got != entry {
		t.Errorf("the list reads %s", got)
	}
	if got := read(); got != "" || list.Len() != 0 {
		t.Errorf("once read it reads %s", got)
	}
	for range 2 {
		if err := list.Add(strings.Repeat("03", 32), time.Unix(30, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := list.Add(strings.Repeat("05", 32), time.Unix(30, 0)); err != nil {
		t.Fatal(err)
	}
	if err := f.Scripts().Set(simulator.Script{Feedback: &simulator.Feedback{After: 1, Stall: simulator.Duration(time.Millisecond), Truncate: 4}}); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != entry+"0000001e" {
		t.Errorf("truncated it reads %s", got)
	}
	if f.Reads() != 3 {
		t.Errorf("%d reads", f.Reads())
	}
	if got, err := io.ReadAll(dialTLS(t, f.Addr(), &tls.Config{RootCAs: f.Authority().Pool()})); err != nil || len(got) > 0 {
		t.Errorf("without a certificate it says %x, %v", got, err)
	}
}
