package jobs

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestIntakeSubjects(t *testing.T) {
	want := []string{"push.apns.high", "push.apns", "push.apns.bulk", "push.gcm.high", "push.gcm", "push.gcm.bulk"}
	var got []string
	for _, p := range Platforms() {
		for _, lane := range Lanes() {
			subject := IntakeSubject(p, lane)
			got = append(got, subject)
			if p2, lane2, ok := ParseIntakeSubject(subject); p2 != p || lane2 != lane || !ok {
				t.Errorf("%s is read as %s %s", subject, p2, lane2)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "push", "push.", "push.wns", "push.apns.normal", "push.apns.", "push.apns.high.x", "push.results", "Push.apns"} {
		if _, _, ok := ParseIntakeSubject(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestDurablesAndFilters(t *testing.T) {
	for got, want := range map[string]string{
		IntakeDurable(APNS, LaneHigh):            "intake-apns-high",
		WorkDurable(APNS, "default", LaneNormal): "apns-default-normal",
		WorkFilter(APNS, "default", LaneNormal):  "push.work.apns.default.normal.>",
		WorkFilter(GCM, "shop_1", LaneBulk):      "push.work.gcm.shop_1.bulk.>",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTail(t *testing.T) {
	tail := Tail{Platform: APNS, App: "default", Lane: LaneNormal, Job: "promo-7", Segment: "3", Round: 2}
	for got, want := range map[string]string{
		tail.String():       "apns.default.normal.promo-7.3.2",
		tail.WorkSubject():  "push.work.apns.default.normal.promo-7.3.2",
		tail.LaterSubject(): "push.later.apns.default.normal.promo-7.3.2",
		tail.AnySubject():   "push.*.apns.default.normal.promo-7.3.2",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	whole := tail
	whole.Segment = SegmentAll
	for _, want := range []Tail{tail, whole, {GCM, "a", LaneHigh, "PUSH_JOBS-1-a", "0", 0}} {
		for _, subject := range []string{want.WorkSubject(), want.LaterSubject()} {
			got, err := ParseTail(subject)
			if err != nil || got != want {
				t.Errorf("%s is read as %+v, %v", subject, got, err)
			}
		}
	}
}

func TestParseTailRefuses(t *testing.T) {
	for _, c := range []struct{ subject, what string }{
		{"", "not one of a segment"},
		{"push.apns", "not one of a segment"},
		{"push.*.apns.default.normal.j.0.0", "not one of a segment"},
		{"push.results.apns.default.normal.j.0.0", "not one of a segment"},
		{"push.work.apns.default.normal.j.0", "not one of a segment"},
		{"push.work.apns.default.normal.j.0.0.0", "not one of a segment"},
		{"push.work.wns.default.normal.j.0.0", "no valid platform"},
		{"push.work.apns.Default.normal.j.0.0", "no valid app"},
		{"push.work.apns._.normal.j.0.0", "no valid app"},
		{"push.work.apns.default.low.j.0.0", "no valid lane"},
		{"push.work.apns.default.normal..0.0", "no valid job id"},
		{"push.work.apns.default.normal.*.0.0", "no valid job id"},
		{"push.work.apns.default.normal." + strings.Repeat("j", 65) + ".0.0", "no valid job id"},
		{"push.work.apns.default.normal.j.x.0", "no valid segment"},
		{"push.work.apns.default.normal.j.-1.0", "no valid segment"},
		{"push.work.apns.default.normal.j.01.0", "no valid segment"},
		{"push.work.apns.default.normal.j.ALL.0", "no valid segment"},
		{"push.work.apns.default.normal.j.0.00", "no valid round"},
		{"push.work.apns.default.normal.j.0.99999999999", "no valid round"},
	} {
		_, err := ParseTail(c.subject)
		if err == nil || !strings.Contains(err.Error(), c.what) {
			t.Errorf("%s: %v, want %q", c.subject, err, c.what)
		}
	}
}

func TestParseDurable(t *testing.T) {
	for _, p := range Platforms() {
		for _, lane := range Lanes() {
			if gotP, app, gotLane := ParseDurable(IntakeDurable(p, lane)); gotP != p || app != "" || gotLane != lane {
				t.Errorf("%s is read as %q, %q, %q", IntakeDurable(p, lane), gotP, app, gotLane)
			}
			for _, want := range []string{"default", "a-high", "bulk", "apns-x_y", "intake"} {
				if gotP, app, gotLane := ParseDurable(WorkDurable(p, want, lane)); gotP != p || app != want || gotLane != lane {
					t.Errorf("%s is read as %q, %q, %q", WorkDurable(p, want, lane), gotP, app, gotLane)
				}
			}
		}
	}
	for _, name := range []string{"", "apns", "apns--high", "apns-default", "apns-default-low", "wns-default-high", "intake-apns", "intake-apns-default-high", "intake-wns-high"} {
		if p, app, lane := ParseDurable(name); p != "" || app != "" || lane != "" {
			t.Errorf("%q is read as %q, %q, %q", name, p, app, lane)
		}
	}
}
