package gcm

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPlainName(t *testing.T) {
	for body, want := range map[string]string{
		`{"name":"projects/p/messages/1"}`:     "projects/p/messages/1",
		"{\n  \"name\": \"projects/p/m\"\n}\n": "projects/p/m",
		" {\t\"name\" :\r\n\"a\" } ":           "a",
		`{"name":""}`:                          "",
		`{"name":"a","error":{}}`:              "",
		`{"name":"a\u0062"}`:                   "",
		`{"name":"ä"}`:                         "",
		`{"name":"a"} x`:                       "",
		`{"name":"a"`:                          "",
		`{"name":1}`:                           "",
		`{"error":{"status":"UNAVAILABLE"}}`:   "",
		`[{"name":"a"}]`:                       "",
		`<html>`:                               "",
		``:                                     "",
		`{"name" "a"}`:                         "",
		`{"names":"a"}`:                        "",
		`{"name":"` + strings.Repeat("a", 9) + `"}`: "aaaaaaaaa",
	} {
		if got := string(plainName([]byte(body))); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

// FuzzPlainName: whatever it recognises, JSON reads the same.
func FuzzPlainName(f *testing.F) {
	f.Add([]byte(`{"name":"projects/p/messages/1"}`))
	f.Add([]byte("{ \"name\" :\n\"a\\\"b\" }"))
	f.Add([]byte(`{"name":"a","name":"b"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got := plainName(body)
		if got == nil {
			return
		}
		var object struct{ Name string }
		if err := json.Unmarshal(body, &object); err != nil || object.Name != string(got) {
			t.Errorf("%q: %q, JSON says %q, %v", body, got, object.Name, err)
		}
	})
}

// TestRegistrationIDsInTheirBodies: what the engine puts together is what Body makes.
func TestRegistrationIDsInTheirBodies(t *testing.T) {
	s := newRawServer(t, 1000, nil, func(c *rawConn, stream uint32) { c.answer(stream) })
	c := s.client(t, nil)
	message := prepare(t, c, &Message{Data: "hello"})
	for _, id := range []string{"plain:APA91b", `with "quotes"`, `back\slash`, "line\nbreak", "ümlaut"} {
		d := newDelivery(t.Context(), c, &Request{Tokens: []string{id}, Message: message}, nil, nil)
		f := &flow{delivery: d}
		template := f.template("token")
		if got := string(template.Before) + jsonText(id) + string(template.After); got != string(message.Body(id)) {
			t.Errorf("%s, want %s", got, message.Body(id))
		}
		d.end()
	}
}
