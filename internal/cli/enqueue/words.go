package enqueue

import (
	"strconv"

	"github.com/volleypush/volley/results"
)

// count writes a number for people: 1,234,567.
func count(n int) string {
	digits := strconv.Itoa(n)
	start := 0
	if n < 0 {
		start = 1
	}
	out := make([]byte, 0, len(digits)+len(digits)/3)
	for i := range len(digits) {
		if i > start && (len(digits)-i)%3 == 0 {
			out = append(out, ',')
		}
		out = append(out, digits[i])
	}
	return string(out)
}

// pace is how many a second, to a tenth where it is slow: 0 would say that nothing happens.
func pace(perSecond float64) string {
	if perSecond > 0 && perSecond < 10 {
		return strconv.FormatFloat(perSecond, 'f', 1, 64)
	}
	return count(int(perSecond))
}

// counted is "1 job" or "2 jobs".
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// remedy says in words what an action asks for; "" for none. For as long as its results are kept, an id stays with its job: who
// publishes again, the same or another message, needs a new one.
func remedy(action results.Action) string {
	switch action {
	case results.ActionDeleteToken:
		return "delete the token"
	case results.ActionCheckEnvironment:
		return "check that token, topic and environment (production or sandbox) belong together"
	case results.ActionFixCredential:
		return "correct the app's credentials"
	case results.ActionFixPayload:
		return "change the message, and publish the job with a new id"
	case results.ActionSlowDown:
		return "send more slowly"
	case results.ActionRetry:
		return "send again later, in a job with a new id"
	case results.ActionNone:
	}
	return ""
}

// skippedWords says why a recipient was never sent.
func skippedWords(why results.Why) string {
	switch why {
	case results.SkippedExpired:
		return "the deadline passed before it could be sent"
	case results.SkippedCancelled:
		return "the job was cancelled"
	case results.SkippedDead:
		return "the job is a dead letter"
	}
	return string(why)
}
