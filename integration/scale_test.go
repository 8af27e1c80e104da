package integration

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// scaleTables are the tables of docs/scale.md that have a head, row by row, cells without decoration.
func scaleTables(t *testing.T, head string) [][]string {
	t.Helper()
	text, err := os.ReadFile("../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\n"+head+"\n")
	if !found {
		t.Fatalf("docs/scale.md has no table %q", head)
	}
	var rows [][]string
	for line := range strings.Lines(after) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		if strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

// scaleFigures are those that docs/scale.md reckons with.
func scaleFigures(t *testing.T) map[string]float64 {
	t.Helper()
	figures := map[string]float64{}
	for _, row := range scaleTables(t, "| figure | value | unit | from |") {
		value, err := strconv.ParseFloat(strings.ReplaceAll(row[1], ",", ""), 64)
		if err != nil {
			t.Fatalf("docs/scale.md: %q: %v", row[0], err)
		}
		figures[row[0]] = value
	}
	return figures
}

// thousands is a number as the document writes it.
func thousands(n float64) string {
	digits := strconv.FormatFloat(math.Round(n), 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// short is a number with one or two digits that count, from ten on as it is.
func short(n float64) string {
	switch {
	case n >= 10:
		return thousands(n)
	case n >= 0.1:
		return strconv.FormatFloat(n, 'f', 1, 64)
	default:
		return strconv.FormatFloat(n, 'f', 2, 64)
	}
}

// TestScaleIsReckonedRight recomputes what docs/scale.md derives.
func TestScaleIsReckonedRight(t *testing.T) {
	t.Parallel()
	f := scaleFigures(t)
	figure := func(name string) float64 {
		if f[name] == 0 {
			t.Fatalf("docs/scale.md gives no figure %q", name)
		}
		return f[name]
	}
	rate := func(n float64) float64 { return n / figure("a blast") }
	const mega, giga = 1e6, 1e9
	work, queue := figure("PUSH_WORK, jobs of 10,000"), figure("PUSH_JOBS, jobs of 10,000")
	events := figure("PUSH_RESULTS, jobs of 10,000, 1 % gone")
	cores := func(n float64) float64 { return 2 * rate(n) * figure("a notification in a worker") / mega }
	reckon := map[string]func(n float64) string{
		"recipients a second":                             func(n float64) string { return thousands(rate(n)) },
		"jobs of 10,000":                                  func(n float64) string { return thousands(n / 10_000) },
		"segments, and their events":                      func(n float64) string { return thousands(n / 1000) },
		"worker cores, half busy":                         func(n float64) string { return short(cores(n)) },
		"workers of two cores, never fewer than two":      func(n float64) string { return thousands(max(2, math.Ceil(cores(n)/2))) },
		"connections to Apple, if all are Apple's":        func(n float64) string { return thousands(math.Ceil(rate(n) / figure("a connection to Apple"))) },
		"connections to Google, if all are Google's":      func(n float64) string { return thousands(math.Ceil(rate(n) / figure("a connection to Google"))) },
		"minutes with Google's usual quota":               func(n float64) string { return thousands(math.Ceil(n / figure("a Firebase project"))) },
		"GB in PUSH_JOBS, if it is published before":      func(n float64) string { return short(n / mega * queue / 1000) },
		"GB of events, 1 % gone":                          func(n float64) string { return short(n / mega * events / 1000) },
		"MB of a server's memory for them":                func(n float64) string { return short(n / 1000 * figure("an event in a server's memory") / mega) },
		"GB written on each of three nodes":               func(n float64) string { return short(n / mega * (queue + work + events) / 1000) },
		"MB a second written on each":                     func(n float64) string { return short(rate(n) / mega * (queue + work + events)) },
		"Mbit a second out of the node that leads it all": func(n float64) string { return thousands(8 * rate(n) / mega * (2*(queue+work+events) + queue + work)) },
		"shards": func(n float64) string { return thousands(math.Ceil(rate(n) / figure("a shard"))) },
		"GB of events, if each recipient has its own job": func(n float64) string { return short(n / mega * figure("PUSH_RESULTS, jobs of 1") / 1000) },
		"minutes, if each recipient has its own job": func(n float64) string {
			return thousands(math.Ceil(n / figure("jobs of one recipient, one shard") / 60))
		},
	}
	sizes := []float64{10e6, 100e6, 1e9}
	rows := scaleTables(t, "| what | 10 M | 100 M | 1 B |")
	if len(rows) != len(reckon) {
		t.Errorf("the table has %d rows, and %d are reckoned", len(rows), len(reckon))
	}
	for _, row := range rows {
		if reckon[row[0]] == nil {
			t.Errorf("nothing reckons the row %q", row[0])
			continue
		}
		for i, n := range sizes {
			if want := reckon[row[0]](n); row[i+1] != want {
				t.Errorf("%q for %s: the table says %s, and it is %s", row[0], thousands(n), row[i+1], want)
			}
		}
	}
	// At how many a stream is full.
	const stream = float64(1<<30) / mega
	document, err := os.ReadFile("../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| " + short(stream/figure("PUSH_RESULTS, jobs of 1")) + " M jobs of one recipient a day",
		", or " + thousands(stream/events) + " M recipients in jobs of 10,000 with 1 % gone |",
		"| " + thousands(stream/queue) + " M recipients published before they are sent |",
		"| " + short(5*figure("a Firebase project")/mega) + " M Google recipients in five minutes |",
	} {
		if !strings.Contains(string(document), want) {
			t.Errorf("docs/scale.md does not say %q", want)
		}
	}
	// What was measured elsewhere is what is told there.
	text, err := os.ReadFile("../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]string{
		"a notification in a worker":       "| whole worker, APNs jobs of 1,000, 1 %% gone, decode to acknowledgement | 628,000 | **%s** |",
		"a connection to Apple":            "| one worker, answers after 50 ms, one connection | %s |",
		"jobs of one recipient, one shard": "| whole worker, jobs of one recipient | %s |",
	} {
		value := strconv.FormatFloat(figure(name), 'f', -1, 64)
		if figure(name) > 1000 {
			value = thousands(figure(name))
		}
		if want := fmt.Sprintf(row, value); !strings.Contains(string(text), want) {
			t.Errorf("docs/performance.md has no %q", want)
		}
	}
}
