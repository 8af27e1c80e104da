package gcm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// refusal is an answer that gave no token.
type refusal struct {
	host, path string
	status     int
	header     http.Header
	// code and text are OAuth's error and error_description (RFC 6749 §5.2), or status and message of a Google error; "" if there is none.
	code, text string
}

func newRefusal(response *http.Response, body []byte) *refusal {
	r := &refusal{status: response.StatusCode, header: response.Header}
	if response.Request != nil {
		r.host, r.path = response.Request.URL.Host, response.Request.URL.Path
	}
	var answer struct {
		Error       json.RawMessage `json:"error"`
		Description word            `json:"error_description"`
	}
	var oauth word
	var google struct {
		Status  word `json:"status"`
		Message word `json:"message"`
	}
	if json.Unmarshal(body, &answer) != nil { // HTML has neither
		return r
	}
	if json.Unmarshal(answer.Error, &google) == nil {
		r.code, r.text = string(google.Status), string(google.Message)
	} else if json.Unmarshal(answer.Error, &oauth) == nil {
		r.code, r.text = string(oauth), string(answer.Description)
	}
	return r
}

// refusalOf finds the refusal in an error of a token source that did not go through a witness; nil if it is about something else.
func refusalOf(err error) *refusal {
	var retrieve *oauth2.RetrieveError
	if !errors.As(err, &retrieve) || retrieve.Response == nil {
		return nil
	}
	r := newRefusal(retrieve.Response, retrieve.Body)
	if retrieve.ErrorCode != "" {
		r.code, r.text = retrieve.ErrorCode, retrieve.ErrorDescription
	}
	return r
}

// detail is what was answered, in one phrase.
func (r *refusal) detail() string {
	switch {
	case r.code == "":
		return fmt.Sprintf("HTTP %d", r.status)
	case r.text == "":
		return plain(r.code)
	}
	return plain(r.code) + " (" + plain(strings.TrimRight(r.text, ".")) + ")"
}

// later says that the refusal is about now and not about the credential.
func (r *refusal) later() bool {
	return r.status >= 500 || r.status == http.StatusTooManyRequests || r.status == http.StatusRequestTimeout
}

// maxSkew is how far this machine's clock may be from the token endpoint's before that is named as the cause of a refusal. Google does
// not say what it allows; answers come within seconds.
const maxSkew = 30 * time.Second

// skew is how far this machine's clock is ahead of the server's, by the answer's Date; 0 if it has none. It is the machine's clock that counts,
// by which x/oauth2 dates its assertions.
func (r *refusal) skew() time.Duration {
	date, err := http.ParseTime(r.header.Get("Date"))
	if err != nil {
		return 0
	}
	return time.Since(date).Round(time.Second)
}

// clockRemedy says what to do if the clock is what is wrong, which Google's own text tells from other faults of an assertion only sometimes;
// and else otherwise.
func clockRemedy(r *refusal, otherwise string) string {
	switch skew := r.skew(); {
	case skew > maxSkew:
		return fmt.Sprintf("This machine's clock is %s ahead of Google's: set it right, for example with NTP", skew)
	case skew < -maxSkew:
		return fmt.Sprintf("This machine's clock is %s behind Google's: set it right, for example with NTP", -skew)
	case r.code == "invalid_grant" && strings.Contains(r.text, "iat"):
		return "This machine's clock is probably wrong: set it right, for example with NTP"
	}
	return otherwise
}

// witness keeps the last answer that gave no token: of an exchange, x/oauth2's errors have it as a text only, with the whole body in it.
// It is used by one fetch, whose requests follow each other.
type witness struct {
	next    http.RoundTripper
	refusal *refusal
}

// RoundTrip implements http.RoundTripper.
func (w *witness) RoundTrip(request *http.Request) (*http.Response, error) {
	w.refusal = nil
	response, err := w.next.RoundTrip(request)
	if err != nil || response.StatusCode/100 == 2 {
		return response, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxFCMAnswer))
	if err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	w.refusal = newRefusal(response, body)
	response.Body = &replayed{bytes.NewReader(body), response.Body}
	return response, nil
}

// replayed is a body that was read already.
type replayed struct {
	*bytes.Reader
	io.Closer
}
