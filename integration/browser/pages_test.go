package browser

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// trouble is what providers answer on an ordinary bad day.
const trouble = `
rules:
  - {platform: apns, salt: gone, percent: 1.2, answer: {reason: Unregistered, latency: 30ms}}
  - {platform: apns, salt: bad, percent: 0.6, answer: {reason: BadDeviceToken, latency: 25ms}}
  - {platform: apns, salt: busy, percent: 0.5, times: 1, answer: {reason: ServiceUnavailable, latency: 60ms}}
  - {platform: gcm, salt: gone, percent: 1.5, answer: {status: 404, reason: UNREGISTERED, latency: 40ms}}
  - {platform: gcm, salt: slow, percent: 4, answer: {latency: 180ms}}
  - {platform: apns, salt: slow, percent: 3, answer: {latency: 120ms}}
  - {percent: 100, answer: {latency: 20ms}}
`

// slow is a provider that takes its time, so that a campaign can be stopped on its way.
const slow = `
rules:
  - {percent: 100, answer: {latency: 400ms}}
`

// furnish publishes something of everything: campaigns on both platforms, single pushes, and what becomes dead letters.
func (f *fleet) furnish(round int) {
	f.t.Helper()
	var apple, google []map[string]any
	for i, campaign := range []string{"autumn-sale", "goal-alert", "newsletter"} {
		n := round*10 + i
		apple = append(apple, map[string]any{"id": fmt.Sprintf("%s-%d", campaign, n), "campaign": campaign, "ids": devices(1000+n, 600+400*i), "message": "Hello"})
		google = append(google, map[string]any{
			"id": fmt.Sprintf("%s-android-%d", campaign, n), "campaign": campaign, "ids": registrations(fmt.Sprintf("c%d", n), 300+200*i), "message": map[string]string{"score": "5:1"},
		})
	}
	for i := range 20 {
		apple = append(apple, map[string]any{"id": fmt.Sprintf("otp-%d-%d", round, i), "ids": devices(900000+100*round+i, 1), "message": "Your code is 1234"})
	}
	f.jobs("apns", apple)
	f.jobs("gcm", google)
	f.raw("apns", fmt.Sprintf(`{"id":"oops-%d","mesage":"Hello","badge":"one","ids":["%064x"]}`, round, round))
}

// busy goes on publishing for as long as the pictures want history.
func (f *fleet) busy(round int) {
	f.t.Helper()
	over := time.After(*history)
	for *history > 0 {
		for range 1 + (round/6)%4 { // more and less
			round++
			f.furnish(round)
		}
		select {
		case <-over:
			return
		case <-time.After(time.Second):
		}
	}
}

// opened opens a browser for the first worker's page.
func (f *fleet) opened() *window { return open(f.t, strings.TrimPrefix(f.pages[0], "http://")) }

