package results

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// An event is written for every segment, and with jobs of one recipient for every notification; so it is appended, not reflected. What
// comes out is byte for byte what encoding/json makes of a wireEvent without escaping HTML; a test compares them.

// object appends the fields of one JSON object.
type object struct {
	out  []byte
	more bool // a field was written
	err  error
}

func (o *object) open() {
	o.out = append(o.out, '{')
	o.more = false
}

func (o *object) close() {
	o.out = append(o.out, '}')
	o.more = true
}

func (o *object) key(name string) {
	if o.more {
		o.out = append(o.out, ',')
	}
	o.more = true
	o.out = append(append(append(o.out, '"'), name...), '"', ':')
}

func (o *object) text(name, value string) {
	o.key(name)
	o.out = appendText(o.out, value)
}

func (o *object) textIf(name, value string) {
	if value != "" {
		o.text(name, value)
	}
}

func (o *object) number(name string, value int) {
	o.key(name)
	o.out = strconv.AppendInt(o.out, int64(value), 10)
}

func (o *object) numberIf(name string, value int) {
	if value != 0 {
		o.number(name, value)
	}
}

func (o *object) trueIf(name string, value bool) {
	if value {
		o.key(name)
		o.out = append(o.out, "true"...)
	}
}

func (o *object) time(name string, at time.Time) {
	o.key(name)
	if year := at.Year(); year < 0 || year > 9999 {
		o.err = fmt.Errorf("%s: the year %d is beyond RFC 3339", name, year)
		return
	}
	o.out = append(o.out, '"')
	o.out = append(at.AppendFormat(o.out, time.RFC3339Nano), '"')
}

// list appends a list of n objects.
func (o *object) list(name string, n int, each func(i int)) {
	o.key(name)
	o.out = append(o.out, '[')
	for i := range n {
		if i > 0 {
			o.out = append(o.out, ',')
		}
		o.open()
		each(i)
		o.close()
	}
	o.out = append(o.out, ']')
}

// whole appends something rare.
func (o *object) whole(name string, value any) {
	o.key(name)
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		o.err = fmt.Errorf("%s: %w", name, err)
	}
	o.out = append(o.out, bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))...)
}

// appendTo appends the event. An error is a time whose year has not four digits, which RFC 3339 can't write.
func (e *wireEvent) appendTo(out []byte) ([]byte, error) {
	o := &object{out: out}
	o.open()
	o.number("v", e.V)
	o.text("kind", string(e.Kind))
	o.text("id", e.ID)
	o.text("platform", string(e.Platform))
	o.text("app", e.App)
	o.textIf("job", e.Job)
	o.textIf("campaign", e.Campaign)
	o.number("segment", e.Segment)
	o.numberIf("segments", e.Segments)
	o.number("round", e.Round)
	o.numberIf("attempt", e.Attempt)
	o.number("recipients", e.Recipients)
	e.appendOutcomes(o)
	if e.Retry != nil {
		e.Retry.appendTo(o)
	}
	if len(e.Accepted) > 0 {
		o.list("accepted", len(e.Accepted), func(i int) {
			o.number("index", e.Accepted[i].Index)
			o.text("id", e.Accepted[i].ID)
		})
	}
	o.trueIf("done", e.Done)
	if e.Totals != nil {
		e.Totals.appendTo(o)
	}
	o.trueIf("requeued", e.Requeued)
	if e.Dead != nil {
		o.whole("dead", e.Dead)
	}
	o.textIf("state", e.State)
	o.textIf("detail", e.Detail)
	o.textIf("reading", e.Reading)
	o.textIf("fingerprint", e.Fingerprint)
	o.time("at", e.At)
	o.text("worker", e.Worker)
	o.close()
	return o.out, o.err
}

// appendOutcomes appends where the recipients ended.
func (e *wireEvent) appendOutcomes(o *object) {
	o.number("sent", e.Sent)
	o.list("failures", len(e.Failures), func(i int) { e.Failures[i].appendTo(o) })
	o.list("expired_tokens", len(e.ExpiredTokens), func(i int) {
		t := &e.ExpiredTokens[i]
		t.appendTo(o)
		o.numberIf("timestamp", int(t.Timestamp))
		o.numberIf("timestamp_ms", int(t.TimestampMS))
	})
	o.list("canonical_ids", len(e.CanonicalIDs), func(i int) {
		o.number("index", e.CanonicalIDs[i].Index)
		o.text("old_id", e.CanonicalIDs[i].OldID)
		o.text("new_id", e.CanonicalIDs[i].NewID)
	})
	o.list("uncertain", len(e.Uncertain), func(i int) {
		o.number("index", e.Uncertain[i].Index)
		o.text("token", e.Uncertain[i].Token)
		o.text("reason", e.Uncertain[i].Reason)
	})
	o.list("skipped", len(e.Skipped), func(i int) {
		o.text("indexes", e.Skipped[i].Indexes.String())
		o.text("why", string(e.Skipped[i].Why))
	})
}

func (f *Failure) appendTo(o *object) {
	o.number("index", f.Index)
	o.text("token", f.Token)
	o.text("error", f.Error)
	if f.Code.numeric() {
		o.key("code")
		o.out = append(o.out, f.Code...)
	} else {
		o.textIf("code", string(f.Code))
	}
	o.text("reason", f.Reason)
	o.numberIf("status", f.Status)
	o.textIf("description", f.Description)
	o.text("action", string(f.Action))
}

func (r *Retry) appendTo(o *object) {
	o.key("retry")
	o.open()
	o.time("at", r.At)
	o.text("indexes", r.Indexes.String())
	if len(r.Groups) > 0 {
		o.list("groups", len(r.Groups), func(i int) {
			g := &r.Groups[i]
			o.text("indexes", g.Indexes.String())
			o.number("attempts", g.Attempts)
			if !g.NotBefore.IsZero() {
				o.time("not_before", g.NotBefore)
			}
			o.textIf("reason", g.Reason)
			o.numberIf("status", g.Status)
		})
	}
	o.close()
}

func (t *Totals) appendTo(o *object) {
	o.key("totals")
	o.open()
	o.number("recipients", t.Recipients)
	o.number("sent", t.Sent)
	o.number("failures", t.Failures)
	o.number("expired_tokens", t.ExpiredTokens)
	o.number("canonical_ids", t.CanonicalIDs)
	o.number("uncertain", t.Uncertain)
	o.number("skipped", t.Skipped)
	o.number("retries", t.Retries)
	o.close()
}

// appendText appends a JSON string. Everything but plain ASCII is left to encoding/json.
func appendText(out []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf || c == 0x7f {
			var buffer bytes.Buffer
			encoder := json.NewEncoder(&buffer)
			encoder.SetEscapeHTML(false)
			_ = encoder.Encode(text) // a string can't fail
			return append(out, bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))...)
		}
	}
	return append(append(append(out, '"'), text...), '"')
}
