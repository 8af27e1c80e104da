package apnstest

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender/simulator"
)

func TestAccepted(t *testing.T) {
	f := start(t, nil)
	got := f.expect(f.client(), f.good(), 200, "")
	if got.header.Get("apns-id") != goodID {
		t.Errorf("apns-id %q is not the request's", got.header.Get("apns-id"))
	}
	want := []simulator.Notification{{
		Platform: "apns", Protocol: "http2", Token: goodToken, Status: 200, Body: []byte(goodBody), At: now,
		Headers: map[string]string{
			"authorization": "bearer [redacted]", "apns-topic": goodTopic, "apns-id": goodID, "apns-push-type": "alert", "apns-priority": "10",
			"apns-expiration": "0", "content-length": "22", "accept-encoding": "gzip", "user-agent": "Go-http-client/2.0",
		},
	}}
	if diff := cmp.Diff(want, f.Ledger().All()); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
}

func TestMessageIDIsMadeWhenAbsent(t *testing.T) {
	f := start(t, nil)
	client := f.client()
	p := f.good()
	p.header.Del("apns-id")
	upper := regexp.MustCompile(`^[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$`)
	first, second := f.expect(client, p, 200, "").header.Get("apns-id"), f.expect(client, p, 200, "").header.Get("apns-id")
	if !upper.MatchString(first) || first == second {
		t.Errorf("apns-ids made: %q, %q", first, second)
	}
	p.header.Set("apns-priority", "7") // refusals carry one too
	if id := f.expect(client, p, 400, "BadPriority").header.Get("apns-id"); !upper.MatchString(id) {
		t.Errorf("the apns-id of a refusal is %q", id)
	}
}

func TestRequestRules(t *testing.T) {
	set := func(name, value string) func(*push) { return func(p *push) { p.header.Set(name, value) } }
	unset := func(name string) func(*push) { return func(p *push) { p.header.Del(name) } }
	add := func(name, value string) func(*push) { return func(p *push) { p.header.Add(name, value) } }
	path := func(path string) func(*push) { return func(p *push) { p.path = path } }
	body := func(body string) func(*push) { return func(p *push) { p.body = body } }
	both := func(first, second func(*push)) func(*push) { return func(p *push) { first(p); second(p) } }
	sized := func(size int) string { return `{"aps":"` + strings.Repeat("x", size-len(`{"aps":""}`)) + `"}` }
	voip := both(set("apns-push-type", "voip"), set("apns-topic", goodTopic+".voip"))
	tests := []struct {
		name   string
		change func(*push)
		status int
		reason string
	}{
		{"id short", set("apns-id", "123e4567"), 400, "BadMessageId"},
		{"id upper case", set("apns-id", strings.ToUpper(goodID)), 400, "BadMessageId"},
		{"id without hyphens", set("apns-id", strings.ReplaceAll(goodID, "-", "0")), 400, "BadMessageId"},
		{"id twice", add("apns-id", goodID), 400, "DuplicateHeaders"},
		{"topic twice", add("apns-topic", goodTopic), 400, "DuplicateHeaders"},
		{"GET", func(p *push) { p.method = http.MethodGet }, 405, "MethodNotAllowed"},
		{"PUT", func(p *push) { p.method = http.MethodPut }, 405, "MethodNotAllowed"},
		{"no topic", unset("apns-topic"), 400, "MissingTopic"},
		{"collapse id at limit", set("apns-collapse-id", strings.Repeat("x", 64)), 200, ""},
		{"collapse id over limit", set("apns-collapse-id", strings.Repeat("x", 65)), 400, "BadCollapseId"},
		{"collapse id in bytes", set("apns-collapse-id", strings.Repeat("ü", 33)), 400, "BadCollapseId"},
		{"no expiration", unset("apns-expiration"), 200, ""},
		{"expiration", set("apns-expiration", "1795430000"), 200, ""},
		{"expiration negative", set("apns-expiration", "-1"), 400, "BadExpirationDate"},
		{"expiration fraction", set("apns-expiration", "1795430000.5"), 400, "BadExpirationDate"},
		{"expiration empty", set("apns-expiration", ""), 400, "BadExpirationDate"},
		{"expiration endless", set("apns-expiration", strings.Repeat("9", 19)), 400, "BadExpirationDate"},
		{"no priority", unset("apns-priority"), 200, ""},
		{"priority 5", set("apns-priority", "5"), 200, ""},
		{"priority 1", set("apns-priority", "1"), 200, ""},
		{"priority 2", set("apns-priority", "2"), 400, "BadPriority"},
		{"priority empty", set("apns-priority", ""), 400, "BadPriority"},
		{"background 10", set("apns-push-type", "background"), 400, "BadPriority"},
		{"background 5", both(set("apns-push-type", "background"), set("apns-priority", "5")), 200, ""},
		{"no push type", unset("apns-push-type"), 200, ""},
		{"push type unknown", set("apns-push-type", "Alert"), 400, "InvalidPushType"},
		{"push type empty", set("apns-push-type", ""), 400, "InvalidPushType"},
		{"other path", path("/3/devices/" + goodToken), 404, "BadPath"},
		{"longer path", path("/3/device/" + goodToken + "/x"), 404, "BadPath"},
		{"query", path("/3/device/" + goodToken + "?a=b"), 404, "BadPath"},
		{"root", path("/"), 404, "BadPath"},
		{"no token", path("/3/device/"), 400, "MissingDeviceToken"},
		{"no token, no slash", path("/3/device"), 400, "MissingDeviceToken"},
		{"token upper case", path("/3/device/" + strings.ToUpper(goodToken)), 200, ""},
		{"token of one byte", path("/3/device/0f"), 200, ""},
		{"token at limit", path("/3/device/" + strings.Repeat("0f", 100)), 200, ""},
		{"token over limit", path("/3/device/" + strings.Repeat("0f", 101)), 400, "BadDeviceToken"},
		{"token odd", path("/3/device/0f0"), 400, "BadDeviceToken"},
		{"token not hex", path("/3/device/0g"), 400, "BadDeviceToken"},
		{"token escaped", path("/3/device/%30f"), 400, "BadDeviceToken"},
		{"no body", body(""), 400, "PayloadEmpty"},
		{"not JSON", body(`{"aps":`), 400, "PayloadEmpty"},
		{"not an object", body(` ["aps"]`), 400, "PayloadEmpty"},
		{"not UTF-8", body("{\"aps\":\"\xff\"}"), 400, "PayloadEmpty"},
		{"space before the object", body(" \t\r\n{}"), 200, ""},
		{"body at limit", body(sized(4096)), 200, ""},
		{"body over limit", body(sized(4097)), 413, "PayloadTooLarge"},
		{"voip body at limit", both(voip, body(sized(5120))), 200, ""},
		{"voip body over limit", both(voip, body(sized(5121))), 413, "PayloadTooLarge"},
		{"huge body", body(strings.Repeat("x", maxRead+1)), 413, "PayloadTooLarge"},
		{"no credential", unset("authorization"), 403, "MissingProviderToken"},
		{"other scheme", set("authorization", "basic abc"), 403, "InvalidProviderToken"},
		{"empty credential", set("authorization", "bearer "), 403, "InvalidProviderToken"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := start(t, nil)
			p := f.good()
			test.change(p)
			got := f.expect(f.client(), p, test.status, test.reason)
			if test.reason != "" && got.header.Get("Content-Type") != "application/json" {
				t.Errorf("an error of type %q", got.header.Get("Content-Type"))
			}
		})
	}
}