func TestPages(t *testing.T) {
	f := newFleet(t, trouble)
	f.furnish(0)
	w := f.opened()
	w.size(1280, 800)
	w.visit(f.pages[0] + "/")
	for _, name := range []string{"berlin-1", "berlin-2"} {
		w.reads("#workers", name)
	}
	w.reads("#verdict", "Pushes flow")
	w.visit(f.pages[0] + "/campaigns")
	w.reads("#campaigns", "newsletter")
	// What has no event yet is shown from the queues.
	f.jobs("apns", []map[string]any{{
		"id": "black-friday-1", "campaign": "black-friday", "deliver_at": time.Now().Add(20 * time.Hour).UTC().Format(time.RFC3339), "ids": devices(7000, 4200), "message": "Hello",
	}})
	w.reads("#campaigns", "black-friday")
	w.reads("#campaigns", "1 for later")
	w.visit(f.pages[0] + "/job?platform=apns&app=default&id=black-friday-1")
	w.reads("#job", "It has no event yet")
	w.reads("#job", "4,200")
	for round := range 12 { // a busy fleet
		f.furnish(1 + round)
	}
	f.busy(100)
	for _, p := range []struct{ name, path, part, says string }{
		{"overview", "/", "#figures", "in the last hour"},
		{"apps", "/apps", "#apps", "key SIMULATED1, team SIMULATED2"},
		{"campaigns", "/campaigns", "#campaigns", "autumn-sale"},
		{"campaign", "/campaign?name=autumn-sale", "#reasons", "Unregistered"},
		{"job", "/job?platform=apns&app=default&id=newsletter-2", "#job", "1,400"},
		{"events", "/events", "#events", "goal-alert"},
		{"dead", "/dead", "#letters", "mesage"},
		{"letter", "/letter?n=1", "#letter", "token:"},
		{"search", "/search?q=newsletter-2", "#found", "newsletter-2"},
	} {
		w.visit(f.pages[0] + p.path)
		w.reads(p.part, p.says)
		w.shot(p.name)
	}
	w.visit(f.pages[1] + "/") // any worker shows all of them
	w.reads("#workers", "berlin-1")
	w.forgive("a request to another host: " + f.pages[1])
}

func TestThePageUpdatesItself(t *testing.T) {
	f := newFleet(t, trouble)
	w := f.opened()
	w.visit(f.pages[0] + "/events")
	w.reads("#events", "No event has been read yet")
	w.reads("#live", "live")
	// Somebody is at the search box meanwhile, and stays there.
	w.do("focus", chromedp.Focus(chromedp.CSS(".find input")))
	f.enqueue("apns", "--id", "fresh", "--message", "Hello", "--to", devices(1, 1)[0])
	w.reads("#events", "fresh")
	if at := evaluate[string](w, `document.activeElement.name`); at != "q" {
		t.Errorf("the focus is lost: it is at %q", at)
	}
	if loads := w.count(f.pages[0] + "/events"); loads != 1 {
		t.Errorf("the page was loaded %d times", loads)
	}
	// The second worker ends in order, the page says so; then one is killed.
	w.visit(f.pages[0] + "/")
	w.reads("#workers", "berlin-2")
	f.workers[1].end(os.Interrupt)
	w.reads("#workers", "ended")
	third := f.worker("berlin-3", "--nats-url", f.nats)
	third.says(t, "see it at")
	w.reads("#workers", "berlin-3")
	third.end(os.Kill)
	w.reads("#verdict", "Worker berlin-3 is lost")
}

func TestKeys(t *testing.T) {
	f := newFleet(t, trouble)
	w := f.opened()
	w.visit(f.pages[0] + "/")
	w.reads("#live", "live")
	w.do("the key that leads there", chromedp.KeyEvent("/")) // the browser's driver types it too, a keyboard does not
	if at := evaluate[string](w, `document.activeElement.select(), document.activeElement.name`); at != "q" {
		t.Fatalf("/ leads to %q", at)
	}
	w.do("typing", chromedp.KeyEvent("sale"))
	if typed := evaluate[string](w, `document.activeElement.value`); typed != "sale" {
		t.Fatalf("the search box has %q", typed)
	}
	w.do("entering", chromedp.KeyEvent("\r"))
	w.until("the search is shown", func() bool {
		return evaluate[string](w, `document.readyState + " " + location.pathname + location.search`) == "complete /search?q=sale"
	})
	w.do("tab", chromedp.KeyEvent("\t"))
	if at := evaluate[string](w, `document.activeElement.className`); at != "skip" {
		t.Errorf("the first tab leads to %q, not past the navigation", at)
	}
}

