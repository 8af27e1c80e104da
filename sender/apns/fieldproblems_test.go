package apns

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns/apnstest"
	"github.com/volleypush/volley/sender/simulator"
)

// faultsFolder holds a script for each problem that users of Apple's service have reported (apns-http2 §12 to §15).
const faultsFolder = "../../examples/faults"

// fieldProblem is what a good client makes of a script, with 40 recipients in each call.
type fieldProblem struct {
	// reasons are those that recipients of the first call may end with, beside being accepted.
	reasons []string
	// accepted is how many of the first call are, at least.
	accepted int
	// connections is how many there may be in all; a client may add some while there are too few streams.
	connections int64
	// recovers is the call from which on everybody is accepted; 0 for none.
	recovers int
	// certificate says that the client has one instead of a key.
	certificate bool
	// silent says that answers stay away, so that the client should not wait for them for long.
	silent bool
	// over is how long after the beginning it is; 0 if that is not a matter of time.
	over time.Duration
}

func fieldProblems() map[string]fieldProblem {
	return map[string]fieldProblem{
		"wrong-environment-certificate": {reasons: []string{"BadCertificateEnvironment"}, connections: 3, certificate: true},
		"revoked-certificate":           {reasons: []string{CertificateRefused}, connections: 3, certificate: true},
		"revoked-key":                   {reasons: []string{"InvalidProviderToken"}, connections: 2},
		"too-many-streams":              {reasons: []string{GoAway}, accepted: 1, connections: 2, recovers: 2},
		"goaway-in-the-middle":          {reasons: []string{GoAway}, accepted: 1, connections: 2, recovers: 2},
		"goaway-then-cut":               {reasons: []string{AnswerLost, ConnectionLost, GoAway}, accepted: 1, connections: 2, recovers: 2},
		"graceful-goaway":               {reasons: []string{GoAway}, accepted: 1, connections: 2, recovers: 2},
		"goaway-while-idle":             {reasons: []string{GoAway}, connections: 2, recovers: 3, over: 100 * time.Millisecond},
		"expired-token-wedges":          {reasons: []string{"ExpiredProviderToken", NotBegun}, connections: 2, recovers: 2},
		"too-many-token-updates":        {reasons: []string{"TooManyProviderTokenUpdates", NotBegun}, connections: 2, recovers: 2},
		"unrelated-key":                 {reasons: []string{"UnrelatedKeyIdInToken", NotBegun}, connections: 2, recovers: 2},
		"one-stream-at-first":           {accepted: 40, connections: 4, recovers: 2},
		"one-stream-after-error":        {reasons: []string{"BadDeviceToken", RefusedStream}, accepted: 1, connections: 4},
		"no-streams-for-a-while":        {reasons: []string{RefusedStream}, accepted: 1, connections: 4, recovers: 2},
		"no-streams-at-first":           {accepted: 40, connections: 4, recovers: 2},
		"fewer-streams-than-open":       {reasons: []string{RefusedStream}, accepted: 1, connections: 4, recovers: 2},
		"refused-streams":               {reasons: []string{RefusedStream}, accepted: 35, connections: 1, recovers: 2},
		"reset-streams":                 {reasons: []string{AnswerLost, ConnectionLost}, accepted: 1, connections: 3}, // net/http ends the connection for some
		"answers-lost":                  {reasons: []string{AnswerLost, ConnectionLost}, accepted: 1, connections: 2, recovers: 2},
		"hangs-up":                      {reasons: []string{AnswerLost, ConnectionLost}, accepted: 1, connections: 2, recovers: 2},
		"half-open":                     {reasons: []string{AnswerTimeout, AnswerLost, ConnectionLost, NotBegun}, connections: 2, recovers: 3, silent: true},
		"stalled":                       {reasons: []string{AnswerTimeout, AnswerLost, ConnectionLost, NotBegun}, connections: 2, silent: true},
		"proxy-page":                    {reasons: []string{"Status502", "Status403"}, accepted: 10, connections: 1},
		"not-http2":                     {reasons: []string{AnswerLost, ConnectionLost, NotBegun}, accepted: 1, connections: 2, recovers: 2},
		"too-many-errors":               {reasons: []string{"BadDeviceToken", "Unregistered", GoAway}, accepted: 1, connections: 10},
		"throttled-device":              {reasons: []string{"TooManyRequests"}, accepted: 39, connections: 1, recovers: 2},
		"wrong-environment-tokens":      {reasons: []string{"BadDeviceToken"}, connections: 1},
		"gone":                          {reasons: []string{"Unregistered", "ExpiredToken"}, accepted: 10, connections: 1},
		"outage":                        {reasons: []string{"ServiceUnavailable", "InternalServerError", AnswerTimeout, AnswerLost, ConnectionFailed, ConnectionLost, NotBegun}, connections: 100, recovers: 3, over: 400 * time.Millisecond, silent: true},
	}
}

