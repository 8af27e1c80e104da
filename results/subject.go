package results

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/volleypush/volley/jobs"
)

// subjectPrefix begins the subject of every event; what follows it is the event's id.
const subjectPrefix = jobs.SubjectResults + "."

// Words that stand where a segment's number stands in the subjects of events that belong to no segment.
const (
	segmentDone      = "done"
	segmentDuplicate = "duplicate"
)

// JobFeedback stands where a job's id stands in the subjects of feedback events.
const JobFeedback = "_" + string(KindFeedback)

// UnreadableApp stands for the app of a job that could not be read that far.
const UnreadableApp = "_"

// alarmSlot is how long, in seconds, credential and provider events of the same state share one subject, so that all
// replicas together raise one.
const alarmSlot = 600

// Key is a result subject taken apart: push.results.<platform>.<app>.<job>.<segment>.<round>. For credential and
// provider events Job is "_credential" or "_provider", Segment the state and Round the number of the 10-minute slot; for feedback
// events Job is "_feedback", Segment the reading and Round the part.
type Key struct {
	Platform jobs.Platform
	App      string
	Job      string
	// Segment is a number, "done" (job_done), "duplicate" (duplicate_job), a state or a reading.
	Segment string
	// Round is the round; for duplicate_job the duplicate's sequence in PUSH_JOBS.
	Round int
}

// Subject is where the event with this key is stored.
func (k Key) Subject() string { return subjectPrefix + k.ID() }

// ID is the id of the event with this key: its subject without "push.results.".
func (k Key) ID() string {
	return string(k.Platform) + "." + k.App + "." + k.Job + "." + k.Segment + "." + strconv.Itoa(k.Round)
}

// is says whether id is what ID returns, without making that.
func (k Key) is(id string) bool {
	for _, part := range [...]string{string(k.Platform), k.App, k.Job, k.Segment} {
		rest, ok := strings.CutPrefix(id, part)
		if !ok || rest == "" || rest[0] != '.' {
			return false
		}
		id = rest[1:]
	}
	var room [20]byte
	return id == string(strconv.AppendInt(room[:0], int64(k.Round), 10))
}

// SubjectOf returns push.results.<platform>.<app>.<job>.<segment>.<round>.
func SubjectOf(platform jobs.Platform, app, job, segment string, round int) string {
	return Key{Platform: platform, App: app, Job: job, Segment: segment, Round: round}.Subject()
}

// Key returns the key that the event is stored under. It depends on what the event is about, never on what it says, so
// that two workers that did the same work compete for the same key.
func (e *Event) Key() Key {
	k := Key{Platform: e.Platform, App: e.App, Job: e.Job, Segment: strconv.Itoa(e.Segment), Round: e.Round}
	switch e.Kind {
	case KindSegment, KindDead:
		// the segment's own number and round
	case KindJobDone:
		k.Segment, k.Round = segmentDone, 0
	case KindDuplicateJob:
		k.Segment = segmentDuplicate
	case KindCredential, KindProvider:
		k.Job, k.Segment, k.Round = "_"+string(e.Kind), e.State, int(e.At.Unix()/alarmSlot)
	case KindFeedback:
		k.Job, k.Segment = JobFeedback, e.Reading
	}
	return k
}

// Subject is where the event is stored; see Key.
func (e *Event) Subject() string {
	if k := e.Key(); !k.is(e.ID) {
		return k.Subject()
	}
	return subjectPrefix + e.ID
}

// SetID sets the event's id, which is its subject without "push.results.".
func (e *Event) SetID() { e.ID = e.Key().ID() }

// ParseSubject takes a result subject apart. It refuses everything that Key.Subject does not produce.
func ParseSubject(subject string) (Key, error) {
	id, ok := strings.CutPrefix(subject, subjectPrefix)
	if !ok {
		return Key{}, fmt.Errorf("%q is not the subject of an event: it does not begin with %q", subject, subjectPrefix)
	}
	return ParseID(id)
}

// ParseID takes the id of an event apart; see ParseSubject.
func ParseID(id string) (Key, error) {
	parts := strings.Split(id, ".")
	if len(parts) != 5 {
		return Key{}, fmt.Errorf("%q is not the id of an event: it has %d parts instead of 5", id, len(parts))
	}
	k := Key{Platform: jobs.Platform(parts[0]), App: parts[1], Job: parts[2], Segment: parts[3]}
	round, err := strconv.ParseInt(parts[4], 10, 64)
	if err != nil || round < 0 || strconv.FormatInt(round, 10) != parts[4] {
		return Key{}, fmt.Errorf("%q is not the id of an event: %q is not a round", id, parts[4])
	}
	k.Round = int(round)
	if err := k.check(); err != nil {
		return Key{}, fmt.Errorf("%q is not the id of an event: %w", id, err)
	}
	return k, nil
}

// check says what of the key can't be part of a subject.
func (k Key) check() error {
	if k.Platform != jobs.APNS && k.Platform != jobs.GCM {
		return fmt.Errorf("platform %q is neither apns nor gcm", k.Platform)
	}
	for _, part := range []struct{ name, text string }{{"app", k.App}, {"job", k.Job}, {"segment", k.Segment}} {
		if !isToken(part.text) {
			return fmt.Errorf("%s %q is not of letters, digits, _ and -", part.name, part.text)
		}
	}
	if k.Round < 0 {
		return fmt.Errorf("round %d is negative", k.Round)
	}
	if strings.HasPrefix(k.Job, "_") {
		return nil // an alarm or a list: the segment is a state or a reading
	}
	if k.Segment == segmentDone || k.Segment == segmentDuplicate {
		return nil
	}
	if n, err := strconv.ParseUint(k.Segment, 10, 31); err != nil || strconv.FormatUint(n, 10) != k.Segment {
		return fmt.Errorf("segment %q is neither a number nor %q nor %q", k.Segment, segmentDone, segmentDuplicate)
	}
	return nil
}

func isToken(text string) bool {
	for i := range len(text) {
		c := text[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return text != ""
}
