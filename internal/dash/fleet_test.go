package dash

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
)

// clock is a time that passes when it is told to.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

// worker is the state of a worker that has sent so many since it started.
func worker(name string, started time.Time, sent uint64) *State {
	return &State{
		V: stateVersion, Worker: name, Started: started, Counts: Counts{Sent: sent},
		Latency: Histogram{Bounds: []float64{0.01, 0.1}, Counts: []uint64{sent, 0, 0}},
		Apps:    []AppState{{Platform: jobs.APNS, App: "default", Counts: Counts{Sent: sent}}},
	}
}

// sum is what a fleet counted in the last hour.
func sum(f *Fleet) (c Counts) {
	for _, b := range f.Hour() {
		c.Add(b.Counts)
	}
	return c
}

func TestFleetCountsWhatIsNew(t *testing.T) {
	at := &clock{noon}
	f := NewFleet(at.now)
	f.Note(worker("old", noon.Add(-time.Hour), 1000)) // what it did before us is not ours to count
	if got := sum(f).Sent; got != 0 {
		t.Errorf("from before: %d", got)
	}
	at.pass(time.Second)
	f.Note(worker("old", noon.Add(-time.Hour), 1100))
	f.Note(worker("new", noon, 7))                      // it started after us: all it did is new
	f.Note(worker("beside", noon.Add(-time.Second), 9)) // a moment before us: who was there then tells of it
	at.pass(3 * time.Second)                            // states that were missed don't matter
	f.Note(worker("old", noon.Add(-time.Hour), 1500))
	f.Note(worker("new", noon.Add(2*time.Second), 3)) // it started again
	if got := sum(f).Sent; got != 500+7+3 {
		t.Errorf("%d, want 510", got)
	}
	hour := f.Hour()
	if got := hour[len(hour)-1].Apps["apns/default"].Sent; got != 510 {
		t.Errorf("the app's series has %d", got)
	}
	if l := f.Lately(); l.Sent < 124 || l.Sent > 126 { // 500 in 4 s
		t.Errorf("lately %v/s", l.Sent)
	}
}

func TestFleetForgetsAfterAnHour(t *testing.T) {
	at := &clock{noon}
	f := NewFleet(at.now)
	f.Note(worker("w", noon, 10))
	at.pass(59 * time.Minute)
	if sum(f).Sent != 10 {
		t.Error("gone within the hour")
	}
	at.pass(2 * time.Minute)
	if sum(f).Sent != 0 {
		t.Error("still there after the hour")
	}
	f.Note(worker("v", at.at, 11)) // in the bucket that had the 10, or beside it
	if got := sum(f).Sent; got != 11 {
		t.Errorf("a bucket that is used again has %d", got)
	}
}

func TestLostAndGoneWorkers(t *testing.T) {
	at := &clock{noon}
	f := NewFleet(at.now)
	f.Note(worker("lost", noon, 10))
	gone := worker("gone", noon, 10)
	gone.Gone = true
	f.Note(gone)
	at.pass(lostAfter)
	if w := f.Workers()[1]; w.Lost {
		t.Error("lost too early")
	}
	at.pass(time.Second)
	list := f.Workers()
	if !list[1].Lost || list[0].Lost || !list[0].Gone {
		t.Errorf("%+v", list)
	}
	at.pass(forgetGone)
	if list = f.Workers(); len(list) != 1 || list[0].Worker != "lost" {
		t.Errorf("%d workers", len(list))
	}
	at.pass(forgetLost)
	if list = f.Workers(); len(list) != 0 {
		t.Errorf("%d workers", len(list))
	}
}

func TestFleetIsBounded(t *testing.T) {
	at := &clock{noon}
	f := NewFleet(at.now)
	for i := range maxWorkers + 10 {
		s := worker(fmt.Sprintf("w-%d", i), noon, 1)
		s.Apps = nil
		for k := range maxSeries/8 + 1 {
			s.Apps = append(s.Apps, AppState{Platform: jobs.APNS, App: fmt.Sprintf("a-%d-%d", i, k), Counts: Counts{Sent: 1}})
		}
		f.Note(s)
	}
	if got := len(f.Workers()); got != maxWorkers {
		t.Errorf("%d workers", got)
	}
	hour := f.Hour()
	if got := len(hour[len(hour)-1].Apps); got != maxSeries {
		t.Errorf("%d series", got)
	}
	if got := sum(f).Sent; got != maxWorkers {
		t.Errorf("the sum has %d", got)
	}
}

func TestAWorkerThatStartsLearnsTheLastHour(t *testing.T) {
	at := &clock{noon}
	first := NewFleet(at.now)
	first.Note(worker("w", noon, 10))
	at.pass(20 * time.Minute)
	first.Note(worker("w", noon, 20)) // it was away for so long that it was forgotten; what it did meanwhile is not known
	at.pass(time.Second)
	first.Note(worker("w", noon, 35))
	second := NewFleet(at.now)
	told, err := first.History()
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Adopt(told); err != nil {
		t.Fatal(err)
	}
	if got := sum(second); got.Sent != 25 {
		t.Errorf("%d were learnt, of 25", got.Sent)
	}
	if err := second.Adopt(told); err != nil || sum(second).Sent != 25 {
		t.Errorf("learnt twice: %d, %v", sum(second).Sent, err)
	}
	second.Note(worker("w", noon, 30)) // it was there before: only what comes counts
	at.pass(time.Second)
	second.Note(worker("w", noon, 32))
	if got := sum(second).Sent; got != 27 {
		t.Errorf("%d, want 27", got)
	}
}

