package simulator

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/volleypush/volley/sender/simulator/h2sim"
)

// This file is how the ledger keeps what many lines have in common only once.

// working is what AddRequest needs for a moment.
type working struct {
	fields     h2sim.Fields
	head, body []byte
}

// AddRequest is Add with the headers as they arrived, in the form that Headers gives them; the line's own Headers are not
// looked at. It is the cheaper way: nothing is built that the ledger has already.
func (l *Ledger) AddRequest(n Notification, headers h2sim.Fields) {
	w, _ := l.spare.Get().(*working)
	if w == nil {
		w = new(working)
	}
	w.head = headKey(w.head[:0], n.Platform, n.Protocol, w.sorted(headers))
	before, after, around := split(n.Token, n.Body)
	w.body = bodyKey(w.body[:0], before, after, around)

	l.mu.Lock()
	h, known := l.heads[string(w.head)]
	if !known {
		n.Headers = Headers(headers)
		h = l.head(n)
	}
	var b *body
	if n.Body != nil {
		if b, known = l.bodies[string(w.body)]; !known {
			b = l.body(n.Token, n.Body)
		}
	}
	l.append(n, h, b, headers.Get(idHeader))
	l.wake()
	l.mu.Unlock()

	clear(w.fields)
	l.spare.Put(w)
}

// sorted are the fields by name, without the one that every line has for itself.
func (w *working) sorted(headers h2sim.Fields) h2sim.Fields {
	w.fields = w.fields[:0]
	for _, f := range headers {
		if f.Name == idHeader {
			continue
		}
		at := len(w.fields)
		for at > 0 && w.fields[at-1].Name > f.Name {
			at--
		}
		w.fields = slices.Insert(w.fields, at, f) // few fields, and stable: several of a name keep their order
	}
	return w.fields
}

// headKey is what equal headers have in common.
func headKey(key []byte, platform, protocol string, sorted h2sim.Fields) []byte {
	key = append(key, platform...)
	key = append(append(key, 0), protocol...)
	for i, f := range sorted {
		scheme, secret := credential(f)
		switch {
		case secret && i > 0 && sorted[i-1].Name == f.Name:
			continue
		case !secret && i > 0 && sorted[i-1].Name == f.Name:
			key = append(append(key, ", "...), f.Value...)
			continue
		}
		key = append(append(key, 0), f.Name...)
		key = append(key, 0)
		if secret {
			key = append(append(key, scheme...), redacted...)
		} else {
			key = append(key, f.Value...)
		}
	}
	return key
}

// split takes the token out of a body.
func split(token string, raw json.RawMessage) (before, after json.RawMessage, around bool) {
	if token != "" {
		if i := bytes.Index(raw, []byte(token)); i >= 0 {
			return raw[:i], raw[i+len(token):], true
		}
	}
	return raw, nil, false
}

// bodyKey is what bodies that are equal but for the token have in common. 0 cannot be in JSON.
func bodyKey(key []byte, before, after json.RawMessage, around bool) []byte {
	key = append(key, before...)
	if around {
		key = append(append(key, 0), after...)
	}
	return key
}

// head finds the shared form of the notification's headers, or keeps these.
func (l *Ledger) head(n Notification) *head {
	fields := make(h2sim.Fields, 0, 16)
	for name, value := range n.Headers {
		if name != idHeader {
			fields = append(fields, h2sim.Field{Name: name, Value: value})
		}
	}
	slices.SortFunc(fields, func(a, b h2sim.Field) int { return strings.Compare(a.Name, b.Name) })
	key := headKey(l.scratch[:0], n.Platform, n.Protocol, fields)
	l.scratch = key
	if h := l.heads[string(key)]; h != nil {
		return h
	}
	h := &head{platform: n.Platform, protocol: n.Protocol, headers: maps.Clone(n.Headers)}
	delete(h.headers, idHeader)
	if l.heads == nil {
		l.heads = map[string]*head{}
	}
	l.heads[string(key)] = h
	return h
}

// body finds the shared form of a body, or keeps this one.
func (l *Ledger) body(token string, raw json.RawMessage) *body {
	if raw == nil {
		return nil
	}
	before, after, around := split(token, raw)
	key := bodyKey(l.scratch[:0], before, after, around)
	l.scratch = key
	if b := l.bodies[string(key)]; b != nil {
		return b
	}
	b := &body{before: string(before), after: string(after), around: around}
	if l.bodies == nil {
		l.bodies = map[string]*body{}
	}
	l.bodies[string(key)] = b
	return b
}
