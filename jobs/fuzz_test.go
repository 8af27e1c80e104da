package jobs

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzScanner holds our reader against encoding/json: both take the same texts, but for lone surrogates, which
// encoding/json replaces, and for depth.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[1,-0.5e+3,"\u00e9\ud83d\ude00",null,true,false]`, `{"a":{"a":[]},"a":1}`, `"\ud800"`, "\"\x7f\u2028\"", `01`, `1.`, `-`, `[1,]`, `{"a"}`, ` {"a" : [ ] } `,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := scanner{text: text}
		v, err := s.value()
		if s.space(); err == nil && s.pos < len(text) {
			err = s.fail("more")
		}
		if err != nil && (strings.Contains(err.Error(), "surrogate") || strings.Contains(err.Error(), "levels deep")) {
			return
		}
		if ours, theirs := err == nil, json.Valid([]byte(text)); ours != theirs {
			t.Fatalf("%q: ours %v, encoding/json %v", text, err, theirs)
		}
		if err != nil {
			return
		}
		canonical := v.canonical()
		if !json.Valid(canonical) {
			t.Fatalf("%q became %q", text, canonical)
		}
		again := value{v.kind, string(canonical)}
		if string(again.canonical()) != string(canonical) {
			t.Fatalf("%q became %q, then %q", text, canonical, again.canonical())
		}
	})
}

func fuzzDecode(f *testing.F, p Platform) {
	for _, c := range acceptedJobs() {
		if c.platform == p {
			f.Add([]byte(c.body))
		}
	}
	for _, c := range refusedJobs() {
		if c.platform == p {
			f.Add([]byte(c.body))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		job, err := Decode(p, body)
		if err != nil {
			var faults Faults
			if !errors.As(err, &faults) || len(faults) == 0 || len(faults) > MaxFaults+1 || job != nil {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if job.Recipients() == 0 {
			t.Fatal("accepted without recipients")
		}
		encoded := job.encode()
		if len(encoded) > len(body)+2 {
			t.Fatalf("%s became %s", body, encoded)
		}
		again, err := Decode(p, encoded)
		if err != nil {
			t.Fatalf("%s became %s: %v", body, encoded, err)
		}
		if diff := cmp.Diff(job, again, cmpJob); diff != "" {
			t.Fatalf("%s became %s: %s", body, encoded, diff)
		}
		if string(again.encode()) != string(encoded) {
			t.Fatalf("%s became %s, then %s", body, encoded, again.encode())
		}
	})
}

func FuzzDecodeAPNS(f *testing.F) { fuzzDecode(f, APNS) }

func FuzzDecodeGCM(f *testing.F) { fuzzDecode(f, GCM) }

func FuzzIdentify(f *testing.F) {
	f.Add([]byte(`{"id":"promo-7","app":"shop","ids":["ab"],"bagde":1}`))
	f.Add([]byte(`{"ids":"ab","app":7}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, p := range Platforms() {
			job := Identify(p, body)
			if job.ID != "" && !validID(job.ID) || job.App != "" && !validApp(job.App) || job.Campaign != "" && !validCampaign(job.Campaign) {
				t.Fatalf("%+v", job)
			}
		}
	})
}

func FuzzDecodeSegment(f *testing.F) {
	add := func(s *Segment) {
		header, body, err := s.Encode()
		if err != nil {
			f.Fatal(err)
		}
		one := func(name string) string { return strings.Join(header[name], "") }
		f.Add(s.Tail().WorkSubject(), one(HeaderSegments), one(HeaderTotal), one(HeaderPublished), one(HeaderFingerprint), one(HeaderPositions), one(HeaderTries), one(HeaderPrior), body)
	}
	whole := wholeSegment(f)
	add(whole)
	sub := whole.Sub([]int{0, 2, 5}, 1)
	sub.Tries, sub.Prior = []Try{{Attempts: 1}, {Reason: "Shutdown", Status: 503, NotBefore: whole.Published}, {}}, json.RawMessage(`{"sent":2}`)
	add(sub)
	f.Fuzz(func(t *testing.T, subject, segments, total, published, fingerprint, positions, tries, prior string, body []byte) {
		header := map[string][]string{HeaderSchema: {"1"}}
		for name, text := range map[string]string{
			HeaderSegments: segments, HeaderTotal: total, HeaderPublished: published, HeaderFingerprint: fingerprint,
			HeaderPositions: positions, HeaderTries: tries, HeaderPrior: prior,
		} {
			if text != "" {
				header[name] = []string{text}
			}
		}
		s, err := DecodeSegment(subject, header, body)
		if err != nil {
			return
		}
		encodedHeader, encoded, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeSegment(s.Tail().WorkSubject(), encodedHeader, encoded)
		if err != nil {
			t.Fatalf("%v %s: %v", encodedHeader, encoded, err)
		}
		if s.Prior != nil {
			s.Prior = value{kindObject, string(s.Prior)}.canonical()
			again.Prior = value{kindObject, string(again.Prior)}.canonical()
		}
		if encodedHeader[HeaderTries] == nil {
			s.Tries = nil
		}
		if diff := cmp.Diff(s, again, cmpSegment); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzParseTail(f *testing.F) {
	for _, seed := range []string{
		"push.work.apns.default.normal.promo-7.3.0", "push.later.gcm.shop.high.PUSH_JOBS-7-mib9x2i3.all.12", "push.work.apns.default.normal.j.01.0", "push.apns",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		tail, err := ParseTail(subject)
		if err != nil {
			return
		}
		if subject != tail.WorkSubject() && subject != tail.LaterSubject() {
			t.Fatalf("%q is read as %q", subject, tail)
		}
	})
}
