package queue

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// waiting takes the work message that waits for the app "default", and reads it.
func waiting(t *testing.T, c *Conn, lane jobs.Lane) *jobs.Segment {
	t.Helper()
	consumer, err := c.js.Consumer(t.Context(), jobs.StreamWork, jobs.WorkDurable(jobs.APNS, jobs.DefaultApp, lane))
	if err != nil {
		t.Fatal(err)
	}
	msg, err := consumer.Next(jetstream.FetchMaxWait(patience))
	if err != nil {
		t.Fatal(err)
	}
	if err := msg.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	seg, err := jobs.DecodeSegment(msg.Subject(), msg.Headers(), msg.Data())
	if err != nil {
		t.Fatal(err)
	}
	return seg
}

func requeue(t *testing.T, c *Conn, sequence uint64) *Requeued {
	t.Helper()
	done, err := c.Requeue(t.Context(), sequence, RequeueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// notRequeued wants a refusal that says something, and the letter where it was.
func notRequeued(t *testing.T, c *Conn, sequence uint64, want string) {
	t.Helper()
	if _, err := c.Requeue(t.Context(), sequence, RequeueOptions{}); !errors.Is(err, ErrNotRequeued) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	if _, err := c.DeadLetter(t.Context(), sequence); err != nil {
		t.Errorf("the letter: %v", err)
	}
	if n := messages(t, c, jobs.StreamWork); n != 0 {
		t.Errorf("%d work messages", n)
	}
}

func TestRequeueOfAJob(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	l := died(t, "one", "unknown_app", "")
	if _, err := c.Commit(t.Context(), l.Event); err != nil {
		t.Fatal(err)
	}
	sequence := bury(t, c, l)
	done := requeue(t, c, sequence)
	if done.Before || done.Segment.Tail().String() != "apns.default.high.one.all.1" {
		t.Errorf("%+v as %s", done, done.Segment.Tail())
	}
	if _, err := c.DeadLetter(t.Context(), sequence); !errors.Is(err, ErrNoLetter) {
		t.Errorf("the letter is still there: %v", err)
	}
	got := waiting(t, c, jobs.LaneHigh)
	if string(got.Body) != string(l.Body) || !got.Whole || got.Round != 1 || !got.Requeued || got.Requeues != 1 || got.Prior != nil ||
		!got.Explicit || !got.Published.Equal(l.Published) || got.Fingerprint != l.Event.Fingerprint {
		t.Errorf("%+v", got)
	}
	if _, err := c.Requeue(t.Context(), sequence, RequeueOptions{}); !errors.Is(err, ErrNoLetter) {
		t.Errorf("requeued twice: %v", err)
	}

	// It dies again. What comes back is the work message, and it remembers.
	header, body, err := got.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again := l
	event := *l.Event
	event.Round, event.Requeued, event.Dead = 1, true, &results.Dead{Reason: "payload", Stream: jobs.StreamWork, Sequence: 3}
	event.SetID()
	again.Subject, again.Header, again.Body, again.Event = got.Tail().WorkSubject(), header, body, &event
	sequence = bury(t, c, again)
	if l, err := c.DeadLetter(t.Context(), sequence); err != nil || l.Requeues != 1 || l.Round != 1 {
		t.Errorf("%+v %v", l, err)
	}
	if done := requeue(t, c, sequence); done.Segment.Tail().String() != "apns.default.high.one.all.2" || done.Segment.Requeues != 2 {
		t.Errorf("%+v as %s", done, done.Segment.Tail())
	}
}

// buryAgain stores the letter as it comes again when the window is over that would recognize it.
func buryAgain(t *testing.T, c *Conn, l pipeline.Letter) uint64 {
	t.Helper()
	msg, err := deadMsg(l)
	if err != nil {
		t.Fatal(err)
	}
	msg.Header.Del(jetstream.MsgIDHeader)
	ack, err := c.publish(t.Context(), msg)
	if err != nil {
		t.Fatal(err)
	}
	return ack.Sequence
}

// Whatever of a requeue happened before a crash, it can be repeated.
func TestRequeueIsRepeatable(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	l := died(t, "one", "unknown_app", "")
	if _, err := c.Commit(t.Context(), l.Event); err != nil {
		t.Fatal(err)
	}
	sequence := bury(t, c, l)
	letter, err := c.DeadLetter(t.Context(), sequence)
	if err != nil {
		t.Fatal(err)
	}
	seg, err := nextLife(letter)
	if err != nil {
		t.Fatal(err)
	}
	put(t, c, seg, time.Time{}, 0) // and then the command was killed
	if done := requeue(t, c, sequence); !done.Before {
		t.Error("it did not notice the living copy")
	}
	if letters, work := messages(t, c, jobs.StreamDead), messages(t, c, jobs.StreamWork); letters != 0 || work != 1 {
		t.Errorf("%d letters, %d work messages", letters, work)
	}
	waiting(t, c, jobs.LaneHigh)
	sent := eventOf(seg, "w")
	sent.Requeued = true
	if _, err := c.Commit(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	if done := requeue(t, c, buryAgain(t, c, l)); !done.Before {
		t.Error("it did not notice that the job was sent since")
	}
	if letters, work := messages(t, c, jobs.StreamDead), messages(t, c, jobs.StreamWork); letters != 0 || work != 0 {
		t.Errorf("%d letters, %d work messages", letters, work)
	}
}

func TestRequeueOfASegment(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	part := segment(t, "big", 5).Sub([]int{0, 2, 5}, 1)
	part.Round, part.Prior = 3, []byte(`{"recipients":3,"sent":1}`)
	part.Tries = []jobs.Try{{Attempts: 4, NotBefore: time.Now().Add(time.Hour), Reason: "TooManyRequests", Status: 429}, {}, {Attempts: 1}}
	header, body, err := part.Encode()
	if err != nil {
		t.Fatal(err)
	}
	header["Nats-Schedule-Next"] = []string{"purge"}
	e := eventOf(part, "w")
	e.Kind, e.Dead = results.KindDead, &results.Dead{Reason: "payload", Stream: jobs.StreamWork, Sequence: 9}
	e.SetID()
	sequence := bury(t, c, pipeline.Letter{
		Platform: jobs.APNS, App: "default", Subject: part.Tail().WorkSubject(), Published: part.Published, Header: header, Body: body, Event: e,
	})
	if done := requeue(t, c, sequence); done.Segment.Tail().String() != "apns.default.normal.big.1.4" {
		t.Error(done.Segment.Tail())
	}
	got := waiting(t, c, jobs.LaneNormal)
	want := *part
	want.Round, want.Requeued, want.Requeues, want.Prior, want.Job = 4, true, 1, nil, got.Job
	want.Tries, want.Body = []jobs.Try{{Attempts: 1, Reason: "TooManyRequests", Status: 429}, {}, {Attempts: 1}}, body
	want.Published = want.Published.Round(0).UTC()
	if diff := cmp.Diff(&want, got, cmp.Comparer(func(a, b *jobs.Job) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// A job whose id belongs to another one is sent under the id that its event has, if a person wants it.
func TestRequeueOfAReusedID(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	l := died(t, "same", "id_reused", "")
	l.Event.Job = "PUSH_JOBS-8-abc"
	l.Event.SetID()
	if _, err := c.Commit(t.Context(), eventOf(segment(t, "same", 1), "w")); err != nil {
		t.Fatal(err)
	}
	requeue(t, c, bury(t, c, l))
	if got := waiting(t, c, jobs.LaneHigh); got.JobID != "PUSH_JOBS-8-abc" || got.Job.ID != "same" || got.Explicit {
		t.Errorf("%+v", got)
	}

	// The same for a job that was scheduled, but not for a part of one.
	whole := segment(t, "same", 5)
	for _, seg := range []*jobs.Segment{whole, whole.Sub([]int{0, 2, 5}, 1)} {
		header, body, err := seg.Encode()
		if err != nil {
			t.Fatal(err)
		}
		l := died(t, "same", "id_reused", "")
		l.Event.Job, l.Event.Dead.Stream = "PUSH_WORK-8-abc", jobs.StreamWork
		l.Event.SetID()
		l.Subject, l.Header, l.Body = seg.Tail().WorkSubject(), header, body
		sequence := buryAgain(t, c, l)
		if !seg.Whole {
			notRequeued(t, c, sequence, "part of a job")
			continue
		}
		if done := requeue(t, c, sequence); done.Segment.Tail().String() != "apns.default.normal.PUSH_WORK-8-abc.all.1" {
			t.Error(done.Segment.Tail())
		}
		waiting(t, c, jobs.LaneNormal)
	}
}

func TestWhatIsNotRequeued(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	change := func(change func(*pipeline.Letter)) pipeline.Letter {
		l := died(t, "one", "invalid", "")
		change(&l)
		return l
	}
	for name, test := range map[string]struct {
		letter pipeline.Letter
		want   string
	}{
		"a typo":               {died(t, "typo", "invalid", `,"mesage":1`), `unknown field; did you mean "message"?); publish a corrected job`},
		"no JSON":              {change(func(l *pipeline.Letter) { l.Body = []byte("not \x00 JSON") }), "publish a corrected job"},
		"an app without hands": {died(t, "x", "unknown_app", `,"app":"shop"`), `no worker was started with apns credentials for app "shop" yet`},
		"an older letter":      {change(func(l *pipeline.Letter) { l.Subject = "" }), "an older version"},
		"no event id":          {change(func(l *pipeline.Letter) { l.Event.ID = "?" }), "an older version"},
		"no further round":     {change(func(l *pipeline.Letter) { l.Event.ID = "apns.default.one.0.2147483647" }), "an older version"},
		"a strange subject":    {change(func(l *pipeline.Letter) { l.Subject = "orders.new" }), "can't be read"},
		"a newer segment": {change(func(l *pipeline.Letter) {
			l.Subject, l.Event.Dead.Stream = "push.work.apns.default.normal.one.all.0", jobs.StreamWork
			l.Header = map[string][]string{jobs.HeaderSchema: {"99"}}
		}), "newer"},
		"somebody may have it": {change(func(l *pipeline.Letter) {
			*l = died(t, "once", "poison", `,"on_uncertain":"report"`)
			l.Event.Uncertain = []results.Uncertain{{Index: 1}}
		}), "1 of its recipients may have been reached already"},
	} {
		t.Run(name, func(t *testing.T) { notRequeued(t, c, buryAgain(t, c, test.letter), test.want) })
	}
	// The id went to another job since.
	other := segment(t, "taken", 1)
	if _, err := c.Commit(t.Context(), eventOf(other, "w")); err != nil {
		t.Fatal(err)
	}
	notRequeued(t, c, bury(t, c, died(t, "taken", "unknown_app", "")), "another body since")

	sequence := bury(t, c, died(t, "last", "poison", ""))
	loseBroker(t, s, c)
	if _, err := c.Requeue(t.Context(), sequence, RequeueOptions{}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a broker: %v", err)
	}
}

func TestUncertainOnesAreSentAgainIfAPersonWantsIt(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	for fields, o := range map[string]RequeueOptions{`,"on_uncertain":"report"`: {ResendUncertain: true}, "": {}} {
		l := died(t, "once", "poison", fields)
		l.Event.Uncertain = []results.Uncertain{{Index: 1}}
		if _, err := c.Requeue(t.Context(), buryAgain(t, c, l), o); err != nil {
			t.Errorf("%s: %v", fields, err)
		}
		waiting(t, c, jobs.LaneHigh)
	}
}

// Whatever a letter holds, it is requeued in good form or refused.
func FuzzNextLife(f *testing.F) {
	whole := `{"id":"j","message":"hi","ids":["abcd","cdef"]}`
	digest := jobs.Fingerprint([]byte(whole))
	f.Add("push.apns", "apns.default.j.0.0", "j", "", "", "", "", whole)
	f.Add("push.work.apns.default.normal.j.all.1", "apns.default.j.0.1", "j", "2", digest, "", "", whole)
	f.Add("push.work.apns.default.normal.j.1.1", "apns.default.j.1.1", "j", "9", digest, "4,7", `[{"n":"7","attempts":2}]`, whole)
	f.Add("push.later.gcm.a.bulk.j.0.2147483647", "gcm.a.j.0.2147483647", "PUSH_JOBS-1-a", "2", digest, "0", "[]", `{"topic":"t","app":"a","message":"m"}`)
	f.Add("", "?", "", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, subject, event, job, total, fingerprint, positions, tries, body string) {
		h := map[string][]string{
			HeaderSubject: {subject}, HeaderEvent: {event}, HeaderJob: {job}, jobs.HeaderSchema: {"1"}, jobs.HeaderSegments: {"2"}, jobs.HeaderTotal: {total},
			jobs.HeaderFingerprint: {fingerprint}, jobs.HeaderPublished: {"2026-11-23T10:00:00Z"}, jobs.HeaderRequeued: {"true"}, jobs.HeaderRequeues: {"3"},
		}
		if positions != "" {
			h[jobs.HeaderPositions] = []string{positions}
		} else {
			h[jobs.HeaderSegments] = []string{"1"}
		}
		if tries != "" {
			h[jobs.HeaderTries] = []string{tries}
		}
		letter, err := readLetter("push.dead.apns.default", 1, time.Time{}, h, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		seg, err := nextLife(letter)
		if err != nil {
			if !errors.Is(err, ErrNotRequeued) {
				t.Error(err)
			}
			return
		}
		header, encoded, err := seg.Encode()
		if err != nil {
			return
		}
		again, err := jobs.DecodeSegment(seg.Tail().WorkSubject(), header, encoded)
		if err != nil || !again.Requeued || again.Requeues != 4 || again.Round != letter.Round+1 {
			t.Errorf("%+v, %v", again, err)
		}
	})
}
