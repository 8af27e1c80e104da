package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// window is one browser with an empty profile. Whatever its console complains of, and whatever it asks of another host, fails the test.
type window struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // it is the browser's, which chromedp keeps in it

	mu     sync.Mutex
	faults []string
	asked  []string
}

// open opens a browser.
func open(t *testing.T, host string) *window {
	t.Helper()
	allocated, end := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()),
		chromedp.Flag("headless", true), chromedp.Flag("no-sandbox", true), chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("no-first-run", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900))
	t.Cleanup(end)
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(cancel)
	w := &window{t: t, ctx: ctx}
	if err := chromedp.Do(ctx); err != nil { // without a time limit, which would be the browser's
		t.Fatalf("starting the browser: %v (on Debian: apt-get install chromium)", err)
	}
	if err := chromedp.Listen(ctx, func(event any) { w.hear(host, event) }); err != nil {
		t.Fatal(err)
	}
	w.do("listening to the browser", command(network.Enable, network.EnableParams{}), command(log.Enable, cdp.Empty{}), command(runtime.Enable, cdp.Empty{}))
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, fault := range w.faults {
			t.Error(fault)
		}
	})
	return w
}

// hear notes what must not be.
func (w *window) hear(host string, event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			w.faults = append(w.faults, fmt.Sprintf("the console says %s: %s", e.Type, e.Args[0].Value))
		}
	case *runtime.EventExceptionThrown:
		w.faults = append(w.faults, "an exception: "+e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		// A page with an answer like 401 is an entry too; what it says is tested.
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			w.faults = append(w.faults, "the log says: "+e.Entry.Text+" "+e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		if err != nil || u.Scheme != "data" && u.Scheme != "about" && u.Scheme != "chrome" && u.Host != host {
			w.faults = append(w.faults, "a request to another host: "+e.Request.URL)
		}
		w.asked = append(w.asked, e.Request.URL)
	}
}

// command is a command of the browser's protocol that answers nothing we need.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, c, params)
		return chromedp.Void{}, err
	}
}

// do runs actions one after the other.
func (w *window) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

func (w *window) visit(to string) {
	w.t.Helper()
	w.do("visiting "+to, chromedp.Navigate(to))
}

// text is what somebody reads in the first element that a selector matches; "" for none.
func (w *window) text(selector string) string {
	w.t.Helper()
	return evaluate[string](w, fmt.Sprintf(`(document.querySelector(%q) || {innerText: ""}).innerText`, selector))
}

// reads waits until a selector's element says something.
func (w *window) reads(selector, want string) {
	w.t.Helper()
	w.until(fmt.Sprintf("%s says %q", selector, want), func() bool { return strings.Contains(w.text(selector), want) })
}

func (w *window) until(what string, fact func() bool) {
	w.t.Helper()
	late := time.After(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !fact() {
		select {
		case <-tick.C:
		case <-late:
			w.t.Fatalf("%v: %s; the page says:\n%.3000s", errLate, what, w.text("body"))
		}
	}
}

// count is how often something was asked for.
func (w *window) count(asked string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.asked {
		if a == asked {
			n++
		}
	}
	return n
}

// forgive drops faults that a test has made itself.
func (w *window) forgive(prefix string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = slices.DeleteFunc(w.faults, func(fault string) bool { return strings.HasPrefix(fault, prefix) })
}

// source is the document as it came, also where no script runs.
func (w *window) source() string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	for {
		text, err := chromedp.Run(ctx, chromedp.OuterHTML(chromedp.CSS("html")))
		switch {
		case err == nil:
			return text
		case !replaced(err):
			w.t.Fatalf("reading the document: %v", err)
		}
	}
}

// replaced says whether what was asked about went away meanwhile: a part of a page changes by itself, a form leads to another page, and
// without scripts the whole page loads itself again every few seconds.
func replaced(err error) bool {
	return slices.ContainsFunc([]string{"ode with given id", "target navigated", "find context", "context was destroyed"}, func(says string) bool {
		return strings.Contains(err.Error(), says)
	})
}

// press clicks on the one element that a selector matches, as soon as it is there.
func (w *window) press(selector string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	w.until("there is "+selector, func() bool { return w.text(selector) != "" })
	for {
		nodes, err := chromedp.Run(ctx, chromedp.Nodes(chromedp.CSS(selector)))
		if err == nil && len(nodes) == 1 {
			err = chromedp.Do(ctx, chromedp.MouseClickNode(nodes[0]))
		}
		switch {
		case err == nil && len(nodes) == 1:
			return
		case err == nil || !replaced(err):
			w.t.Fatalf("pressing %s: %d of them, %v", selector, len(nodes), err)
		}
	}
}

// evaluate is a value of JavaScript, which may run more than once.
func evaluate[T any](w *window, code string) T {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	for {
		value, err := chromedp.Run(ctx, chromedp.Evaluate[T](code))
		switch {
		case err == nil:
			return value
		case !replaced(err):
			w.t.Fatalf("evaluating %s: %v", code, err)
		}
	}
}

// size sets how large the window is.
func (w *window) size(width, height int64) {
	w.t.Helper()
	w.do("sizing", command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600}))
}

// dark chooses between the two looks.
func (w *window) dark(yes bool) {
	w.t.Helper()
	look := "light"
	if yes {
		look = "dark"
	}
	w.do("choosing the look", command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look}}}))
}

// shot writes what the window shows, if screenshots are wanted.
func (w *window) shot(name string) {
	w.t.Helper()
	if *shots == "" {
		return
	}
	picture, err := chromedp.Run(w.ctx, func(ctx context.Context, t *chromedp.Target) ([]byte, error) {
		got, err := cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{})
		return got.Data, err
	})
	if err != nil {
		w.t.Fatalf("taking a picture: %v", err)
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), picture, 0o644); err != nil {
		w.t.Fatal(err)
	}
}
