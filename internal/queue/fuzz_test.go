package queue

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/textproto"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

// What is read from the broker's buckets and letters may have been written by an older or a newer release, by a tool, or by somebody who
// wants a worker to fall over.

// FuzzOrder: an order that can be read is one of the two kinds; whatever else stands there is an error, so that nothing begins.
func FuzzOrder(f *testing.F) {
	f.Add([]byte(`{"v":1,"kind":"pause","app":"shop","platform":"apns"}`), []byte(nil))
	f.Add([]byte(`{"v":1,"kind":"cancel","campaign":"promo"}`), []byte("NATS/1.0\r\nVolley-X: 1\r\n\r\n"))
	f.Add([]byte(``), []byte("NATS/1.0\r\nKV-Operation: DEL\r\n\r\n"))
	f.Add([]byte(`{"v":2,"kind":"pause"}`), []byte("NATS/1.0\r\n"))
	f.Fuzz(func(t *testing.T, value, headers []byte) {
		order, alive, err := readOrder(&stored{Subject: "$KV.PUSH_CONTROL.x", Data: value, Headers: headers, Time: time.Unix(1, 0)})
		if err == nil && alive && order.Kind != pipeline.OrderPause && order.Kind != pipeline.OrderCancel {
			t.Errorf("an order of the kind %q is in force", order.Kind)
		}
		if err != nil && alive {
			t.Error("an order that can't be read is in force")
		}
	})
}

// FuzzClaim: what is read of a claim is written the same again.
func FuzzClaim(f *testing.F) {
	f.Add([]byte(`{"owner":"w-1","nonce":"n","starts":2,"alone":1}`), uint64(7))
	f.Add([]byte(``), uint64(1))
	f.Add([]byte(`{"owner":7}`), uint64(1))
	f.Fuzz(func(t *testing.T, value []byte, revision uint64) {
		claim, err := readClaim("k", &stored{Data: value, Sequence: revision})
		if err != nil {
			return
		}
		if claim.Revision != revision {
			t.Fatalf("revision %d of %d", claim.Revision, revision)
		}
		text, err := json.Marshal(claim)
		if err != nil {
			t.Fatal(err)
		}
		again, err := readClaim("k", &stored{Data: text, Sequence: revision})
		if err != nil || again != claim {
			t.Errorf("%+v became %+v: %v", claim, again, err)
		}
	})
}

// FuzzLetter: whatever headers a letter has, its counts are none that anybody could trip over, and its body stays as it is.
func FuzzLetter(f *testing.F) {
	f.Add("push.dead.apns.shop", HeaderReason, "invalid", HeaderFaults, `[{"path":"ids","text":"is empty"}]`, []byte(`{}`))
	f.Add("push.dead.gcm._", HeaderEvent, "gcm.shop.promo.3.1", HeaderRecipients, "99999999999", []byte{0xff})
	f.Add("push.dead.x", nats.MsgSize, "-1", jobs.HeaderPublished, "yesterday", []byte(nil))
	f.Fuzz(func(t *testing.T, subject, name, value, name2, value2 string, body []byte) {
		header := nats.Header{textproto.CanonicalMIMEHeaderKey(name): {value}, name2: {value2}}
		letter, err := readLetter(subject, 1, time.Unix(1, 0), header, body)
		if err != nil {
			return
		}
		if letter.Recipients < 0 || letter.Uncertain < 0 || letter.Requeues < 0 || letter.Size < 0 {
			t.Errorf("%+v", letter)
		}
		if header.Get(nats.MsgSize) == "" && !bytes.Equal(letter.Body, body) {
			t.Errorf("the body is %q", letter.Body)
		}
	})
}

// FuzzFound: an answer about what is stored is a message, or an error, never neither.
func FuzzFound(f *testing.F) {
	f.Add([]byte(`{"type":"io.nats.jetstream.api.v1.stream_msg_get_response","message":{"subject":"push.results.a","seq":3,"data":"e30=","time":"2026-11-23T10:00:00Z"}}`))
	f.Add([]byte(`{"error":{"code":404,"err_code":10037,"description":"no message found"}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		found, err := parseStored("S", "s", &nats.Msg{Data: text})
		if (found == nil) == (err == nil) {
			t.Errorf("%v and %v", found, err)
		}
		if errors.Is(err, errAbsent) && !bytes.Contains(text, []byte("10037")) && !bytes.Contains(text, []byte("err")) {
			t.Error("absence is believed that nobody told of")
		}
	})
}
