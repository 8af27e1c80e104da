package provider

import (
	"encoding/json"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns"
)

// personal is what a job with variables sends to each recipient over APNs: the payload rendered once, with its placeholders.
type personal struct {
	template *jobs.Template
	// shorten is the length that a longer payload's text is cut to; 0 leaves it as it is.
	shorten int
	// raw says that the payload is the publisher's own, which is never shortened.
	raw bool
}

// payloads renders the payload of the recipients at these positions of the job. Who can't have one gets an outcome in out, by position; the
// others are returned with their payloads. All payloads are parts of one text.
func (p *personal) payloads(vars [][]jobs.Var, recipients []int, out []sender.Outcome) (sendable []int, payloads []string) {
	var text []byte
	sendable, ends := make([]int, 0, len(recipients)), make([]int, 0, len(recipients))
	missing := map[string]*sender.Reason{}
	for k, i := range recipients {
		from := len(text)
		longer, name := p.template.Append(text, vars[i])
		failure := p.failure(name, missing)
		if failure == nil {
			longer, failure = p.fit(longer, from)
		}
		if failure != nil {
			out[i] = sender.Failed(failure, 0)
			continue
		}
		if text = longer; len(ends) == 0 { // as if the others were as long
			text = append(make([]byte, 0, (len(text)+16)*(len(recipients)-k)), text...)
		}
		sendable, ends = append(sendable, i), append(ends, len(text))
	}
	whole, from := string(text), 0
	payloads = make([]string, len(ends))
	for k, to := range ends {
		payloads[k] = whole[from:to]
		from = to
	}
	return sendable, payloads
}

// failure is the row of a recipient that has no such variable; nil for "".
func (p *personal) failure(name string, rows map[string]*sender.Reason) *sender.Reason {
	if name == "" {
		return nil
	}
	if rows[name] == nil {
		row := *apns.Reason(apns.MissingVariable)
		row.Description += ": " + name
		rows[name] = &row
	}
	return rows[name]
}

// fit shortens the payload that begins at from, if it is to be.
func (p *personal) fit(text []byte, from int) ([]byte, *sender.Reason) {
	payload := text[from:]
	if p.shorten == 0 || len(payload) <= p.shorten {
		return text, nil
	}
	var members, aps map[string]json.RawMessage
	if p.raw || json.Unmarshal(payload, &members) != nil || json.Unmarshal(members["aps"], &aps) != nil {
		return text, apns.Reason("PayloadTooLarge")
	}
	delete(members, "aps")
	shorter, err := (&apns.Message{APS: object(aps), Extra: object(members), MaxPayloadLength: p.shorten}).Payload(0)
	if err != nil {
		return text, apns.Reason("PayloadTooLarge")
	}
	return append(text[:from], shorter...), nil
}
