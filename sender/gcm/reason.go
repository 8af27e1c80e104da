package gcm

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// reasonsByName finds every row of the four tables. It is never written after initialisation.
var reasonsByName = func() map[string]*sender.Reason {
	all := make(map[string]*sender.Reason)
	for i := range legacyReasons {
		all[legacyReasons[i].Name] = &legacyReasons[i]
	}
	for i := range fcmReasons {
		all[fcmReasons[i].Name] = &fcmReasons[i].Reason
	}
	for i := range statusReasons {
		all[statusReasons[i].Name] = &statusReasons[i]
	}
	for i := range ownReasons {
		all[ownReasons[i].Name] = &ownReasons[i]
	}
	return all
}()

// fcmStatus is the HTTP status that belongs to each row of fcmReasons. It is never written after initialisation.
var fcmStatus = func() map[string]int {
	all := make(map[string]int, len(fcmReasons))
	for i := range fcmReasons {
		all[fcmReasons[i].Name] = fcmReasons[i].status
	}
	return all
}()

// Reason returns the row with that name: an error string of GCM, a code of FCM v1, or one of this package's own words for what
// no provider said. A name that no table has gives a new row that fails the recipient without touching it (action "none").
// The result is never nil and must not be changed. Safe for concurrent use.
func Reason(name string) *sender.Reason {
	if r := reasonsByName[name]; r != nil {
		return r
	}
	return unknownReason(name, 0)
}

// Reasons returns every row of the tables, of both protocols and this package's own, by name. The rows are shared and must not be
// changed; the slice is the caller's. Safe for concurrent use.
func Reasons() []*sender.Reason {
	return slices.SortedFunc(maps.Values(reasonsByName), func(a, b *sender.Reason) int { return strings.Compare(a.Name, b.Name) })
}

// unknownReason makes the row of a word that no table has, by the family of the HTTP status it came with (0 or 200: the word stood
// in a result). It never tells anybody to delete a registration ID.
func unknownReason(name string, status int) *sender.Reason {
	name = cleanName(name)
	r := &sender.Reason{
		Name: name, Class: sender.Rejected, Error: serverError, Code: results.Code(name),
		Description: "Unknown error", Action: results.ActionNone,
	}
	switch {
	case status == http.StatusTooManyRequests:
		r.Class, r.Floor, r.Action = sender.Throttled, quotaFloor, results.ActionSlowDown
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		r.Class, r.Wide, r.Error, r.Action = sender.Credential, true, authError, results.ActionFixCredential
	case status >= 500:
		r.Class, r.Action = sender.Transient, results.ActionRetry
	}
	return r
}

// maxNameBytes bounds an unknown word. The longest that Google uses has 28 characters.
const maxNameBytes = 48

// cleanName keeps a provider's unknown word from carrying anything else into events and metric labels.
func cleanName(name string) string {
	ok := name != "" && len(name) <= maxNameBytes && strings.IndexFunc(name, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.')
	}) < 0
	if !ok {
		return "Unknown"
	}
	return name
}

// statusReason is the row of an HTTP status whose body says nothing we know. It is never called for 200.
func statusReason(p Protocol, status int) *sender.Reason {
	name := reasonBadRequest
	switch {
	case status >= 500:
		name = serverReason(p, status)
	case status == http.StatusUnauthorized:
		name = reasonUnauthorized
	case status == http.StatusForbidden:
		name = reasonForbidden
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusGone:
		name = reasonNotFound
	case status == http.StatusRequestTimeout:
		name = reasonServerError
	case status == http.StatusRequestEntityTooLarge:
		name = reasonTooLarge
	case status == http.StatusTooManyRequests:
		name = reasonTooManyRequests
	case status >= 300 && status < 400:
		name = reasonRedirect
	case status < 300:
		name = reasonAnswerUnreadable
	}
	return reasonsByName[name]
}

// serverReason names 5xx rows in the protocol's own words where it has one for exactly this status.
func serverReason(p Protocol, status int) string {
	switch {
	case status == http.StatusInternalServerError && p == Legacy:
		return reasonInternalServerError
	case status == http.StatusInternalServerError:
		return reasonInternal
	case status == http.StatusServiceUnavailable && p == Legacy:
		return reasonUnavailable
	case status == http.StatusServiceUnavailable:
		return reasonFCMUnavailable
	case status == http.StatusGatewayTimeout && p == Legacy:
		return reasonGatewayTimeout
	case status == http.StatusGatewayTimeout:
		return reasonDeadlineExceeded
	}
	return reasonServerError
}