// The order of checks, from first to last: each request has this fault and all later ones.
func TestOrderOfChecks(t *testing.T) {
	f := start(t, func(o *Options) { o.Topics = []string{goodTopic} })
	p := &push{method: http.MethodPut, path: "/nowhere", header: http.Header{
		"Apns-Id": {"bad"}, "Apns-Collapse-Id": {strings.Repeat("x", 65)}, "Apns-Expiration": {"x"}, "Apns-Priority": {"x"}, "Apns-Push-Type": {"x"},
	}}
	f.script(simulator.Rule{Token: goodToken, Answer: simulator.Answer{Reason: "Unregistered"}})
	client := f.client()
	steps := []struct {
		status int
		reason string
		mend   func()
	}{
		{400, "BadMessageId", func() { p.header.Set("apns-id", goodID) }},
		{405, "MethodNotAllowed", func() { p.method = http.MethodPost }},
		{400, "MissingTopic", func() { p.header.Set("apns-topic", "bad topic") }},
		{400, "BadCollapseId", func() { p.header.Del("apns-collapse-id") }},
		{400, "BadExpirationDate", func() { p.header.Del("apns-expiration") }},
		{400, "BadPriority", func() { p.header.Del("apns-priority") }},
		{400, "InvalidPushType", func() { p.header.Set("apns-push-type", "voip") }},
		{404, "BadPath", func() { p.path = "/3/device/xyz" }},
		{400, "BadDeviceToken", func() { p.path = "/3/device/" + goodToken }},
		{410, "Unregistered", func() { f.script() }},
		{400, "BadTopic", func() { p.header.Set("apns-topic", "org.example.other") }},
		{400, "DeviceTokenNotForTopic", func() { p.header.Set("apns-topic", "org.example.other.voip") }},
		{400, "TopicDisallowed", func() { p.header.Set("apns-topic", goodTopic+".voip") }},
		{403, "MissingProviderToken", func() { p.header.Set("authorization", "bearer "+f.mint(now, nil)) }},
		{400, "PayloadEmpty", func() { p.body = strings.Repeat("x", 5121) }},
		{413, "PayloadTooLarge", func() { p.body = goodBody }},
		{200, "", func() {}},
	}
	for _, step := range steps {
		f.expect(client, p, step.status, step.reason)
		step.mend()
	}
}

func TestTakenPort(t *testing.T) {
	f := start(t, nil)
	_, err := New(Options{Addr: f.Addr()})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "APNs simulator: address already in use: "+f.Addr()) {
		t.Errorf("a taken port answers: %v", err)
	}
}

func TestStreamLimitIsStated(t *testing.T) {
	for name, test := range map[string]struct {
		set  uint32
		want int
	}{"default": {0, 1000}, "set": {7, 7}} {
		t.Run(name, func(t *testing.T) {
			f := start(t, func(o *Options) { o.MaxConcurrentStreams = test.set })
			conn, err := f.client().Transport.(*http.Transport).NewClientConn(t.Context(), "https", f.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL(), nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := conn.RoundTrip(request) // by its end the SETTINGS have been read
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if got := conn.Available(); got != test.want {
				t.Errorf("%d streams are available, want %d", got, test.want)
			}
		})
	}
}
