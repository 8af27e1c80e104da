package integration

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/results"
)

// reserve is what a job leaves of the broker's largest message: room for what Volley adds when it moves it.
const reserve = 64 << 10

// The largest jobs that the broker takes, in which everybody fails and ids are as long as they come: their events and letters are stored
// whole, and everybody is told of once.
func TestMessagesNearTheMaxPayload(t *testing.T) {
	w := startSimulated(t)
	setScript(t, w.control, `{"rules":[{"platform":"gcm","percent":100,"answer":{"reason":"UNREGISTERED"}},
		{"platform":"apns","percent":100,"answer":{"status":400,"reason":"BadDeviceToken"}}]}`)
	nc := connect(t, w.url())
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	most := int(nc.MaxPayload()) - reserve
	// full is a job of exactly the largest size: as many ids of that length as fit, and white space.
	full := func(head string, length int) (body string, ids []string) {
		for used := len(head) + len(`{,"ids":[""]}`); used+length+3 <= most; used += length + 3 {
			ids = append(ids, fmt.Sprintf("%0*d", length, len(ids)))
		}
		body = fmt.Sprintf(`{%s,"ids":["%s"]}`, head, strings.Join(ids, `","`))
		return body + strings.Repeat(" ", most-len(body)), ids
	}
	for _, test := range []struct {
		name, subject, head string
		length              int
	}{
		{"900-byte registration ids", "push.gcm", `"id":"long","message":"hi"`, 900},
		{"4,096-byte registration ids", "push.gcm", `"id":"longest","message":"hi"`, 4096},
		{"900-byte registration ids in chunks", "push.gcm", `"id":"chunks","app":"legacy","message":"hi"`, 900},
		{"device tokens of the classic size", "push.apns", `"id":"classic","message":"hi"`, 64},
	} {
		t.Run(test.name, func(t *testing.T) {
			events := subscribe(t, nc)
			body, ids := full(test.head, test.length)
			if _, err := js.Publish(t.Context(), test.subject, []byte(body+" ")); err == nil {
				t.Error("a job of one byte more is taken")
			}
			if _, err := js.Publish(t.Context(), test.subject, []byte(body)); err != nil {
				t.Fatal(err)
			}
			told := map[int]bool{}
			tell := func(f results.Failure) {
				if told[f.Index] {
					t.Errorf("recipient %d is told of twice", f.Index)
				}
				if told[f.Index] = true; f.Token != ids[f.Index] {
					t.Errorf("recipient %d has the wrong token", f.Index)
				}
			}
			events(func(e *results.Event) bool {
				if e.Kind == results.KindProvider {
					return false
				}
				if err := e.Balanced(); err != nil {
					t.Error(err)
				}
				for _, f := range e.Failures {
					tell(f)
				}
				for _, expired := range e.ExpiredTokens {
					tell(expired.Failure)
				}
				return e.Done
			})
			if len(told) != len(ids) {
				t.Errorf("%d of %d recipients are told of", len(told), len(ids))
			}
		})
	}
	t.Run("a letter", func(t *testing.T) {
		events := subscribe(t, nc)
		body := `{"id":"letter","mesage":"` + strings.Repeat("x", most)
		body = body[:most-2] + `"}`
		if _, err := js.Publish(t.Context(), "push.apns", []byte(body)); err != nil {
			t.Fatal(err)
		}
		events(func(e *results.Event) bool { return e.Kind == results.KindDead })
		letters, err := js.OrderedConsumer(t.Context(), "PUSH_DEAD", jetstream.OrderedConsumerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		letter, err := letters.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(letter.Data(), []byte(body)) {
			t.Errorf("the letter has %d bytes, the job has %d", len(letter.Data()), len(body))
		}
	})
}
