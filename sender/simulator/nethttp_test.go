package simulator

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/volleypush/volley/sender/simulator/h2sim"
)

// What the faults look like to the client that most programs in Go use. Its words are those of Go 1.26.

// clientConn is one connection of net/http without a pool, which neither dials nor sends again by itself.
func (s *scene) clientConn(health time.Duration) (*http.ClientConn, error) {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: s.authority.Pool()}, Protocols: new(http.Protocols), MaxResponseHeaderBytes: 32 << 10,
		HTTP2: &http.HTTP2Config{SendPingTimeout: health, PingTimeout: health},
	}
	transport.Protocols.SetHTTP2(true)
	conn, err := transport.NewClientConn(s.t.Context(), "https", s.Addr())
	if err == nil {
		s.t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, err
}

// got is an answer that was read to its end.
type got struct {
	status  int
	body    string
	trailer http.Header
}

// readAnswer reads the answer to its end.
func readAnswer(response *http.Response) (got, error) {
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return got{response.StatusCode, string(body), response.Trailer}, err
}

// try sends one request and reads the answer.
func try(ctx context.Context, conn *http.ClientConn, url string) (got, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/x", strings.NewReader("{}"))
	if err != nil {
		return got{}, err
	}
	response, err := conn.RoundTrip(request)
	if err != nil {
		return got{}, err
	}
	return readAnswer(response)
}

func TestNetHTTPMeetsFaults(t *testing.T) {
	tests := []struct {
		name, fault string
		want        string // in the error; "" for an answer
		taken       bool
	}{
		{"no fault", "", "", true},
		{"goaway that leaves it in", "kind: goaway", "", true},
		{"goaway that leaves it out", "kind: goaway, last_stream: none", "graceful shutdown GOAWAY", false},
		{"goaway, then the end", "kind: goaway, then: close, reason: Shutdown", `LastStreamID=1, ErrCode=NO_ERROR, debug="{\"reason\":\"Shutdown\"}"`, true},
		{"goaway twice", "kind: goaway_twice", "", true},
		{"goaway at first", "kind: goaway, on: ready, then: stay", "", false}, // any of several words: see below
		{"close", "kind: close", "EOF", true},
		{"reset", "kind: reset", "", true}, // a reset or an EOF: see below
		{"half close", "kind: half_close", "EOF", true},
		{"stall", "kind: stall", "deadline exceeded", true},
		{"black hole", "kind: black_hole", "client connection lost", true},
		{"black hole of requests", "kind: black_hole, lose: requests", "client connection lost", false},
		{"garbage", "kind: garbage", "frame too large", true},
		{"oversized frame", "kind: garbage, garbage: frame", "frame too large", true},
		{"bad header", "kind: garbage, garbage: hpack", "COMPRESSION_ERROR", true},
		{"refused", "kind: refuse_stream", "REFUSED_STREAM", false},
		{"cancelled", "kind: refuse_stream, code: INTERNAL_ERROR", "INTERNAL_ERROR", false},
		{"no streams", "kind: max_streams, streams: 0, on: ready", "deadline exceeded", false},
		{"small window", "kind: window, bytes: 1", "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			script := ""
			if test.fault != "" {
				script = "faults: [{" + test.fault + "}]"
			}
			s := play(t, script, nil)
			health, patience := time.Duration(0), 10*time.Second
			switch {
			case strings.HasPrefix(test.name, "black hole"):
				health = 50 * time.Millisecond
			case test.want == "deadline exceeded":
				patience = 100 * time.Millisecond
			}
			conn, err := s.clientConn(health)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if test.name == "no streams" {
				until(t, func() bool { return conn.Available() == 0 })
			}
			answer, err := try(ctx, conn, s.URL())
			switch {
			case test.name == "goaway at first", test.name == "reset":
				if err == nil {
					t.Error("it was answered")
				}
			case test.want == "" && (err != nil || answer.status != 200):
				t.Errorf("%v, %v", answer, err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("it ends with %v, want %q", err, test.want)
			}
			if taken := s.taken() != ""; taken != test.taken {
				t.Errorf("taken %v, want %v", taken, test.taken)
			}
		})
	}
}

