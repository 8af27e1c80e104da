package simulator

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2"
)

const (
	// maxFor bounds the durations of faults and phases.
	maxFor = 24 * time.Hour
	// maxCatch bounds Fault.Catch: more streams than any provider allows at once.
	maxCatch = 100_000
	// defaultPatience is Fault.Patience.
	defaultPatience = time.Second
)

// Values of Fault.On.
const (
	onConnect = "connect"
	onReady   = "ready"
	onRequest = "request"
)

// traits are what a kind can be told: the stages it may strike at, the first being its default in a phase, and the details
// it takes.
type traits struct {
	stages  []string
	details []string
}

// kinds has one row per kind.
var kinds = map[Kind]traits{
	GoAway:       {[]string{onReady, onRequest}, []string{"last_stream", "code", "reason", "debug", "then"}},
	GoAwayTwice:  {[]string{onReady, onRequest}, []string{"last_stream", "code", "reason", "debug", "then"}},
	Reset:        {[]string{onConnect, onReady, onRequest}, []string{"lose"}},
	Close:        {[]string{onConnect, onReady, onRequest}, []string{"lose"}},
	HalfClose:    {[]string{onReady, onRequest}, []string{"lose"}},
	Stall:        {[]string{onReady, onRequest}, []string{"for"}},
	BlackHole:    {[]string{onConnect, onReady, onRequest}, []string{"lose", "for"}},
	Garbage:      {[]string{onReady, onConnect, onRequest}, []string{"lose", "garbage", "text"}},
	RefuseStream: {[]string{onRequest}, []string{"code"}},
	MaxStreams:   {[]string{onReady, onRequest}, []string{"streams", "for"}},
	Window:       {[]string{onReady}, []string{"bytes"}},
	TLSAlert:     {[]string{onConnect}, []string{"alert"}},
	Down:         {[]string{onConnect, onRequest}, []string{"for"}},
}

// stage is On with its default.
func (f *Fault) stage(inPhase bool) string {
	switch {
	case f.On != "":
		return f.On
	case inPhase && f.After == 0 && f.Catch == 0 || f.At > 0:
		return kinds[f.Kind].stages[0]
	case slices.Contains(kinds[f.Kind].stages, onRequest):
		return onRequest
	}
	return kinds[f.Kind].stages[0]
}

// details are the names of the details that are set.
func (f *Fault) details() []string {
	var set []string
	for _, d := range []struct {
		name string
		is   bool
	}{
		{"last_stream", f.LastStream != ""},
		{"code", f.Code != ""},
		{"reason", f.Reason != ""},
		{"debug", f.Debug != ""},
		{"then", f.Then != ""},
		{"lose", f.Lose != ""},
		{"for", f.For != 0},
		{"streams", f.Streams != nil},
		{"bytes", f.Bytes != 0},
		{"garbage", f.Garbage != ""},
		{"text", f.Text != ""},
		{"alert", f.Alert != ""},
	} {
		if d.is {
			set = append(set, d.name)
		}
	}
	return set
}

func (f *Fault) validate(inPhase bool) error {
	t, known := kinds[f.Kind]
	if !known {
		return fmt.Errorf("kind %q is not one of %s", f.Kind, kindNames())
	}
	if err := checkPlatform(f.Platform); err != nil {
		return err
	}
	if err := f.validateTime(t, inPhase); err != nil {
		return err
	}
	for _, name := range f.details() {
		if !slices.Contains(t.details, name) {
			return fmt.Errorf("%s does not go with %s", name, f.Kind)
		}
	}
	return f.validateDetails(inPhase)
}

// validateTime checks when the fault strikes.
func (f *Fault) validateTime(t traits, inPhase bool) error {
	counts := f.After != 0 || f.Catch != 0 || f.Patience != 0 || f.Again
	stage := f.stage(inPhase)
	switch {
	case f.On != "" && !slices.Contains(t.stages, f.On):
		return fmt.Errorf("%s cannot strike on %q, only on %s", f.Kind, f.On, strings.Join(t.stages, ", "))
	case f.After < 0 || f.Times < 0:
		return fmt.Errorf("after and times cannot be negative")
	case f.Catch < 0 || f.Catch > maxCatch:
		return fmt.Errorf("catch %d is not within 0 and %d", f.Catch, maxCatch)
	case f.Patience < 0 || f.At < 0 || f.For < 0 || max(time.Duration(f.Patience), time.Duration(f.At), time.Duration(f.For)) > maxFor:
		return fmt.Errorf("patience, at and for must be within 0 and %s", maxFor)
	case counts && stage != onRequest:
		return fmt.Errorf("after, catch, patience and again count requests; they do not go with striking on %s", stage)
	case f.At > 0 && (inPhase || counts || f.On != "" || f.Times != 0):
		return fmt.Errorf("at is a time of its own; it goes with no other time and not into a phase")
	case f.At > 0 && slices.Equal(t.stages, []string{onRequest}), f.At > 0 && f.Kind == TLSAlert, f.At > 0 && f.Kind == Window:
		return fmt.Errorf("%s does not strike open connections, so at does not go with it", f.Kind)
	case f.Catch > 1 && (f.Kind == Stall || f.Kind == Down):
		return fmt.Errorf("catch does not go with %s, which strikes with one request", f.Kind)
	case f.Kind == Down && !inPhase && f.On == onConnect:
		return fmt.Errorf("down on connect would never come up; use a phase, at, or after")
	}
	return nil
}

