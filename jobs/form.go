package jobs

import "strings"

// reservedPrefix begins the ids that Volley derives itself; a publisher can't choose one.
const reservedPrefix = "PUSH_"

// validID says whether a publisher may choose text as a job id: [A-Za-z0-9][A-Za-z0-9_-]{0,63}, not the reserved prefix.
// The form is safe as one token of a subject and in a KV key.
func validID(text string) bool {
	return hasForm(text, 64, isAlnum, func(c byte) bool { return isAlnum(c) || c == '_' || c == '-' }) &&
		!strings.HasPrefix(text, reservedPrefix)
}

// validApp says whether text names an app: [a-z0-9][a-z0-9_-]{0,31}.
func validApp(text string) bool {
	return hasForm(text, 32, isLowerAlnum, func(c byte) bool { return isLowerAlnum(c) || c == '_' || c == '-' })
}

// validCampaign says whether text can group jobs; it has the form of an id.
func validCampaign(text string) bool { return validID(text) }

func hasForm(text string, limit int, first, rest func(byte) bool) bool {
	if text == "" || len(text) > limit || !first(text[0]) {
		return false
	}
	for i := 1; i < len(text); i++ {
		if !rest(text[i]) {
			return false
		}
	}
	return true
}

func isLowerAlnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
func isAlnum(c byte) bool      { return isLowerAlnum(c) || c >= 'A' && c <= 'Z' }
