package apns

import (
	"time"

	"github.com/volleypush/volley/sender"
)

// Response is what became of one Send. Everything is by index: a token that was given twice is there twice.
type Response struct {
	// Tokens are the ids as sent.
	Tokens []string
	// Message is the message as given.
	Message *Message
	// Outcomes says for each token what became of it.
	Outcomes []sender.Outcome
	// Errors has one entry for each token that was not accepted, in the order of their indexes.
	Errors []*Error
	// Failures are the tokens at the indexes of Errors, in the same order.
	Failures []string
	// Successes are the other tokens, in order: those that Apple accepted.
	Successes []string
	// TokenErrors is the last error of each token that was not accepted.
	TokenErrors map[string]*Error
	// Expired are the tokens that Apple says are gone; do not send to them again.
	Expired []ExpiredToken
}

// ExpiredToken is a device token that Apple says is gone.
type ExpiredToken struct {
	Index int
	Token string
	// Timestamp is since when Apple knows; zero if it did not say. A token that was registered later than that is alive.
	Timestamp time.Time
}

func newResponse(ids []string, message *Message) *Response {
	return &Response{
		Tokens: ids, Message: message,
		Outcomes:    make([]sender.Outcome, len(ids)),
		TokenErrors: make(map[string]*Error),
	}
}

// sum derives the views from the outcomes.
func (r *Response) sum() {
	for i, o := range r.Outcomes {
		token := r.Tokens[i]
		if o.Class == sender.Accepted {
			r.Successes = append(r.Successes, token)
			continue
		}
		err := newError(i, o)
		r.Errors = append(r.Errors, err)
		r.Failures = append(r.Failures, token)
		r.TokenErrors[token] = err
		if o.Class == sender.Expired {
			r.Expired = append(r.Expired, ExpiredToken{Index: i, Token: token, Timestamp: o.Timestamp})
		}
	}
}