func TestCampaignIsStopped(t *testing.T) {
	f := newFleet(t, slow)
	var list []map[string]any
	for i := range 60 {
		list = append(list, map[string]any{"id": fmt.Sprintf("blast-%d", i), "campaign": "blast", "ids": devices(5000+i, 3000), "message": "Hello"})
	}
	f.jobs("apns", list)
	w := f.opened()
	w.visit(f.pages[0] + "/campaign?name=blast")
	w.reads("#campaign", "Sent")
	w.press(`#control button[value=pause]`)
	w.reads("#control", "paused")
	w.press(`#control button[value=resume]`)
	w.until("it goes on", func() bool {
		return !strings.Contains(w.text("#control"), "paused") && strings.Contains(w.text("#control"), "Pause")
	})
	w.press(`#control button[value=cancel]`)
	w.reads("main", "Cancel campaign blast?")
	w.shot("cancel")
	w.press(`a.button`)
	w.reads("#control", "Cancel…")
	w.press(`#control button[value=cancel]`)
	w.reads("main", "Cancel campaign blast?")
	w.press(`button.danger`)
	w.reads("#control", "cancelled")
	w.reads("#reasons", "skipped: cancelled")
}

func TestDeadLetters(t *testing.T) {
	f := newFleet(t, trouble)
	f.raw("apns", `{"id":"misspelt","mesage":"Hello","ids":["`+devices(1, 1)[0]+`"]}`)
	w := f.opened()
	w.visit(f.pages[0] + "/dead")
	w.reads("#letters", "misspelt")
	f.raw("apns", `{"id":"cut","ids":["aab`) // the page learns of it by itself
	w.reads("#letters", "not JSON")
	w.press(`#letters a[href="/letter?n=1"]`)
	w.reads("#letter", "mesage")
	if strings.Contains(w.text("body"), devices(1, 1)[0]) {
		t.Error("a device token is shown that nobody asked for")
	}
	w.press(`a[href*="tokens=yes"]`)
	w.reads("#letter", devices(1, 1)[0])
	w.press(`button[value=requeue]`)
	w.reads("main", "its job is wrong")
	w.visit(f.pages[0] + "/letter?n=1")
	w.press(`button[value=drop]`)
	w.reads("main", "Delete dead letter 1?")
	w.press(`button.danger`)
	w.until("it is gone", func() bool {
		says := w.text("#letters")
		return strings.Contains(says, "not JSON") && !strings.Contains(says, "misspelt")
	})
}

// TestPressed holds a button down while its part changes: the click must still be one.
func TestPressed(t *testing.T) {
	f := newFleet(t, trouble)
	f.raw("apns", `{"id":"first","mesage":"Hello","ids":["`+devices(1, 1)[0]+`"]}`)
	w := f.opened()
	w.visit(f.pages[0] + "/dead")
	w.reads("#letters", "first")
	w.reads("#live", "live")
	at := evaluate[struct{ X, Y float64 }](w, `(() => {
		const box = document.querySelector("#letters button[value=requeue]").getBoundingClientRect();
		return {X: box.x + box.width / 2, Y: box.y + box.height / 2};
	})()`)
	mouse := func(kind input.DispatchMouseEventType) {
		w.do("the mouse", command(input.DispatchMouseEvent, input.DispatchMouseEventParams{
			Type: kind, X: at.X, Y: at.Y, Button: input.MouseButtonLeft, ClickCount: 1,
		}))
	}
	mouse(input.DispatchMouseEventTypeMousePressed)
	f.raw("apns", `{"id":"second","mesage":"Hello","ids":["`+devices(1, 1)[0]+`"]}`)
	w.until("the news waits", func() bool { return evaluate[bool](w, `document.getElementById("letters").hasAttribute("data-waits")`) })
	mouse(input.DispatchMouseEventTypeMouseReleased)
	w.reads("main", "its job is wrong")
}