// TestFieldProblems runs every script of examples/faults. Whatever goes wrong: the ledger agrees with the outcomes recipient by recipient,
// and nobody gets two.
func TestFieldProblems(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(faultsFolder, "apns-*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		found = append(found, strings.TrimPrefix(strings.TrimSuffix(filepath.Base(file), ".yaml"), "apns-"))
	}
	problems := fieldProblems()
	if diff := cmp.Diff(slices.Sorted(maps.Keys(problems)), found); diff != "" {
		t.Fatalf("scripts and expectations: %s", diff)
	}
	for name, problem := range problems {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEngines(t, func(t *testing.T, e Engine) { meet(t, e, filepath.Join(faultsFolder, "apns-"+name+".yaml"), problem) })
		})
	}
}

func meet(t *testing.T, engine Engine, file string, problem fieldProblem) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	script, err := simulator.ParseScript(text)
	if err != nil {
		t.Fatal(err)
	}
	scripts := simulator.NewScripts()
	s := simulate(t, func(o *apnstest.Options, c *Config) {
		o.Scripts, c.Engine = scripts, engine
		c.RequestTimeout = 15 * time.Second
		if problem.silent {
			c.RequestTimeout = 400 * time.Millisecond
		}
		if problem.certificate {
			made, err := o.Authority.ClientCertificate("Apple Push Services: "+bundle, bundle)
			if err != nil {
				t.Fatal(err)
			}
			c.Key, c.Certificate = nil, &made
		}
	})
	began := time.Now()
	if err := scripts.Set(script); err != nil {
		t.Fatal(err)
	}
	const calls, each = 3, 40
	all := tokens(calls * each)
	out := deliver(t, s.Client, &Request{Tokens: all[:each]})
	counts := names(out)
	accepted := counts[""]
	delete(counts, "")
	for reason, n := range counts {
		if !slices.Contains(problem.reasons, reason) {
			t.Errorf("%d recipients end with %q, which is none of %q", n, reason, problem.reasons)
		}
	}
	if accepted < problem.accepted {
		t.Errorf("%d accepted, want at least %d: %v", accepted, problem.accepted, counts)
	}
	if problem.over > 0 {
		poll(t, func() bool { return time.Since(began) > problem.over && s.server.State().Listening && struck(scripts) })
	}
	for call := 2; call <= calls; call++ {
		next := deliver(t, s.Client, &Request{Tokens: all[len(out) : len(out)+each]})
		if problem.recovers > 0 && call >= problem.recovers && names(next)[""] != each {
			t.Errorf("call %d: %v, %v", call, names(next), s.LastFailure())
		}
		out = append(out, next...)
	}
	if got := s.server.State(); got.Accepted > problem.connections || got.Mistakes > 0 {
		t.Errorf("%+v", got)
	}
	compare(t, s.server.Ledger(), all, out)
}

// struck says whether every fault of a certain time has struck.
func struck(scripts *simulator.Scripts) bool {
	for _, f := range scripts.Faults().Faults {
		if f.Fault != nil && (f.Fault.At > 0 || f.Fault.Kind == simulator.Down) && f.Strikes == 0 {
			return false
		}
	}
	return true
}

// poll waits for a fact.
func poll(t *testing.T, fact func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for tick := time.NewTicker(2 * time.Millisecond); !fact(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it never happens")
		}
	}
}

// compare holds the outcomes against what arrived.
func compare(t *testing.T, ledger *simulator.Ledger, ids []string, out []sender.Outcome) {
	t.Helper()
	arrived := make(map[string]int)
	for n := range ledger.Each() {
		if n.Accepted() {
			arrived[n.Token]++
		}
	}
	for i, token := range ids {
		n := arrived[token]
		switch out[i].Class {
		case sender.Accepted:
			if n != 1 {
				t.Errorf("recipient %d is accepted and arrived %d times", i, n)
			}
		case sender.Uncertain:
			if n > 1 {
				t.Errorf("recipient %d is uncertain and arrived %d times", i, n)
			}
		case sender.Unset, sender.Rejected, sender.Expired, sender.BadJob, sender.Credential, sender.Transient, sender.Throttled, sender.Unsent:
			if n != 0 {
				t.Errorf("recipient %d is %s (%s) and arrived %d times", i, out[i].Class, out[i].Reason.Name, n)
			}
		}
	}
}