// validateDetails checks the details of the kinds that take them.
func (f *Fault) validateDetails(inPhase bool) error {
	choices := []struct{ name, value, allowed string }{
		{"last_stream", f.LastStream, "all mid none"},
		{"then", f.Then, "drain stay close reset"},
		{"lose", f.Lose, "answers requests"},
		{"garbage", f.Garbage, "http1 noise frame hpack tls"},
		{"alert", f.Alert, strings.Join(alertNames(), " ")},
		{"code", f.Code, strings.Join(codeNames(), " ")},
	}
	if f.Kind == BlackHole {
		choices[2].allowed = "answers requests nothing"
	}
	for _, c := range choices {
		if c.value != "" && !slices.Contains(strings.Fields(c.allowed), c.value) {
			return fmt.Errorf("%s %q is not one of %s", c.name, c.value, strings.ReplaceAll(c.allowed, " ", ", "))
		}
	}
	switch {
	case f.Reason != "" && f.Debug != "":
		return fmt.Errorf("reason and debug are the same data; give one")
	case f.Kind == MaxStreams && f.Streams == nil:
		return fmt.Errorf("max_streams needs streams")
	case f.Kind == Window && f.Bytes == 0:
		return fmt.Errorf("window needs bytes")
	case f.Bytes > 1<<31-1:
		return fmt.Errorf("bytes %d is more than a window can have, 2147483647", f.Bytes)
	case f.Text != "" && f.Garbage != "" && f.Garbage != "http1":
		return fmt.Errorf("text goes with the garbage http1")
	case f.Garbage == "hpack" && f.stage(inPhase) != onRequest:
		return fmt.Errorf("the garbage hpack is an answer; it goes with striking on request")
	case f.stage(inPhase) == onConnect && f.Garbage != "" && f.Garbage != "http1" && f.Garbage != "noise":
		return fmt.Errorf("the garbage %s needs a connection; before TLS there are http1 and noise", f.Garbage)
	case inPhase && f.For != 0:
		return fmt.Errorf("for belongs to the phase")
	case f.Kind == Down && !inPhase && f.For == 0:
		return fmt.Errorf("down needs for, how long")
	}
	return nil
}

func (p *Phase) validate(last bool) error {
	switch {
	case p.For < 0 || time.Duration(p.For) > maxFor:
		return fmt.Errorf("for %s is not within 0 and %s", time.Duration(p.For), maxFor)
	case p.For == 0 && !last:
		return fmt.Errorf("it needs for, how long; only the last one may be without end")
	case p.Answer != nil && p.Fault != nil:
		return fmt.Errorf("it has an answer and a fault; make it two phases")
	case p.Fault != nil && p.Fault.Platform != "":
		return fmt.Errorf("fault: platform belongs to the phase")
	case p.Fault != nil && p.Fault.Kind == Down && p.For == 0:
		return fmt.Errorf("down needs for, how long")
	}
	if err := checkPlatform(p.Platform); err != nil {
		return err
	}
	if p.Answer != nil {
		if p.Answer.Early && p.Platform != APNS {
			return fmt.Errorf("answer: %s", earlyNeedsPath)
		}
		if err := p.Answer.validate(); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
	if p.Fault != nil {
		if err := p.Fault.validate(true); err != nil {
			return fmt.Errorf("fault: %w", err)
		}
	}
	return nil
}

func checkPlatform(platform string) error {
	if platform != "" && platform != APNS && platform != GCM {
		return fmt.Errorf("platform %q is neither %s nor %s", platform, APNS, GCM)
	}
	return nil
}

func kindNames() string {
	names := make([]string, 0, len(kinds))
	for kind := range kinds {
		names = append(names, string(kind))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// codeNames are the error codes of RFC 9113 §7, in order.
func codeNames() []string {
	var names []string
	for code := http2.ErrCodeNo; code <= http2.ErrCodeHTTP11Required; code++ {
		names = append(names, code.String())
	}
	return names
}

// errCode is the code of a validated name; fallback for none.
func errCode(name string, fallback http2.ErrCode) http2.ErrCode {
	for code := http2.ErrCodeNo; code <= http2.ErrCodeHTTP11Required; code++ {
		if code.String() == name {
			return code
		}
	}
	return fallback
}

// debugData is what a GOAWAY of the fault says.
func (f *Fault) debugData() []byte {
	if f.Reason == "" {
		return []byte(f.Debug)
	}
	data, _ := json.Marshal(map[string]string{"reason": f.Reason}) // texts can always be marshalled
	return data
}

// alerts are the numbers of RFC 8446 §6.
var alerts = map[string]byte{
	"bad_certificate": 42, "certificate_revoked": 44, "certificate_expired": 45, "unknown_ca": 48, "access_denied": 49,
	"handshake_failure": 40, "protocol_version": 70, "internal_error": 80,
}

func alertNames() []string {
	names := make([]string, 0, len(alerts))
	for name := range alerts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// earlyNeedsPath says why an early answer cannot depend on a body.
const earlyNeedsPath = "early answers come before the body, and only platform apns has its recipient in the path"
