package results

import (
	"encoding/json"
	"testing"

	"github.com/volleypush/volley/jobs"
)

// FuzzFold: events come from the network. Whatever they say, folding them ends with an error or with a response that places every recipient of the job.
func FuzzFold(f *testing.F) {
	f.Add([]byte(`[{"v":1,"kind":"segment","id":"apns.default.j.0.0","platform":"apns","app":"default","job":"j","segment":0,"segments":1,"round":0,"recipients":3,"sent":1,
		"failures":[{"index":1,"token":"02","error":"APNSInvalidTokenError","reason":"BadDeviceToken","action":"none"}],"expired_tokens":[],"canonical_ids":[],"uncertain":[],"skipped":[],
		"retry":{"at":"2026-11-23T10:00:07Z","indexes":"2"},"at":"2026-11-23T10:00:00Z","worker":"w"}]`))
	f.Add([]byte(`[{"v":1,"kind":"segment","platform":"apns","app":"default","job":"j","segment":1,"segments":2,"round":0,"recipients":2,"skipped":[{"indexes":"1-2","why":"expired"}]},
		{"v":1,"kind":"job_done","platform":"apns","app":"default","job":"j"}]`))
	f.Add([]byte(`[{"v":1,"kind":"segment","platform":"apns","app":"default","job":"j","recipients":-1,"segment":-5,"uncertain":[{"index":-1}]}]`))
	job, err := jobs.Decode(jobs.APNS, []byte(`{"id":"j","message":"m","ids":["01","02","03"]}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var raw []json.RawMessage
		if json.Unmarshal(text, &raw) != nil {
			return
		}
		var events []*Event
		for _, one := range raw {
			if e, err := Decode(one); err == nil {
				events = append(events, e)
			}
		}
		response, err := Fold(job, events...)
		if err != nil {
			return
		}
		if n := len(response.APNS.Successes) + len(response.APNS.Failures); n > 3 {
			t.Errorf("%d of three recipients are placed", n)
		}
		if response.Complete() && len(events) == 0 {
			t.Error("complete without an event")
		}
	})
}
