package gcm

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"slices"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender"
)

// Personal is a message with placeholders in its texts (see jobs.Template), rendered once; each recipient only adds its variables. It is
// read-only and safe for concurrent use.
type Personal struct {
	protocol  Protocol
	one, many templates
	notices   []string
}

// templates are a frame that is yet to be personalised.
type templates struct{ before, after *jobs.Template }

func compile(f frame) templates {
	return templates{jobs.CompileTemplate(string(f.before)), jobs.CompileTemplate(string(f.after))}
}

// PreparePersonal is Prepare for a message with placeholders, to registration IDs. The size of the payload is not looked at before it is
// known: in For.
func PreparePersonal(protocol Protocol, m *Message, now time.Time) (*Personal, error) {
	prepared, err := prepareAs(protocol, m, now, true)
	if err != nil {
		return nil, err
	}
	if prepared.target != "" {
		return nil, jobs.Faults{{Field: "recipients", Problem: "a message to a topic or condition has nobody to be personal for"}}
	}
	p := &Personal{protocol: prepared.protocol, one: compile(prepared.one), notices: prepared.notices}
	if p.protocol == Legacy {
		p.many = compile(prepared.many)
	}
	return p, nil
}

// Notices are those of Prepared.
func (p *Personal) Notices() []string { return p.notices }

// For renders the message for recipients with these variables, for Request.Messages. Who can't have one, for want of a variable or because
// the payload is too large, gets an outcome in out, which is as long, and a nil message. Recipients of the legacy protocol whose messages are
// equal share one, and with it a chunk.
func (p *Personal) For(vars [][]jobs.Var, out []sender.Outcome) []*Prepared {
	r := renderings{Personal: p, places: make([]place, len(vars)), seed: maphash.MakeSeed()}
	if p.protocol == Legacy {
		r.equal = make(map[uint64]int, len(vars))
	}
	sized := false
	for i := range out[:len(vars)] {
		if failure := r.add(i, vars[i]); failure != nil {
			r.places[i].same = nobody
			out[i] = sender.Failed(failure, 0)
		} else if !sized { // as if the others were as long
			r.text, sized = slices.Grow(r.text, (len(r.text)+16)*(len(vars)-i)), true
		}
	}
	all := make([]Prepared, len(vars))
	messages := make([]*Prepared, len(vars))
	for i := range vars {
		at := r.places[i]
		if at.same == nobody {
			continue
		}
		if messages[i] = &all[i]; at.same != i {
			messages[i] = &all[at.same]
			continue
		}
		cut := func(c cut) frame { return frame{r.text[c.from:c.middle:c.middle], r.text[c.middle:c.to:c.to]} }
		all[i] = Prepared{protocol: p.protocol, one: cut(at.one), many: cut(at.many)}
	}
	return messages
}

// renderings are all messages of one For, in one buffer.
type renderings struct {
	*Personal
	text    []byte
	places  []place
	seed    maphash.Seed
	equal   map[uint64]int            // the first recipient with a rendering of that hash; legacy only
	missing map[string]*sender.Reason // rows, by the variable's name
}

// place is where a recipient's message is.
type place struct {
	one, many cut
	same      int // the recipient whose message it is
}

const nobody = -1

type cut struct{ from, middle, to int }

// add renders the message of recipient i.
func (r *renderings) add(i int, vars []jobs.Var) *sender.Reason {
	at := &r.places[i]
	at.same = i
	var missing string
	if at.one, missing = r.render(r.one, vars); missing != "" {
		return r.without(missing)
	}
	text := r.text[at.one.from:at.one.to]
	if len(text) > MaxPayload && r.size(at.one) > MaxPayload {
		r.text = r.text[:at.one.from]
		return reasonsByName[reasonTooLarge]
	}
	if r.protocol != Legacy {
		return nil
	}
	hash := maphash.Bytes(r.seed, text)
	first, known := r.equal[hash]
	if !known {
		r.equal[hash] = i
		return nil
	}
	if same := r.places[first].one; !bytes.Equal(r.text[same.from:same.to], text) {
		return nil
	}
	r.text = r.text[:at.one.from]
	if at.same = first; r.places[first].many.to == 0 {
		r.places[first].many, _ = r.render(r.many, vars)
	}
	return nil
}

// render appends a frame to the buffer.
func (r *renderings) render(t templates, vars []jobs.Var) (c cut, missing string) {
	c.from = len(r.text)
	if r.text, missing = t.before.Append(r.text, vars); missing == "" {
		c.middle = len(r.text)
		r.text, missing = t.after.Append(r.text, vars)
	}
	if missing != "" {
		r.text = r.text[:c.from]
		return cut{}, missing
	}
	c.to = len(r.text)
	return c, ""
}

// size is what counts towards the limit. The whole text is never shorter than that, so it is only asked where the text is too long.
func (r *renderings) size(c cut) int {
	whole := append([]byte(nil), r.text[c.from:c.middle]...)
	whole = append(append(whole, `""`...), r.text[c.middle:c.to]...)
	decoded, err := decodeValue(json.RawMessage(whole))
	message, _ := decoded.(map[string]any)
	if inner, ok := message["message"].(map[string]any); ok && r.protocol == V1 {
		message = inner
	}
	if err != nil {
		return len(whole)
	}
	return payloadSize(message)
}

// without is the row of a recipient that has no such variable.
func (r *renderings) without(name string) *sender.Reason {
	if row := r.missing[name]; row != nil {
		return row
	}
	row := *reasonsByName[reasonMissingVariable]
	row.Description += ": " + name
	if r.missing == nil {
		r.missing = map[string]*sender.Reason{}
	}
	r.missing[name] = &row
	return &row
}

// nested prepares a value that is not a string to become one, as stringValue does it: its placeholders stand in JSON inside a string then.
func nested(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, element := range v {
			out[i] = nestedText(element)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, member := range v {
			out[jobs.NestPlaceholders(key, true)] = nestedText(member)
		}
		return out
	}
	return v
}

func nestedText(v any) any {
	if text, ok := v.(string); ok {
		return jobs.NestPlaceholders(text, false)
	}
	return nested(v)
}
