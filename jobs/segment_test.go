package jobs

import (
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var cmpSegment = cmp.Options{cmpJob, cmpopts.IgnoreFields(Segment{}, "Body")}

// wholeSegment is a job of five recipients as it came from PUSH_JOBS.
func wholeSegment(t testing.TB) *Segment {
	t.Helper()
	const body = `{"title":"T","ids":["a0","a1","a2","a3","a4"],"message":"<caf\u00e9>","id":"promo-7"}`
	return NewSegment(mustDecode(t, APNS, body), []byte(body), LaneNormal, "other", 7, at("2026-11-23T10:00:00.123Z"))
}

func roundTrip(t testing.TB, s *Segment) *Segment {
	t.Helper()
	header, body, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeSegment(s.Tail().WorkSubject(), header, body)
	if err != nil {
		t.Fatalf("%v: %s: %v", header, body, err)
	}
	if string(got.Body) != string(body) {
		t.Error("the body is not kept")
	}
	return got
}

func TestWholeSegmentCarriesTheOriginalBytes(t *testing.T) {
	const body = "{ \"ids\":\"ab\",\n\"message\":\"caf\\u00e9\" }"
	s := NewSegment(mustDecode(t, APNS, body), []byte(body), LaneHigh, "", 7, at("2026-11-23T10:00:00.123Z"))
	if s.JobID != "PUSH_JOBS-7-"+base36(s.Published.UnixMilli()) || s.Explicit || !s.Whole || s.Segments != 1 || s.Total != 1 {
		t.Errorf("%+v", s)
	}
	header, encoded, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if string(encoded) != body || string(s.Body) != body {
		t.Errorf("body became %s", encoded)
	}
	want := map[string][]string{
		"Volley-Schema": {"1"}, "Volley-Segments": {"1"}, "Volley-Total": {"1"}, "Volley-Published": {"2026-11-23T10:00:00.123Z"},
		"Volley-Fingerprint": {Fingerprint([]byte(body))},
	}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(s, roundTrip(t, s), cmpSegment); diff != "" {
		t.Error(diff)
	}
}

func TestNumberedSegmentCarriesItsRecipientsOnly(t *testing.T) {
	sub := wholeSegment(t).Sub([]int{0, 2, 5}, 1)
	if got := sub.Tail().String(); got != "apns.default.normal.promo-7.1.0" {
		t.Error(got)
	}
	header, body, err := sub.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"id":"promo-7","ids":["a2","a3","a4"],"message":"<café>","title":"T"}`; string(body) != want {
		t.Errorf("body\n%s\nwant\n%s", body, want)
	}
	want := map[string][]string{
		"Volley-Schema": {"1"}, "Volley-Segments": {"2"}, "Volley-Total": {"5"}, "Volley-Published": {"2026-11-23T10:00:00.123Z"},
		"Volley-Fingerprint": {wholeSegment(t).Fingerprint}, "Volley-Positions": {"2-4"}, "Volley-Explicit": {"true"},
	}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Error(diff)
	}
	got := roundTrip(t, sub)
	if diff := cmp.Diff(sub, got, cmpSegment); diff != "" {
		t.Error(diff)
	}
	for i, want := range []int{2, 3, 4} {
		if got.Position(i) != want {
			t.Errorf("recipient %d stands at %d", i, got.Position(i))
		}
	}
}

func TestIDsKeepTheirPlaceAmongTheKeys(t *testing.T) {
	for body, want := range map[string]string{
		`{"ids":"a0"}`:                                `{"ids":["a0"]}`,
		`{"badge":1,"ids":["a0"]}`:                    `{"badge":1,"ids":["a0"]}`,
		`{"title":"t","ids":["a0"],"app":"shop"}`:     `{"app":"shop","ids":["a0"],"title":"t"}`,
		`{"ids":["a\"\\\u0001\u00e9"],"badge": null}`: `{"badge":null,"ids":["a\"\\\u0001é"]}`,
	} {
		if got := string(mustDecode(t, APNS, body).encode()); got != want {
			t.Errorf("%s became %s, want %s", body, got, want)
		}
	}
	if got := string(mustDecode(t, GCM, `{"topic":"/topics/t","message":null}`).encode()); got != `{"message":null,"topic":"/topics/t"}` {
		t.Error(got)
	}
}

func TestTriesTravelInGroups(t *testing.T) {
	s := wholeSegment(t).Sub([]int{0, 5}, 0)
	due := at("2026-11-23T10:05:00.5Z")
	busy := Try{Attempts: 1, NotBefore: due, Reason: "ServiceUnavailable", Status: 503}
	sameMoment := busy
	sameMoment.NotBefore = due.In(time.FixedZone("", 3600))
	s.Round = 3
	s.Tries = []Try{busy, {}, sameMoment, {Attempts: 2}, busy}
	s.Prior, s.Requeued = json.RawMessage("{\"sent\":\n 4}"), true
	header, _, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"n":"0,2,4","attempts":1,"not_before":"2026-11-23T10:05:00.5Z","reason":"ServiceUnavailable","status":503},{"n":"3","attempts":2}]`
	if got := header[HeaderTries][0]; got != want {
		t.Errorf("tries %s", got)
	}
	if got := header[HeaderPrior][0]; got != `{"sent":4}` {
		t.Errorf("prior %q is not one line", got)
	}
	got := roundTrip(t, s)
	s.Prior = json.RawMessage(`{"sent":4}`)
	if diff := cmp.Diff(s, got, cmpSegment); diff != "" {
		t.Error(diff)
	}
}

