package simulator

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/volleypush/volley/sender/simulator/h2sim"
)

// Apply puts onto a response what the script says about it beside status and body: its time, headers, trailers, and what
// goes wrong on its way. Of an answer that is Hidden the caller takes the status away. A verbatim body gets the content type it looks like, unless the headers say otherwise.
func (a *Answer) Apply(r *h2sim.Response) {
	r.Latency, r.Never = time.Duration(a.Latency), a.Never
	if len(a.Informational) > 0 {
		r.Informational = a.Informational
	}
	if a.Reset != "" {
		code := errCode(a.Reset, 0)
		r.Reset = &code
	}
	if a.RetryAfter != "" {
		r.Header.Set("retry-after", a.RetryAfter)
	}
	if a.Body != "" {
		kind := "application/json; charset=UTF-8"
		if strings.HasPrefix(strings.TrimSpace(a.Body), "<") {
			kind = "text/html; charset=UTF-8"
		}
		r.Header.Set("content-type", kind)
	}
	for name, value := range a.Headers {
		r.Header.Set(strings.ToLower(name), value)
	}
	if a.HeaderBytes > 0 {
		r.Header.Set("x-filler", strings.Repeat("x", a.HeaderBytes))
	}
	for name, value := range a.Trailers {
		r.Trailer.Set(strings.ToLower(name), value)
	}
	slices.SortFunc(r.Trailer, func(a, b h2sim.Field) int { return strings.Compare(a.Name, b.Name) })
}

// NewResponse is a response with a body of this content type.
func NewResponse(status int, contentType string, body []byte) h2sim.Response {
	return h2sim.Response{Status: status, Header: h2sim.Fields{{Name: "content-type", Value: contentType}}, Body: body}
}

// fieldsOf are the header fields of an HTTP/1.1 request in the form of HTTP/2.
func fieldsOf(header http.Header) h2sim.Fields {
	fields := make(h2sim.Fields, 0, len(header))
	for name, values := range header {
		for _, value := range values {
			fields = append(fields, h2sim.Field{Name: strings.ToLower(name), Value: value})
		}
	}
	return fields
}