func TestNetHTTPMeetsOddAnswers(t *testing.T) {
	internal, refused := errCode("INTERNAL_ERROR", 0), errCode("REFUSED_STREAM", 0)
	var mu sync.Mutex
	var next h2sim.Response
	s := play(t, "", func(o *EndpointOptions) {
		o.HTTP1 = true
		o.Connect = answering(func(*h2sim.Request) h2sim.Response {
			mu.Lock()
			defer mu.Unlock()
			return next
		}).connect
	})
	tests := []struct {
		name   string
		answer h2sim.Response
		want   string // in the error over HTTP/2; "" for an answer, over both
	}{
		{"trailers", h2sim.Response{Status: 200, Body: []byte("x"), Trailer: h2sim.Fields{{Name: "x-end", Value: "1"}}}, ""},
		{"early hints", h2sim.Response{Status: 200, Body: []byte("x"), Informational: []int{103}}, ""},
		{"latency", h2sim.Response{Status: 200, Body: []byte("x"), Latency: 20 * time.Millisecond}, ""},
		{"large header", h2sim.Response{Status: 200, Body: []byte("x"), Header: h2sim.Fields{{Name: "x-filler", Value: strings.Repeat("x", 20_000)}}}, ""},
		{"larger header", h2sim.Response{Status: 200, Header: h2sim.Fields{{Name: "x-filler", Value: strings.Repeat("x", 40_000)}}}, "COMPRESSION_ERROR"},
		{"reset", h2sim.Response{Reset: &internal}, "INTERNAL_ERROR"},
		{"refused", h2sim.Response{Reset: &refused}, "REFUSED_STREAM"},
		{"reset in the middle", h2sim.Response{Status: 200, Body: make([]byte, 100), Reset: &internal}, "INTERNAL_ERROR"},
		{"never", h2sim.Response{Never: true}, "deadline exceeded"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			mu.Lock()
			next = test.answer
			mu.Unlock()
			for _, h2 := range []bool{true, false} {
				hints := 0
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				if test.answer.Never {
					cancel()
					ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
				}
				traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error { hints++; return nil }})
				answer, err := s.roundTrip(traced, h2)
				cancel()
				switch {
				case test.want == "" && (err != nil || answer.status != 200 || answer.body != "x"):
					t.Errorf("h2 %v: %v, %v", h2, answer, err)
				case test.want == "" && (hints != len(test.answer.Informational) || answer.trailer.Get("x-end") != test.answer.Trailer.Get("x-end")):
					t.Errorf("h2 %v: %d hints, trailers %v", h2, hints, answer.trailer)
				case test.want != "" && (err == nil || h2 && !strings.Contains(err.Error(), test.want)):
					t.Errorf("h2 %v: it ends with %v, want %q", h2, err, test.want)
				}
			}
		})
	}
}

// roundTrip sends one request on a connection of its own.
func (s *scene) roundTrip(ctx context.Context, h2 bool) (got, error) {
	if h2 {
		conn, err := s.clientConn(0)
		if err != nil {
			return got{}, err
		}
		return try(ctx, conn, s.URL())
	}
	client := testClient(s.t, s.authority, true, false)
	client.Transport.(*http.Transport).MaxResponseHeaderBytes = 32 << 10 //nolint:forcetypeassert // made by testClient
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+"/x", strings.NewReader("{}"))
	if err != nil {
		return got{}, err
	}
	response, err := client.Do(request)
	if err != nil {
		return got{}, err
	}
	return readAnswer(response)
}

func TestNetHTTPMeetsADeadServer(t *testing.T) {
	s := play(t, "phases: [{for: 1h, fault: {kind: down}}]", nil)
	until(t, func() bool { return !s.State().Listening })
	if _, err := s.clientConn(0); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connecting ends with %v", err)
	}
	s.script("faults: [{kind: tls_alert, alert: certificate_expired}]")
	if _, err := s.clientConn(0); err == nil || !strings.Contains(err.Error(), "expired certificate") {
		t.Errorf("connecting ends with %v", err)
	}
}

// A pool of net/http dials anew after a GOAWAY and sends again what was left out: all are answered, each taken once.
func TestNetHTTPSurvivesGoAways(t *testing.T) {
	s := play(t, "faults: [{kind: goaway, after: 20, catch: 5, last_stream: mid, patience: 20ms}]", nil)
	client := testClient(t, s.authority, false, true)
	var all sync.WaitGroup
	slots := make(chan struct{}, 10)
	for range 200 {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			response, err := client.Post(s.URL()+"/x", "", strings.NewReader("{}"))
			if err != nil {
				t.Error(err)
				return
			}
			response.Body.Close()
		})
	}
	all.Wait()
	if taken := len(strings.Fields(s.taken())); taken != 200 {
		t.Errorf("%d were taken", taken)
	}
	if state := s.State(); state.Accepted < 8 || state.Mistakes != 0 {
		t.Errorf("%+v", state)
	}
}