func TestSegmentOfATopic(t *testing.T) {
	const body = `{"topic":"news","message":"m"}`
	s := NewSegment(mustDecode(t, GCM, body), []byte(body), LaneBulk, "digest-1", 7, at("2026-11-23T10:00:00Z"))
	if diff := cmp.Diff(s, roundTrip(t, s), cmpSegment); diff != "" {
		t.Error(diff)
	}
	retry := *s
	retry.Whole, retry.Round, retry.Positions, retry.Tries = false, 1, []int{0}, []Try{{Attempts: 1}}
	if diff := cmp.Diff(&retry, roundTrip(t, &retry), cmpSegment); diff != "" {
		t.Error(diff)
	}
}

func TestSubOfASplitLeavesTheWholeAlone(t *testing.T) {
	whole := wholeSegment(t)
	whole.Tries = []Try{{Attempts: 1}, {Attempts: 2}, {Attempts: 3}, {Attempts: 4}, {Attempts: 5}}
	before := *whole
	sub := whole.Sub([]int{0, 2, 5}, 0)
	sub.Positions[0], sub.Job.IDs = 9, append(sub.Job.IDs, NewToken("zz"))
	sub.Tries = append(sub.Tries, Try{})
	if diff := cmp.Diff(&before, whole, cmpSegment); diff != "" {
		t.Error(diff)
	}
	if whole.Job.IDs[2].Reveal() != "a2" || whole.Tries[2].Attempts != 3 {
		t.Error("a segment writes into its neighbour")
	}
}