func TestRequeue(t *testing.T) {
	f := newFleet(t, trouble)
	f.raw("apns", `{"id":"early","app":"late","message":"Hello","ids":["`+devices(1, 1)[0]+`"]}`)
	w := f.opened()
	w.visit(f.pages[0] + "/dead")
	w.reads("#letters", "early")
	w.press(`#letters button[value=requeue]`)
	w.reads("main", "no worker was started with apns credentials for app")
	f.addApp("late")
	w.visit(f.pages[0] + "/apps")
	w.reads("#apps", "late")
	w.visit(f.pages[0] + "/dead")
	w.press(`#letters button[value=requeue]`)
	w.reads("#letters", "There are no dead letters")
	w.visit(f.pages[0] + "/events?q=early")
	w.reads("#events", "segment")
}

func TestLogin(t *testing.T) {
	const token = "a-token-for-the-browser"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFleet(t, trouble, "--http-token-file", file)
	w := f.opened()
	w.size(1280, 800)
	w.visit(f.pages[0] + "/events?kind=dead")
	w.reads("main", "Log in")
	w.shot("login")
	w.do("a wrong token", chromedp.SendKeys(chromedp.CSS("#token"), "no\r"))
	w.reads("main", "That is not the token")
	w.do("the token", chromedp.SendKeys(chromedp.CSS("#token"), token+"\r"))
	w.reads("#filter", "Events")
	if at := evaluate[string](w, `location.pathname + location.search`); at != "/events?kind=dead" {
		t.Errorf("after logging in somebody is at %s", at)
	}
	w.reads("#live", "live")
	if cookie := evaluate[string](w, `document.cookie`); cookie != "" {
		t.Errorf("scripts can read the session: %q", cookie)
	}
	w.press("footer button")
	w.reads("main", "Log in")
	for path, want := range map[string]int{"/": http.StatusUnauthorized, "/healthz": http.StatusOK, "/metrics": http.StatusOK} {
		resp, err := http.Get(f.pages[0] + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s without a session: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

func TestNarrowAndDark(t *testing.T) {
	f := newFleet(t, trouble)
	f.furnish(0)
	w := f.opened()
	w.size(390, 844)
	for _, path := range []string{"/", "/apps", "/campaigns", "/campaign?name=newsletter", "/events", "/dead", "/letter?n=1", "/job?platform=apns&app=default&id=newsletter-2", "/search?q=sale"} {
		w.visit(f.pages[0] + path)
		w.until(path+" is there", func() bool { return w.text("main") != "" })
		if wide := evaluate[int](w, `document.documentElement.scrollWidth`); wide > 390 {
			t.Errorf("%s is %d wide on a screen of 390", path, wide)
		}
	}
	w.visit(f.pages[0] + "/")
	w.reads("#workers", "berlin-2")
	w.shot("phone")
	w.size(1280, 800)
	w.dark(true)
	w.visit(f.pages[0] + "/")
	w.reads("#workers", "berlin-2")
	if paper := evaluate[string](w, `getComputedStyle(document.body).backgroundColor`); paper != "rgb(20, 23, 26)" {
		t.Errorf("in the dark the page is %s", paper)
	}
	w.shot("dark")
}

func TestWithoutJavaScript(t *testing.T) {
	f := newFleet(t, slow)
	var list []map[string]any
	for i := range 60 {
		list = append(list, map[string]any{"id": fmt.Sprintf("plain-%d", i), "campaign": "quiet", "ids": devices(7000+i, 3000), "message": "Hello"})
	}
	f.jobs("apns", list)
	w := f.opened()
	w.do("switching scripts off", command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	w.visit(f.pages[0] + "/campaigns")
	w.until("the campaign is there after a reload", func() bool {
		if strings.Contains(w.source(), "quiet") {
			return true
		}
		w.visit(f.pages[0] + "/campaigns")
		return false
	})
	if !strings.Contains(w.source(), `http-equiv="refresh"`) {
		t.Error("without scripts the page does not load itself again")
	}
	w.visit(f.pages[0] + "/campaign?name=quiet")
	w.press(`#control button[value=pause]`)
	w.until("it is paused", func() bool { return strings.Contains(w.source(), "Resume campaign quiet") })
}
