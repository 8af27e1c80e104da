package jobs

import (
	"fmt"
	"strconv"
	"strings"
)

// Prefixes of the subjects of PUSH_JOBS and PUSH_WORK.
const (
	subjectJobs  = "push."
	subjectWork  = "push.work."
	subjectLater = "push.later."
	subjectAny   = "push.*."
)

// SegmentAll stands in a Tail for a whole job that is not split.
const SegmentAll = "all"

// Platforms lists both platforms.
func Platforms() []Platform { return []Platform{APNS, GCM} }

// Lanes lists the lanes, most urgent first.
func Lanes() []Lane { return []Lane{LaneHigh, LaneNormal, LaneBulk} }

func validPlatform(p Platform) bool { return p == APNS || p == GCM }

func validLane(l Lane) bool { return l == LaneHigh || l == LaneNormal || l == LaneBulk }

// IntakeSubject is where publishers put jobs: push.apns for the normal lane, push.apns.high and push.apns.bulk for the
// others.
func IntakeSubject(p Platform, lane Lane) string {
	if lane == LaneNormal {
		return subjectJobs + string(p)
	}
	return subjectJobs + string(p) + "." + string(lane)
}

// ParseIntakeSubject is the inverse of IntakeSubject; false for any other subject.
func ParseIntakeSubject(s string) (Platform, Lane, bool) {
	for _, p := range Platforms() {
		for _, lane := range Lanes() {
			if s == IntakeSubject(p, lane) {
				return p, lane, true
			}
		}
	}
	return "", "", false
}

// IntakeDurable is the consumer of PUSH_JOBS that takes one lane of a platform: "intake-apns-high".
func IntakeDurable(p Platform, lane Lane) string { return "intake-" + string(p) + "-" + string(lane) }

// WorkDurable is the consumer of PUSH_WORK that takes one lane of an app: "apns-default-normal".
func WorkDurable(p Platform, app string, lane Lane) string {
	return string(p) + "-" + app + "-" + string(lane)
}

// WorkFilter is the filter subject of WorkDurable: "push.work.apns.default.normal.>".
func WorkFilter(p Platform, app string, lane Lane) string {
	return subjectWork + string(p) + "." + app + "." + string(lane) + ".>"
}

// AnyFilter matches all work of an app and lane, runnable and for later: "push.*.apns.default.normal.>".
func AnyFilter(p Platform, app string, lane Lane) string {
	return subjectAny + string(p) + "." + app + "." + string(lane) + ".>"
}

// LaterDurable is the consumer of PUSH_WORK that counts what an app has for later, and takes nothing: "apns-default-later".
func LaterDurable(p Platform, app string) string { return string(p) + "-" + app + "-later" }

// LaterFilter is the filter subject of LaterDurable: "push.later.apns.default.>".
func LaterFilter(p Platform, app string) string { return subjectLater + string(p) + "." + app + ".>" }

// Tail is what the subjects of one segment's copies have in common: "<platform>.<app>.<lane>.<job>.<segment>.<round>".
type Tail struct {
	Platform Platform
	App      string
	Lane     Lane
	Job      string
	// Segment is the segment's number, or SegmentAll.
	Segment string
	Round   int
}

// String is the tail as it stands in subjects.
func (t Tail) String() string {
	return strings.Join([]string{
		string(t.Platform), t.App, string(t.Lane), t.Job, t.Segment, strconv.Itoa(t.Round),
	}, ".")
}

// WorkSubject is where the segment waits to be sent.
func (t Tail) WorkSubject() string { return subjectWork + t.String() }

// LaterSubject is where the segment waits for its time.
func (t Tail) LaterSubject() string { return subjectLater + t.String() }

// AnySubject matches every copy of the segment, for the check that only one is alive.
func (t Tail) AnySubject() string { return subjectAny + t.String() }

// number returns the number of the segment, and whether it is a whole job (number 0).
func (t Tail) number() (n int, whole bool, err error) {
	if t.Segment == SegmentAll {
		return 0, true, nil
	}
	n, err = parseIndex(t.Segment)
	return n, false, err
}

// ParseTail reads a WorkSubject or a LaterSubject. It is the exact inverse: whatever it accepts is a subject that a Tail
// gives.
func ParseTail(subject string) (Tail, error) {
	rest, ok := strings.CutPrefix(subject, subjectWork)
	if !ok {
		rest, ok = strings.CutPrefix(subject, subjectLater)
	}
	parts := strings.Split(rest, ".")
	if !ok || len(parts) != 6 {
		return Tail{}, fmt.Errorf("subject %q is not one of a segment", subject)
	}
	t := Tail{
		Platform: Platform(parts[0]), App: parts[1], Lane: Lane(parts[2]), Job: parts[3], Segment: parts[4],
	}
	bad := func(what string) (Tail, error) {
		return Tail{}, fmt.Errorf("subject %q has no valid %s", subject, what)
	}
	round, err := parseIndex(parts[5])
	switch {
	case err != nil:
		return bad("round")
	case !validPlatform(t.Platform):
		return bad("platform")
	case !validApp(t.App):
		return bad("app")
	case !validLane(t.Lane):
		return bad("lane")
	case !validResolvedID(t.Job):
		return bad("job id")
	}
	if _, _, err := t.number(); err != nil {
		return bad("segment")
	}
	t.Round = round
	return t, nil
}

// ParseDurable is the inverse of IntakeDurable, with an empty app, and of WorkDurable; a zero Platform is for any other name.
func ParseDurable(name string) (p Platform, app string, lane Lane) {
	rest, intake := strings.CutPrefix(name, "intake-")
	for _, platform := range Platforms() {
		middle, ours := strings.CutPrefix(rest, string(platform)+"-")
		if !ours {
			continue
		}
		for _, l := range Lanes() {
			if intake && middle == string(l) {
				return platform, "", l
			}
			if app, ok := strings.CutSuffix(middle, "-"+string(l)); ok && !intake && app != "" {
				return platform, app, l
			}
		}
	}
	return "", "", ""
}
