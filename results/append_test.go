package results

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/volleypush/volley/jobs"
)

// What is appended by hand is what encoding/json writes, whatever an event holds.
func TestAppendedIsWhatEncodingJSONWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		w := e.wire()
		got, err := w.appendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(&w); err != nil {
			t.Fatal(err)
		}
		if string(got)+"\n" != want.String() {
			t.Fatalf("\n got %s\nwant %s", got, want.String())
		}
	})
}

func drawEvent(t *rapid.T) *Event {
	text := rapid.OneOf(rapid.Just(""), rapid.String(), rapid.StringMatching(`[a-zA-Z0-9<>&'"\\/\x00-\x1f\x7f]{0,12}`), rapid.Just("\xff\u2028\u2029"))
	number := rapid.IntRange(-1, 1<<40)
	when := rapid.Map(rapid.Int64Range(0, 1<<33), func(s int64) time.Time { return time.Unix(s, s%1e9).In(time.FixedZone("", 3600)) })
	indexes := rapid.Map(rapid.SliceOfN(rapid.IntRange(0, 50), 0, 6), func(x []int) jobs.Indexes { return x })
	failure := rapid.Custom(func(t *rapid.T) Failure {
		return Failure{
			Index: number.Draw(t, "index"), Token: text.Draw(t, "token"), Error: text.Draw(t, "error"),
			Code:   Code(rapid.SampledFrom([]string{"", "8", "0", "08", "NotRegistered", "255"}).Draw(t, "code")),
			Reason: text.Draw(t, "reason"), Status: number.Draw(t, "status"), Description: text.Draw(t, "description"), Action: Action(text.Draw(t, "action")),
		}
	})
	e := &Event{
		V: 1, Kind: Kind(text.Draw(t, "kind")), ID: text.Draw(t, "id"), Platform: jobs.APNS, App: text.Draw(t, "app"), Job: text.Draw(t, "job"),
		Campaign: text.Draw(t, "campaign"), Segment: number.Draw(t, "segment"), Segments: number.Draw(t, "segments"), Round: number.Draw(t, "round"),
		Attempt: number.Draw(t, "attempt"), Recipients: number.Draw(t, "recipients"), Sent: number.Draw(t, "sent"),
		Failures: rapid.SliceOfN(failure, 0, 3).Draw(t, "failures"),
		Done:     rapid.Bool().Draw(t, "done"), Requeued: rapid.Bool().Draw(t, "requeued"), State: text.Draw(t, "state"), Detail: text.Draw(t, "detail"),
		Reading: text.Draw(t, "reading"), Fingerprint: text.Draw(t, "fingerprint"), At: when.Draw(t, "at"), Worker: text.Draw(t, "worker"),
	}
	for range rapid.IntRange(0, 2).Draw(t, "lists") {
		e.ExpiredTokens = append(e.ExpiredTokens, ExpiredToken{Failure: failure.Draw(t, "expired"), Timestamp: int64(number.Draw(t, "s")), TimestampMS: int64(number.Draw(t, "ms"))})
		e.CanonicalIDs = append(e.CanonicalIDs, CanonicalID{Index: number.Draw(t, "c"), OldID: text.Draw(t, "old"), NewID: text.Draw(t, "new")})
		e.Uncertain = append(e.Uncertain, Uncertain{Index: number.Draw(t, "u"), Token: text.Draw(t, "ut"), Reason: text.Draw(t, "ur")})
		e.Skipped = append(e.Skipped, Skipped{Indexes: indexes.Draw(t, "si"), Why: Why(text.Draw(t, "why"))})
		e.Accepted = append(e.Accepted, AcceptedID{Index: number.Draw(t, "a"), ID: text.Draw(t, "aid")})
	}
	if rapid.Bool().Draw(t, "retry") {
		e.Retry = &Retry{At: when.Draw(t, "retry at"), Indexes: indexes.Draw(t, "ri")}
		for range rapid.IntRange(0, 2).Draw(t, "groups") {
			g := RetryGroup{Indexes: indexes.Draw(t, "gi"), Attempts: number.Draw(t, "attempts"), Reason: text.Draw(t, "gr"), Status: number.Draw(t, "gs")}
			if rapid.Bool().Draw(t, "due") {
				g.NotBefore = when.Draw(t, "not before")
			}
			e.Retry.Groups = append(e.Retry.Groups, g)
		}
	}
	if rapid.Bool().Draw(t, "totals") {
		e.Totals = &Totals{Recipients: number.Draw(t, "tr"), Sent: number.Draw(t, "ts"), Failures: 3, ExpiredTokens: 4, CanonicalIDs: 5, Uncertain: 6, Skipped: 7, Retries: 8}
	}
	if rapid.Bool().Draw(t, "dead") {
		e.Dead = &Dead{Reason: text.Draw(t, "dr"), Stream: text.Draw(t, "ds"), Sequence: 7}
		if rapid.Bool().Draw(t, "faults") {
			e.Dead.Faults = []jobs.Fault{{Field: text.Draw(t, "ff"), Problem: text.Draw(t, "fp")}}
		}
	}
	return e
}

func BenchmarkEncode(b *testing.B) {
	e := &Event{
		V: Version, Kind: KindSegment, Platform: jobs.APNS, App: "default", Job: "PUSH_JOBS-1234567-mwt3h340", Segments: 1, Attempt: 1, Recipients: 1, Sent: 1,
		Done: true, Totals: &Totals{Recipients: 1, Sent: 1}, Fingerprint: "ajyctpvowx2plfc4wikj6l2bkm", At: time.Now(), Worker: "w-1",
	}
	e.SetID()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encode(e); err != nil {
			b.Fatal(err)
		}
	}
}