func TestDecodeSegmentRefuses(t *testing.T) {
	sub := wholeSegment(t).Sub([]int{0, 2, 5}, 1)
	sub.Tries = []Try{{Attempts: 1}, {}, {Attempts: 2}}
	header, body, err := sub.Encode()
	if err != nil {
		t.Fatal(err)
	}
	whole := wholeSegment(t)
	wholeHeader, wholeBody, err := whole.Encode()
	if err != nil {
		t.Fatal(err)
	}
	const subject = "push.work.apns.default.normal.promo-7.1.0"
	const wholeSubject = "push.work.apns.default.normal.promo-7.all.0"
	if _, err := DecodeSegment(subject, header, body); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, subject string
		whole         bool
		key           string
		values        []string
		body          string
		want          string
	}{
		{name: "subject", subject: "push.apns", want: "not one of a segment"},
		{name: "app", subject: "push.work.apns.shop.normal.promo-7.1.0", want: `is for app "default"`},
		{name: "job id", subject: "push.work.apns.default.normal.promo-8.1.0", want: "another id in its body"},
		{name: "platform", subject: "push.work.gcm.default.normal.promo-7.1.0", want: "title: is an APNs option"},
		{name: "segment number", subject: "push.work.apns.default.normal.promo-7.2.0", want: "number 2 of 2 segments"},
		{name: "body", body: `{`, want: "not JSON"},
		{name: "fewer recipients", body: `{"ids":["a2","a3"]}`, want: "more than 2 indexes"},
		{name: "more recipients", body: `{"ids":["a2","a3","a4","a5"]}`, want: "4 recipients and 3 positions"},
		{name: "no schema", key: HeaderSchema, want: "Volley-Schema is missing"},
		{name: "schema 0", key: HeaderSchema, values: []string{"0"}, want: "never was a schema 0"},
		{name: "schema x", key: HeaderSchema, values: []string{"x"}, want: "not a number"},
		{name: "two schemas", key: HeaderSchema, values: []string{"1", "1"}, want: "there twice"},
		{name: "no segments", key: HeaderSegments, want: "Volley-Segments is missing"},
		{name: "more segments than recipients", key: HeaderSegments, values: []string{"6"}, want: "number 1 of 6 segments for 5"},
		{name: "no total", key: HeaderTotal, want: "Volley-Total is missing"},
		{name: "total too small", key: HeaderTotal, values: []string{"4"}, want: "not within the total of 4"},
		{name: "total far too small", key: HeaderTotal, values: []string{"2"}, want: "3 recipients of a total of 2"},
		{name: "total too large", key: HeaderTotal, values: []string{"1048577"}, want: "3 recipients of a total of 1048577"},
		{name: "negative total", key: HeaderTotal, values: []string{"-1"}, want: "not a number"},
		{name: "no fingerprint", key: HeaderFingerprint, want: "fingerprint is not one"},
		{name: "fingerprint", key: HeaderFingerprint, values: []string{strings.Repeat("A", 26)}, want: "fingerprint is not one"},
		{name: "no time", key: HeaderPublished, want: "not a time"},
		{name: "time", key: HeaderPublished, values: []string{"yesterday"}, want: "not a time"},
		{name: "explicit", key: HeaderExplicit, values: []string{"false"}, want: `not one "true"`},
		{name: "requeued twice", key: HeaderRequeued, values: []string{"true", "true"}, want: `not one "true"`},
		{name: "prior", key: HeaderPrior, values: []string{"{"}, want: "not JSON"},
		{name: "no positions", key: HeaderPositions, want: "recipient that the segment does not have"},
		{name: "too few positions", key: HeaderPositions, values: []string{"2-3"}, want: "recipient that the segment does not have"},
		{name: "too many positions", key: HeaderPositions, values: []string{"1-4"}, want: "more than 3 indexes"},
		{name: "huge positions", key: HeaderPositions, values: []string{"0-2147483647"}, want: "more than 3 indexes"},
		{name: "positions out of order", key: HeaderPositions, values: []string{"2,4,3"}, want: "not ascending"},
		{name: "positions beyond the total", key: HeaderPositions, values: []string{"2,4-5"}, want: "not within the total"},
		{name: "tries of a stranger", key: HeaderTries, values: []string{`[{"n":"1","attempts":1}]`}, want: "does not have"},
		{name: "tries twice", key: HeaderTries, values: []string{`[{"n":"2","attempts":1},{"n":"2-3","attempts":1}]`}, want: "one twice"},
		{name: "huge tries", key: HeaderTries, values: []string{`[{"n":"0-2147483647","attempts":1}]`}, want: "more than 3 indexes"},
		{name: "nobody's tries", key: HeaderTries, values: []string{`[{"n":"","attempts":1}]`}, want: "empty group"},
		{name: "negative tries", key: HeaderTries, values: []string{`[{"n":"2","attempts":-1}]`}, want: "out of range"},
		{name: "too many tries", key: HeaderTries, values: []string{`[{"n":"2","attempts":1048577}]`}, want: "out of range"},
		{name: "tries with a status", key: HeaderTries, values: []string{`[{"n":"2","attempts":1,"status":1000}]`}, want: "out of range"},
		{name: "tries with a story", key: HeaderTries, values: []string{`[{"n":"2","attempts":1,"reason":"` + strings.Repeat("r", 257) + `"}]`}, want: "out of range"},
		{name: "tries with more", key: HeaderTries, values: []string{`[{"n":"2","attempts":1,"x":1}]`}, want: "another form"},
		{name: "tries of another type", key: HeaderTries, values: []string{`[{"n":2}]`}, want: "another form"},
		{name: "tries no list", key: HeaderTries, values: []string{`{}`}, want: "not a list"},
		{name: "tries empty", key: HeaderTries, values: []string{``}, want: "not a list"},
		{name: "tries cut off", key: HeaderTries, values: []string{`[{"n":"2","attempts":1}`}, want: "cut off"},
		{name: "tries and more", key: HeaderTries, values: []string{`[]]`}, want: "behind its list"},
		{name: "tries and another list", key: HeaderTries, values: []string{`[] []`}, want: "behind its list"},
		{name: "whole with positions", whole: true, key: HeaderPositions, values: []string{"0-4"}, want: "whole and also a part"},
		{name: "whole of two segments", whole: true, key: HeaderSegments, values: []string{"2"}, want: "whole and also a part"},
		{name: "whole of a larger total", whole: true, key: HeaderTotal, values: []string{"6"}, want: "whole and also a part"},
		{name: "whole with another body", whole: true, body: `{"ids":["a0","a1","a2","a3","a4"],"id":"promo-7"}`, want: "not the one that its fingerprint is of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, h, b := subject, maps.Clone(header), body
			if c.whole {
				s, h, b = wholeSubject, maps.Clone(wholeHeader), wholeBody
			}
			if c.subject != "" {
				s = c.subject
			}
			if c.body != "" {
				b = []byte(c.body)
			}
			if delete(h, c.key); c.values != nil {
				h[c.key] = c.values
			}
			_, err := DecodeSegment(s, h, b)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if errors.Is(err, ErrNewerSegment) {
				t.Error("taken for a newer segment")
			}
		})
	}
}

