package gcm

import (
	"bytes"
	"net/http"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/internal/h2"
)

// landed settles what became of requests. cold says that their connection has never answered.
func (f *flow) landed(l *leg, answers []h2.Answer, cold bool) {
	repeated := 0
	for i := range answers {
		a := &answers[i]
		at := a.Index
		switch {
		case a.Fate == h2.Answered:
			if !f.answered(l, a) {
				repeated++
			}
		case a.Fate.Processed():
			f.settleAt(at, sender.Failed(reasonsByName[reasonAnswerLost], 0))
		case f.ctx.Err() != nil:
			f.settleAt(at, f.notBegun())
		case f.onceMore(at, func(s *second) *bool { return &s.unprocessed }):
			// Certainly not processed: a server that closes a connection politely is no reason for a whole round more.
			repeated++
		default:
			f.settleAt(at, sender.Failed(reasonsByName[reasonRequestRefused], 0))
		}
	}
	if cold && f.losses.Add(1) >= maxLosses {
		f.stop(f.unconnected(errEndless))
	}
	f.mu.Lock()
	f.flying -= len(answers)
	idle := f.flying == 0
	f.mu.Unlock()
	if idle || repeated > 0 {
		f.tell()
	}
}

// onceMore puts a position back, if that was not done for the same cause before and the delivery goes on.
func (f *flow) onceMore(at int, cause func(*second) *bool) bool {
	if f.open.Err() != nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.twice[at]
	if *cause(&s) {
		return false
	}
	*cause(&s) = true
	if f.twice == nil {
		f.twice = make(map[int]second)
	}
	f.twice[at] = s
	f.again = append(f.again, at)
	return true
}

// answered settles an answer; false if the message is sent once more. A 401 that is about the access token drops it: the message was not
// processed.
func (f *flow) answered(l *leg, a *h2.Answer) bool {
	f.losses.Store(0)
	if name := plainName(a.Body); a.Status == http.StatusOK && name != nil && f.record == nil {
		o := sender.Outcome{Class: sender.Accepted, Status: http.StatusOK}
		if !f.request.NoProviderIDs {
			o.ProviderID = string(name)
		}
		f.settle(a.Index, o)
		return true
	}
	id := f.request.target()
	if id == "" {
		id = f.request.Tokens[a.Index]
	}
	whole := answer{
		status: a.Status, body: bytes.Clone(a.Body), retryAfter: parseRetryAfter(a.Kept[keptRetryAfter].String(), f.client.config.Now()),
	}
	o := f.readFCM(whole, id)
	f.recordAt(a.Index, whole)
	if a.Status == http.StatusUnauthorized && o.Class == sender.Credential && f.onceMore(a.Index, func(s *second) *bool { return &s.unauthorized }) {
		f.client.tokens.drop(l.token)
		return false
	}
	f.settle(a.Index, o)
	return true
}

// settleAt settles a position whose request got no answer.
func (f *flow) settleAt(at int, o sender.Outcome) {
	f.recordAt(at, answer{})
	f.settle(at, o)
}

func (f *flow) recordAt(at int, a answer) {
	if f.record == nil {
		return
	}
	id := ""
	if f.request.target() == "" {
		id = f.request.Tokens[at]
	}
	f.record(exchange{request: f.request.message(at).Body(id), status: a.status, answer: a.body})
}

// plainName is the name in the usual answer of an acceptance, {"name": "…"}; nil for anything else.
func plainName(body []byte) []byte {
	rest, ok := bytes.CutPrefix(trimSpace(body), []byte("{"))
	if rest, ok = cutPrefix(rest, ok, `"name"`); !ok {
		return nil
	}
	if rest, ok = cutPrefix(rest, ok, ":"); !ok {
		return nil
	}
	if rest, ok = cutPrefix(rest, ok, `"`); !ok {
		return nil
	}
	end := bytes.IndexByte(rest, '"')
	if end <= 0 || string(trimSpace(rest[end+1:])) != "}" {
		return nil
	}
	for _, c := range rest[:end] {
		if c < ' ' || c == '\\' || c > '~' {
			return nil
		}
	}
	return rest[:end]
}

func cutPrefix(b []byte, ok bool, prefix string) ([]byte, bool) {
	b = trimSpace(b)
	if !ok || len(b) < len(prefix) || string(b[:len(prefix)]) != prefix {
		return nil, false
	}
	return b[len(prefix):], true
}

func trimSpace(b []byte) []byte { return bytes.Trim(b, " \t\r\n") }
