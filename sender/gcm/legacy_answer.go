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

// readLegacy sets out[i] for each of the ids of one chunk (or for the one target) from the answer.
func (d *delivery) readLegacy(a answer, ids []string, out []sender.Outcome) {
	all := func(r *sender.Reason) {
		for i := range out {
			out[i] = sender.Failed(r, a.status)
			out[i].RetryAfter = a.retryAfter
		}
	}
	if a.status != http.StatusOK {
		all(legacyStatus(a))
		return
	}
	var body legacyAnswer
	if !bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("{")) || json.Unmarshal(a.body, &body) != nil {
		all(reasonsByName[reasonAnswerUnreadable])
		return
	}
	switch {
	case body.Results != nil:
		d.readResults(body.Results, a, ids, out)
	case body.Error != "":
		all(d.legacyReason(string(body.Error), ids[0]))
	case body.MessageID != "" && len(ids) == 1:
		out[0] = sender.Outcome{Class: sender.Accepted, Status: a.status, ProviderID: string(body.MessageID)}
	case len(ids) == 1 && body.Success.positive():
		// A device group of which at least one device was reached: sending again would reach that one twice.
		out[0] = sender.Outcome{Class: sender.Accepted, Status: a.status}
	case len(ids) == 1 && body.Failure.positive():
		all(reasonsByName[reasonDeviceGroupFailed])
	default:
		all(reasonsByName[reasonAnswerMissing])
	}
}

// readResults matches results by position. Recipients beyond the last result are uncertain; results beyond the last recipient belong to
// nobody. A result without an error is an acceptance, as in the reference.
func (d *delivery) readResults(results []*legacyResult, a answer, ids []string, out []sender.Outcome) {
	for i := range out {
		if i >= len(results) || results[i] == nil {
			out[i] = sender.Failed(reasonsByName[reasonAnswerMissing], a.status)
			continue
		}
		result := results[i]
		if result.Error == "" {
			out[i] = sender.Outcome{Class: sender.Accepted, Status: a.status, ProviderID: string(result.MessageID)}
		} else {
			out[i] = sender.Failed(d.legacyReason(string(result.Error), ids[i]), a.status)
			if class := out[i].Class; class == sender.Transient || class == sender.Throttled {
				out[i].RetryAfter = a.retryAfter
			}
		}
		// Also beside an error, as in the reference.
		if id := string(result.RegistrationID); id != ids[i] {
			out[i].CanonicalID = id
		}
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