// A worker of this version leaves what a newer one wrote, even if it can't read the rest of it.
func TestNewerSegmentIsRecognised(t *testing.T) {
	header, _, err := wholeSegment(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	header[HeaderSchema] = []string{strconv.Itoa(SegmentSchema + 1)}
	if _, err := DecodeSegment("push.work.apns.default.normal.promo-7.all.0", header, []byte("?")); !errors.Is(err, ErrNewerSegment) {
		t.Error(err)
	}
}

func TestSegmentRecipientsLimit(t *testing.T) {
	ids := strings.TrimSuffix(strings.Repeat(`"ab",`, MaxSegmentRecipients+1), ",")
	body := `{"ids":[` + ids + `]}`
	whole := NewSegment(mustDecode(t, APNS, body), []byte(body), LaneNormal, "", 1, at("2026-11-23T10:00:00Z"))
	if diff := cmp.Diff(whole, roundTrip(t, whole), cmpSegment); diff != "" {
		t.Errorf("a parked job may be larger than a segment: %s", diff)
	}
	roundTrip(t, whole.Sub([]int{0, MaxSegmentRecipients, MaxSegmentRecipients + 1}, 0))
	if _, _, err := whole.Sub([]int{0, MaxSegmentRecipients + 1}, 0).Encode(); err == nil || !strings.Contains(err.Error(), "more than 1000") {
		t.Error(err)
	}
}

func TestEncodeRefusesWhatContradictsItself(t *testing.T) {
	for name, spoil := range map[string]func(*Segment){
		"no job":           func(s *Segment) { s.Job = nil },
		"job by hand":      func(s *Segment) { s.Job = &Job{Platform: APNS, IDs: s.Job.IDs, APNS: &APNSOptions{}} },
		"no recipients":    func(s *Segment) { job := *s.Job; job.IDs = nil; s.Job = &job },
		"positions":        func(s *Segment) { s.Positions = s.Positions[1:] },
		"no positions":     func(s *Segment) { s.Positions = nil },
		"falling":          func(s *Segment) { s.Positions[0] = 9 },
		"tries":            func(s *Segment) { s.Tries = []Try{{}} },
		"prior":            func(s *Segment) { s.Prior = json.RawMessage("{") },
		"fingerprint":      func(s *Segment) { s.Fingerprint = "x" },
		"another id":       func(s *Segment) { s.JobID = "x" },
		"negative number":  func(s *Segment) { s.Number = -1 },
		"whole and a part": func(s *Segment) { s.Whole = true },
		"not a year": func(s *Segment) {
			s.Tries = make([]Try, 3)
			s.Tries[0].NotBefore = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
		},
	} {
		s := wholeSegment(t).Sub([]int{0, 2, 5}, 1)
		spoil(s)
		if _, _, err := s.Encode(); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

func TestSegmentRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := map[string]any{"ids": rapid.SliceOfN(rapid.String(), 1, 40).Draw(t, "ids")}
		add := func(name string, v any) {
			if rapid.Bool().Draw(t, "has "+name) {
				fields[name] = v
			}
		}
		add("message", rapid.String().Draw(t, "message"))
		add("title", rapid.String().Draw(t, "title"))
		add("extra", map[string]any{"k": rapid.MapOf(rapid.String(), rapid.Float64()).Draw(t, "extra")})
		add("loc_args", rapid.SliceOf(rapid.String()).Draw(t, "loc_args"))
		add("expiration", rapid.IntRange(0, MaxExpiration).Draw(t, "expiration"))
		add("id", rapid.StringMatching(`[A-OQ-Za-z0-9][A-Za-z0-9_-]{0,63}`).Draw(t, "id"))
		add("app", rapid.StringMatching(`[a-z0-9][a-z0-9_-]{0,31}`).Draw(t, "app"))
		body, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		job, err := Decode(APNS, body)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		s := NewSegment(job, body, rapid.SampledFrom(Lanes()).Draw(t, "lane"), "", rapid.Uint64().Draw(t, "sequence"), at("2026-11-23T10:00:00.123456789Z"))
		s.Explicit, s.Requeued = rapid.Bool().Draw(t, "explicit"), rapid.Bool().Draw(t, "requeued")
		s.Round = rapid.IntRange(0, 1<<31-1).Draw(t, "round")
		if n := len(job.IDs); rapid.Bool().Draw(t, "split") {
			cut := rapid.IntRange(0, n-1).Draw(t, "cut")
			bounds := []int{0, n}
			if cut > 0 {
				bounds = []int{0, cut, n}
			}
			s = s.Sub(bounds, len(bounds)-2)
		}
		if rapid.Bool().Draw(t, "tried") {
			s.Tries = make([]Try, len(s.Job.IDs))
			for i := range s.Tries {
				s.Tries[i] = rapid.SampledFrom([]Try{
					{}, {Attempts: 1}, {Attempts: 1, Reason: "TooManyRequests", Status: 429}, {Attempts: 2, NotBefore: at("2026-11-23T10:00:01.000000001Z")},
				}).Draw(t, "try")
			}
		}
		header, encoded, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeSegment(s.Tail().LaterSubject(), header, encoded)
		if err != nil {
			t.Fatalf("%v %s: %v", header, encoded, err)
		}
		if header[HeaderTries] == nil {
			s.Tries = nil
		}
		if diff := cmp.Diff(s, got, cmpSegment); diff != "" {
			t.Fatal(diff)
		}
		if len(encoded) > len(body)+2 {
			t.Fatalf("a part is longer than the whole: %s", encoded)
		}
	})
}
