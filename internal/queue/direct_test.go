package queue

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// TestAbsentDirect: one direct read says what as many questions to the leader say.
func TestAbsentDirect(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	if !c.oneCopy(t.Context(), jobs.StreamResults) || c.oneCopy(t.Context(), jobs.StreamJobs) || c.oneCopy(t.Context(), "NONE") {
		t.Fatal("it is not seen which streams can be read directly")
	}
	var subjects []string
	for i := range 40 {
		seg := segment(t, "j"+strings.Repeat("i", i), 1)
		subjects = append(subjects, eventOf(seg, "w").Subject())
	}
	for stored := range 41 {
		absent, known := c.absentDirect(t.Context(), jobs.StreamResults, subjects)
		if diff := cmp.Diff(c.absentLeader(t.Context(), jobs.StreamResults, subjects), absent); diff != "" || !known {
			t.Fatalf("with %d events, known %v: %s", stored, known, diff)
		}
		if stored < 40 {
			if _, err := c.Commit(t.Context(), eventOf(segment(t, "j"+strings.Repeat("i", (stored*7)%40), 1), "w")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, known := c.absentDirect(t.Context(), jobs.StreamResults, make([]string, mostDirect+1)); known {
		t.Error("it asks for more than there can be answers")
	}
	if _, known := c.absentDirect(t.Context(), "NONE", subjects); known {
		t.Error("it knows what a stream holds that does not exist")
	}
	if c.oneCopy(t.Context(), "NONE") {
		t.Error("after that it would ask again")
	}
}

// TestAbsentWithoutDirectReads: a stream of several copies, or one that does not answer, is asked the other way.
func TestAbsentWithoutDirectReads(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	event := eventOf(segment(t, "there", 1), "w")
	if _, err := c.Commit(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	c.copies.put(jobs.StreamResults, copyState{false, time.Now().Add(time.Hour)})
	other := results.SubjectOf(jobs.APNS, "default", "not-there", "0", 0)
	if diff := cmp.Diff([]bool{false, true}, c.Absent(t.Context(), []string{event.Subject(), other})); diff != "" {
		t.Error(diff)
	}
}

func TestCompleteAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status, says, pending string
		found                 int
		want                  bool
	}{
		{"204", "EOB", "0", 3, true},
		{"204", "EOB", "2", 3, false},
		{"204", "EOB", "", 3, false},
		{"404", "No Results", "", 0, true},
		{"404", "Message Not Found", "", 0, false},
		{"404", "No Results", "", 1, false},
		{"413", "Too Many Results", "", 0, false},
		{"408", "Bad Request", "", 0, false},
		{"503", "", "", 0, false},
	} {
		end := nats.Header{"Status": {tt.status}, "Description": {tt.says}, "Nats-Num-Pending": {tt.pending}}
		if got := complete(end, tt.found); got != tt.want {
			t.Errorf("%s %s after %d, %q pending: %v", tt.status, tt.says, tt.found, tt.pending, got)
		}
	}
}

// TestPlainAbsence: the broker's words are those that are not decoded.
func TestPlainAbsence(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	reply, err := c.ask(t.Context(), lastQuestion(jobs.StreamResults, results.SubjectOf(jobs.APNS, "default", "nobody", "0", 0)))
	if err != nil {
		t.Fatal(err)
	}
	if string(reply.Data) != plainAbsence {
		t.Errorf("it says %s; reading that costs more", reply.Data)
	}
}
