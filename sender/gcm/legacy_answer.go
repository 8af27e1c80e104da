package gcm

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/volleypush/volley/sender"
)

// legacyAnswer is any 200 answer of the legacy protocol: to a multicast or a single ID (results), to a topic or condition (message_id or
// error), to a device group (success, failure). multicast_id does not fit a float64 and nothing depends on it, so it is not read.
type legacyAnswer struct {
	Results   []*legacyResult `json:"results"`
	MessageID word            `json:"message_id"`
	Error     word            `json:"error"`
	Success   word            `json:"success"`
	Failure   word            `json:"failure"`
}

// legacyResult is what became of one ID; by position.
type legacyResult struct {
	MessageID      word `json:"message_id"`
	RegistrationID word `json:"registration_id"`
	Error          word `json:"error"`
}

// word is a JSON string or number as text: topics answer message_id as a number. Anything else is "".
type word string

// UnmarshalJSON implements json.Unmarshaler.
func (w *word) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		*w = word(text)
	} else if len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9') {
		*w = word(raw)
	}
	return nil
}

// positive says that the word is a whole number above 0.
func (w word) positive() bool {
	n, err := strconv.ParseInt(string(w), 10, 64)
	return err == nil && n > 0
}

// decodeLegacy reads whatever answer scanResults left, with encoding/json.
func (d *delivery) decodeLegacy(a answer, positions []int) {
	var body legacyAnswer
	if !bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("{")) || json.Unmarshal(a.body, &body) != nil {
		d.failAll(positions, reasonsByName[reasonAnswerUnreadable], a)
		return
	}
	alone := len(positions) == 1
	switch {
	case body.Results != nil:
		d.readResults(body.Results, a, positions)
	case body.Error != "":
		d.failAll(positions, d.legacyReason(string(body.Error), d.recipient(positions[0])), a)
	case body.MessageID != "" && alone:
		d.out[positions[0]] = sender.Outcome{Class: sender.Accepted, Status: a.status, ProviderID: d.providerID(body.MessageID)}
	case alone && body.Success.positive():
		// A device group of which at least one device was reached: sending again would reach that one twice.
		d.out[positions[0]] = sender.Outcome{Class: sender.Accepted, Status: a.status}
	case alone && body.Failure.positive():
		d.failAll(positions, reasonsByName[reasonDeviceGroupFailed], a)
	default:
		d.failAll(positions, reasonsByName[reasonAnswerMissing], a)
	}
}

// readResults matches results by position. Recipients beyond the last result are uncertain; results beyond the last recipient belong to
// nobody. A result without an error is an acceptance, as in the reference.
func (d *delivery) readResults(results []*legacyResult, a answer, positions []int) {
	for i, at := range positions {
		if i >= len(results) || results[i] == nil {
			d.out[at] = sender.Failed(reasonsByName[reasonAnswerMissing], a.status)
			continue
		}
		result := results[i]
		if result.Error == "" {
			d.out[at] = sender.Outcome{Class: sender.Accepted, Status: a.status, ProviderID: d.providerID(result.MessageID)}
		} else {
			d.out[at] = d.legacyFailure(string(result.Error), a, at)
		}
		d.renew(at, string(result.RegistrationID))
	}
}

// providerID is what the caller wants to know of a message id.
func (d *delivery) providerID(id word) string {
	if d.request.NoProviderIDs {
		return ""
	}
	return string(id)
}

// legacyFailure is the outcome of an error string in a result.
func (d *delivery) legacyFailure(name string, a answer, at int) sender.Outcome {
	o := sender.Failed(d.legacyReason(name, d.recipient(at)), a.status)
	if o.Class == sender.Transient || o.Class == sender.Throttled {
		o.RetryAfter = a.retryAfter
	}
	return o
}

// renew notes a recipient's canonical ID, also beside an error, as in the reference.
func (d *delivery) renew(at int, id string) {
	if id != d.recipient(at) {
		d.out[at].CanonicalID = id
	}
}

// legacyReason is the row of an error string. A word that repeats the recipient is not passed on.
func (d *delivery) legacyReason(name, id string) *sender.Reason {
	if i := legacyRow(name); i != nil {
		return i
	}
	if strings.Contains(name, id) {
		name = ""
	}
	return d.unknown(name, http.StatusOK)
}

// legacyRow finds an error string of the legacy protocol; nil if it has none such.
func legacyRow(name string) *sender.Reason {
	for i := range legacyReasons {
		if legacyReasons[i].Name == name {
			return &legacyReasons[i]
		}
	}
	return nil
}

// legacyStatus is what an answer other than 200 says of the whole chunk. An error string in its body makes a 400 or 5xx more precise
// ("InvalidParameters" may accompany a 400), but never condemns the recipients of a chunk.
func legacyStatus(a answer) *sender.Reason {
	fallback := statusReason(Legacy, a.status)
	row := legacyRow(errorWord(a.body))
	if row != nil && row.Class == fallback.Class && (row.Class == sender.BadJob || row.Class == sender.Transient) {
		return row
	}
	return fallback
}

// errorWord finds the error string in {"error":"…"}, "Error=…", or a text that begins with it.
func errorWord(body []byte) string {
	var object struct {
		Error word `json:"error"`
	}
	if json.Unmarshal(body, &object) == nil {
		return string(object.Error)
	}
	text := strings.TrimPrefix(strings.TrimSpace(string(body[:min(len(body), 256)])), "Error=")
	end := strings.IndexFunc(text, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') })
	if end >= 0 {
		text = text[:end]
	}
	return text
}
