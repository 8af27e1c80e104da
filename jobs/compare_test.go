package jobs

import (
	"encoding/json"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// cmpJob compares what jobs say: not the bytes that they were read from, and moments instead of their zones.
var cmpJob = cmp.Options{
	cmpopts.IgnoreUnexported(Job{}),
	cmp.Comparer(func(a, b Token) bool { return a.text == b.text }),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
}

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func rawMap(key, value string) map[string]json.RawMessage {
	return map[string]json.RawMessage{key: raw(value)}
}