func TestHistoriesThatAreRefused(t *testing.T) {
	pack := func(h any) []byte {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_ = json.NewEncoder(z).Encode(h)
		_ = z.Close()
		return out.Bytes()
	}
	apps := map[string]Counts{}
	for i := range maxSeries + 1 {
		apps[fmt.Sprint(i)] = Counts{}
	}
	f := NewFleet((&clock{noon}).now)
	for name, body := range map[string][]byte{
		"nothing": nil, "no gzip": []byte("{}"), "no JSON": pack("x"), "a newer version": pack(history{V: 2}), "too long": pack(history{V: 1, Buckets: make([]bucket, hour+1)}),
		"of no time": pack(history{V: 1, Buckets: []bucket{{At: -5}}}), "too many apps": pack(history{V: 1, Buckets: []bucket{{At: 5, Apps: apps}}}),
		"a wrong histogram": pack(history{V: 1, Buckets: []bucket{{At: 5, Latency: Histogram{Bounds: []float64{1}, Counts: []uint64{1}}}}}),
	} {
		if err := f.Adopt(body); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func FuzzHistory(f *testing.F) {
	fleet := NewFleet((&clock{noon}).now)
	fleet.Note(worker("w", noon, 3))
	told, err := fleet.History()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(told)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		fleet := NewFleet((&clock{noon}).now)
		if fleet.Adopt(body) == nil {
			throughput(fleet.Hour(), fleet.Lately(), noon)
			latency(fleet.Hour())
		}
	})
}

func FuzzState(f *testing.F) {
	body, err := worker("w", noon, 3).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(body))
	f.Add(`{"v":1,"worker":"w","latency":{"bounds":[1,2],"counts":[1,2,3]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := decodeState([]byte(text))
		if err != nil {
			return
		}
		at := &clock{noon}
		fleet := NewFleet(at.now)
		fleet.Note(s)
		at.pass(time.Second)
		fleet.Note(s)
		appsOf(fleet.Workers(), fleet.Hour(), noon)
		latency(fleet.Hour())
	})
}

func TestStatesThatAreRefused(t *testing.T) {
	for name, change := range map[string]func(*State){
		"no name":       func(s *State) { s.Worker = "" },
		"a long name":   func(s *State) { s.Worker = strings.Repeat("w", maxName+1) },
		"too many apps": func(s *State) { s.Apps = make([]AppState, maxStateApps+1) },
		"no platform":   func(s *State) { s.Apps = []AppState{{}} },
		"odd histogram": func(s *State) { s.Age = Histogram{Bounds: []float64{2, 1}, Counts: []uint64{1, 1, 1}} },
		"many bounds": func(s *State) {
			s.Age = Histogram{Bounds: make([]float64, maxBounds+1), Counts: make([]uint64, maxBounds+2)}
		},
		"counts missing": func(s *State) { s.Age = Histogram{Bounds: []float64{1}} },
	} {
		s := worker("w", noon, 1)
		change(s)
		body, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeState(body); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	body, _ := worker("w", noon, 1).encode()
	if _, err := decodeState(bytes.Replace(body, []byte(`"v":1`), []byte(`"v":2`), 1)); err == nil {
		t.Error("a newer version is taken")
	}
	long := worker(strings.Repeat("w", maxName), noon, 1)
	long.Trouble = strings.Repeat("ü", maxName)
	body, _ = long.encode()
	s, err := decodeState(body)
	if err != nil || len(s.Trouble) > maxName+len("…") || !strings.HasSuffix(s.Trouble, "ü…") {
		t.Errorf("%v, %q", err, s.Trouble)
	}
}

func TestQuantiles(t *testing.T) {
	h := Histogram{Bounds: []float64{0.01, 0.02, 0.04}, Counts: []uint64{50, 40, 9, 1}}
	for q, want := range map[float64]float64{0.5: 0.01, 0.7: 0.015, 0.9: 0.02, 0.99: 0.04, 0.999: 0.04} {
		if got, ok := h.quantile(q); !ok || got < want-0.0001 || got > want+0.0001 {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
	if _, ok := (Histogram{}).quantile(0.5); ok {
		t.Error("an empty histogram has a quantile")
	}
	other := Histogram{Bounds: []float64{0.015, 1}, Counts: []uint64{1, 2, 4}}
	h.add(other)
	if h.Counts[1] != 41 || h.Counts[3] != 7 {
		t.Errorf("other bounds: %v", h.Counts)
	}
}

// A fleet that has nothing to send just now says how its providers answered in the last hour.
func TestLatencyOfAnIdleFleet(t *testing.T) {
	t.Parallel()
	note := func(l Lately, all []bucket) string { return figuresOf(nil, l, all, Backlog{}, true)[2].Note }
	busy := Histogram{Bounds: []float64{0.01, 0.1}, Counts: []uint64{0, 100, 0}}
	for want, got := range map[string]string{
		"no call of a provider just now":                    note(Lately{}, []bucket{{}}),
		"no call of a provider just now; in the last hour ": note(Lately{}, []bucket{{Latency: busy}, {}}),
		"99 of 100 calls of a provider; median ":            note(Lately{Latency: busy}, []bucket{{Latency: busy}}),
	} {
		if !strings.HasPrefix(got, want) || strings.Contains(got, "–") {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
