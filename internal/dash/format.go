package dash

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// functions are what templates call.
func (p *pages) functions() template.FuncMap {
	return template.FuncMap{
		"num": func(n any) string { return grouped(fmt.Sprint(n)) }, "rate": rateText, "seconds": secondsText, "span": spanText,
		"ago": func(t time.Time) moment { return momentOf(t, p.now()) }, "link": link, "plural": plural, "share": share,
		"tag": func(name string) string { return strings.Trim(p.assets[name].tag, `"`) }, "add": func(a, b int) int { return a + b },
		"list": func(items ...string) []string { return items }, "join": strings.Join,
	}
}

// grouped puts commas between thousands: 1,234,567.
func grouped(digits string) string {
	if len(digits) <= 3 || strings.Trim(digits, "0123456789") != "" {
		return digits
	}
	var out strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out.WriteByte(',')
		}
		out.WriteRune(d)
	}
	return out.String()
}

// rateText is a number per second with as many digits as mean something.
func rateText(n float64) string {
	switch {
	case n == 0:
		return "0"
	case n < 0.1:
		return "<0.1"
	case n < 10:
		return strconv.FormatFloat(n, 'f', 1, 64)
	default:
		return grouped(strconv.FormatFloat(math.Round(n), 'f', 0, 64))
	}
}

// secondsText is a duration in seconds: "38 ms", "1.2 s".
func secondsText(s float64) string {
	switch {
	case s < 0.001:
		return "<1 ms"
	case s < 1:
		return strconv.FormatFloat(s*1000, 'f', 0, 64) + " ms"
	case s < 10:
		return strconv.FormatFloat(s, 'f', 1, 64) + " s"
	default:
		return spanText(time.Duration(s * float64(time.Second)))
	}
}

// spanText is a duration in its largest unit: "42 s", "7 min", "3 h", "12 d".
func spanText(d time.Duration) string {
	switch d = d.Abs(); {
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h"
	default:
		return strconv.Itoa(int(d.Hours()/24)) + " d"
	}
}

// moment is a time for people: how long ago it was, and exactly when.
type moment struct{ Text, Exact, Machine string }

func momentOf(t, now time.Time) moment {
	if t.IsZero() {
		return moment{Text: "–"}
	}
	t = t.UTC()
	m := moment{Exact: t.Format("2006-01-02 15:04:05.000 MST"), Machine: t.Format(time.RFC3339Nano)}
	switch d := now.Sub(t); {
	case d < -time.Second:
		m.Text = "in " + spanText(d)
	case d < time.Second:
		m.Text = "now"
	default:
		m.Text = spanText(d) + " ago"
	}
	return m
}

// link is a path with a query of the pairs whose value is not empty.
func link(path string, pairs ...any) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if value := fmt.Sprint(pairs[i+1]); value != "" {
			q.Set(fmt.Sprint(pairs[i]), value)
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// plural is "1 job", "1,204 jobs".
func plural(n any, one, many string) string {
	text := fmt.Sprint(n)
	if text == "1" {
		return "1 " + one
	}
	return grouped(text) + " " + many
}

// share is part of whole in percent: "0.4 %"; "" for a part of nothing.
func share(part, whole any) string {
	a, errA := strconv.ParseFloat(fmt.Sprint(part), 64)
	b, errB := strconv.ParseFloat(fmt.Sprint(whole), 64)
	if errA != nil || errB != nil || b == 0 {
		return ""
	}
	switch p := 100 * a / b; {
	case p == 0:
		return "0\u00a0%"
	case p < 0.1:
		return "<0.1\u00a0%"
	case p < 10 && p != math.Trunc(p):
		return strconv.FormatFloat(p, 'f', 1, 64) + "\u00a0%"
	default:
		return strconv.FormatFloat(math.Floor(p), 'f', 0, 64) + "\u00a0%"
	}
}
