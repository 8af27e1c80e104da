package provider

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns"
	"github.com/volleypush/volley/sender/apns/apnstest"
	"github.com/volleypush/volley/sender/simulator"
)

const bundle = "com.example"

// twins are one app over both protocols: the same certificate, the same defaults, one simulator each.
type twins struct {
	http2, binary *apnsApp
	// ledgers of the two.
	over, under *simulator.Ledger
}

func newTwins(t *testing.T) *twins {
	t.Helper()
	authority, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.ClientCertificate("Apple Push Services: "+bundle, bundle, bundle+".voip", bundle+".push-type.liveactivity")
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return published }
	server, err := apnstest.New(apnstest.Options{Authority: authority, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	gateway, err := apnstest.NewGateway(apnstest.GatewayOptions{Authority: authority, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = gateway.Close() })
	app := func(config apns.Config) *apnsApp {
		config.Certificate, config.RootCAs, config.Now = &certificate, authority.Pool(), clock
		client, err := apns.New(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		registry := NewRegistry()
		registry.AddAPNS(APNSParams{
			Name: "default", Client: client, Topic: bundle, ErrorTimeout: 10 * time.Second, Expiration: 720 * time.Hour,
			BatchSize: 100, MaxPayloadLength: 0, Retries: 5, MaxAttempts: 10, MessageIDs: false, Source: "", WrongEnvironment: nil,
		})
		made, _ := registry.App(jobs.APNS, "default")
		return made.(*apnsApp)
	}
	return &twins{
		http2: app(apns.Config{Endpoint: server.URL()}), binary: app(apns.Config{Protocol: apns.Binary, Endpoint: gateway.Endpoint()}),
		over: server.Ledger(), under: gateway.Ledger(),
	}
}

// arrival is what of a notification both protocols carry.
type arrival struct{ Token, Payload, Priority, Expiration string }

// arrivals reads a ledger and empties it. A priority that was not said is 10, in both protocols.
func arrivals(l *simulator.Ledger) map[arrival]int {
	out := map[arrival]int{}
	for n := range l.Each() {
		if n.Token == "" {
			continue // a barrier
		}
		a := arrival{n.Token, string(n.Body), n.Headers["apns-priority"], n.Headers["apns-expiration"]}
		if a.Priority == "" {
			a.Priority = "10"
		}
		out[a]++
	}
	l.Reset()
	return out
}

// send prepares the job for an app and sends it.
func (a *apnsApp) sendJob(t *testing.T, body string) ([]sender.Outcome, error) {
	t.Helper()
	seg := segment(t, jobs.APNS, body)
	batch, err := a.Prepare(seg)
	if err != nil {
		return nil, err
	}
	out, all := make([]sender.Outcome, seg.Job.Recipients()), make([]int, seg.Job.Recipients())
	for i := range all {
		all[i] = i
	}
	batch.Send(t.Context(), all, func() bool { return true }, out)
	return out, nil
}

// options are the reference's, each with the values that tell its cases apart; "" leaves it out.
var options = []struct {
	name   string
	values []string
}{
	{"message", []string{`"text"`, `null`, `""`, `{"body":"b","title":"t"}`, `{"alert":"a","badge":1}`, `"é und 🎉"`}},
	{"badge", []string{"", "0", "7"}},
	{"sound", []string{"", `"default"`, `{"critical":1,"name":"n","volume":0.5}`}},
	{"category", []string{"", `"c"`}},
	{"content_available", []string{"", "true", "false"}},
	{"mutable_content", []string{"", "true"}},
	{"title", []string{"", `"T"`, `""`}},
	{"title_loc_key", []string{"", `"k"`}},
	{"title_loc_args", []string{"", `["a","b"]`, `[]`}},
	{"action_loc_key", []string{"", `"k"`}},
	{"loc_key", []string{"", `"k"`}},
	{"loc_args", []string{"", `["a"]`}},
	{"launch_image", []string{"", `"i"`}},
	{"thread_id", []string{"", `"t"`}},
	{"extra", []string{"", `{"foo":"bar","n":{"x":[1,2.5]}}`}},
	{"expiration", []string{"", "0", "60"}},
	{"low_priority", []string{"", "true", "false"}},
	{"batch_size", []string{"", "1", "1000"}},
	{"error_timeout", []string{"", "5"}},
	{"max_payload_length", []string{"", "0", "60", "5"}},
	{"retries", []string{"", "1"}},
}

// lacking says whether binary refuses something that HTTP/2 has. Nothing of the reference is; what else is stands in
// TestBinaryRefuses.
func lacking(err error) bool {
	return err != nil && strings.Contains(err.Error(), "protocol: http2")
}

// Every pair of values of two options, through both protocols: either both refuse the job with the same faults, or the same
// notifications arrive, and the same is told of each recipient.
func TestProtocolsAgree(t *testing.T) {
	t.Parallel()
	w := newTwins(t)
	ids := `["` + strings.Repeat("01", 32) + `","` + strings.Repeat("02", 32) + `","xyz"]`
	compared, refused := 0, 0
	for i, a := range options {
		for _, b := range options[i+1:] {
			for _, x := range a.values {
				for _, y := range b.values {
					body := `{"ids":` + ids
					for _, field := range []struct{ name, value string }{{a.name, x}, {b.name, y}} {
						if field.value != "" {
							body += fmt.Sprintf(`,%q:%s`, field.name, field.value)
						}
					}
					body += "}"
					if _, err := jobs.Decode(jobs.APNS, []byte(body)); err != nil {
						continue // the contract refuses it for both
					}
					over, overErr := w.http2.sendJob(t, body)
					under, underErr := w.binary.sendJob(t, body)
					if lacking(underErr) {
						t.Errorf("%s: an option of the reference is refused: %v", body, underErr)
					}
					if diff := cmp.Diff(fields(overErr), fields(underErr)); diff != "" {
						t.Errorf("%s: refused differently: %s", body, diff)
					}
					if overErr != nil {
						refused++
						continue
					}
					compared++
					for k := range over {
						if over[k].Class != under[k].Class {
							t.Errorf("%s: recipient %d is %s and %s", body, k, over[k].Class, under[k].Class)
						}
					}
					if diff := cmp.Diff(arrivals(w.over), arrivals(w.under)); diff != "" {
						t.Errorf("%s: (-http2 +binary) %s", body, diff)
					}
				}
			}
		}
	}
	if compared < 1000 || refused == 0 {
		t.Errorf("%d pairs compared, %d refused", compared, refused)
	}
}

// fields are the fields of a job's faults.
func fields(err error) []string {
	faults, _ := errors.AsType[jobs.Faults](err)
	var out []string
	for _, f := range faults {
		out = append(out, f.Field)
	}
	return out
}

// TestBinaryRefuses is the list of what binary lacks: HTTP/2 takes each of these jobs, binary refuses it with the field and the way
// out, and all faults at once.
func TestBinaryRefuses(t *testing.T) {
	t.Parallel()
	w := newTwins(t)
	long := strings.Repeat("x", 3000)
	for name, test := range map[string]struct {
		body string
		want []string
	}{
		"collapse id":    {`"message":"m","collapse_id":"c"`, []string{"collapse_id"}},
		"push type":      {`"message":"m","push_type":"alert"`, []string{"push_type"}},
		"topic":          {`"message":"m","topic":"com.example.voip","push_type":"voip"`, []string{"push_type", "topic"}},
		"priority 1":     {`"message":"m","priority":1`, []string{"priority"}},
		"live activity":  {`"event":"update","content_state":{"a":1},"timestamp":1`, []string{"event"}},
		"size":           {`"message":"` + long + `"`, []string{"message"}},
		"everything":     {`"message":"` + long + `","collapse_id":"c","priority":1,"push_type":"alert"`, []string{"message", "priority", "collapse_id", "push_type"}},
		"the same topic": {`"message":"m","topic":"com.example"`, nil},
	} {
		body := `{"ids":"` + strings.Repeat("01", 32) + `",` + test.body + `}`
		if out, err := w.http2.sendJob(t, body); err != nil || out[0].Class != sender.Accepted {
			t.Errorf("%s: over HTTP/2: %v, %v", name, out, err)
		}
		_, err := w.binary.sendJob(t, body)
		if diff := cmp.Diff(test.want, fields(err)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if name != "size" && test.want != nil && !strings.Contains(err.Error(), "protocol: http2") {
			t.Errorf("%s: no way out: %v", name, err)
		}
	}
	channel := `{"channel":"dGVzdC1jaGFubmVsLWlk","push_type":"liveactivity","event":"update","content_state":{"a":1},"timestamp":1}`
	if _, err := w.binary.sendJob(t, channel); err == nil || !strings.Contains(err.Error(), "broadcast channels; leave it out, or set the app to protocol: http2") {
		t.Errorf("a channel: %v", err)
	}
}
