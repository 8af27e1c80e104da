package gcm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender"
)

func TestConfigErrors(t *testing.T) {
	account := &ServiceAccount{ProjectID: "demo"}
	for _, row := range []struct {
		name string
		c    Config
		want string
		auth bool
	}{
		{"no api key", Config{Protocol: Legacy}, "GCMAuthError: Missing GCM API key. Set api_key", true},
		{"api key with a line break", Config{Protocol: Legacy, APIKey: "secret\n"}, "Check api_key", true},
		{"no service account", Config{}, "Set service_account", true},
		{"no project", Config{TokenSource: staticToken()}, "Set project_id", true},
		{"odd project", Config{Credential: account, ProjectID: "a/b"}, `project_id "a/b"`, false},
		{"unknown protocol", Config{Protocol: "xmpp"}, `unknown protocol "xmpp"`, false},
		{"plain http", Config{Credential: account, Endpoint: "http://example.com"}, "plain https URL", false},
		{"no host", Config{Credential: account, Endpoint: "https:///x"}, "plain https URL", false},
		{"password in the URL", Config{Credential: account, Endpoint: "https://user:secret@example.com"}, "plain https URL", false},
		{"query", Config{Protocol: Legacy, APIKey: "k", Endpoint: "https://example.com/send?key=secret"}, "plain https URL", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := New(row.c)
			var auth *AuthError
			if err == nil || !strings.Contains(err.Error(), row.want) || errors.As(err, &auth) != row.auth {
				t.Fatal(err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Error("the error shows a secret")
			}
		})
	}
}

func TestEndpoints(t *testing.T) {
	for _, row := range []struct {
		c    Config
		want string
	}{
		{Config{Credential: &ServiceAccount{ProjectID: "demo"}}, "https://fcm.googleapis.com/v1/projects/demo/messages:send"},
		{Config{Credential: &ServiceAccount{ProjectID: "demo"}, ProjectID: "12345"}, "https://fcm.googleapis.com/v1/projects/12345/messages:send"},
		{Config{Credential: &ServiceAccount{ProjectID: "demo"}, ProjectID: "example.com:x"}, "https://fcm.googleapis.com/v1/projects/example.com:x/messages:send"},
		{Config{Credential: &ServiceAccount{ProjectID: "demo"}, Endpoint: "https://h:1/base/"}, "https://h:1/base/v1/projects/demo/messages:send"},
		{Config{Protocol: Legacy, APIKey: "k"}, "https://fcm.googleapis.com/fcm/send"},
		{Config{Protocol: Legacy, APIKey: "k", Endpoint: "https://h:1"}, "https://h:1/fcm/send"},
		{Config{Protocol: Legacy, APIKey: "k", Endpoint: "https://h:1/"}, "https://h:1/fcm/send"},
		{Config{Protocol: Legacy, APIKey: "k", Endpoint: "https://h:1/gcm/send"}, "https://h:1/gcm/send"},
	} {
		c, err := New(row.c)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.endpoint.String(); got != row.want {
			t.Errorf("%s, want %s", got, row.want)
		}
	}
}

// Nothing that is printed in any way holds a credential or a registration ID.
func TestNothingSecretIsPrinted(t *testing.T) {
	account, err := ParseServiceAccount(accountJSON("https://oauth2.example/token"))
	if err != nil {
		t.Fatal(err)
	}
	config := Config{Protocol: Legacy, APIKey: "planted-api-key", Credential: account}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	failure := &ServerError{Index: 3, Identifier: jobs.NewToken("planted-registration-id"), Name: "GCMUnregisteredDeviceError", Code: "NotRegistered", Description: "Device not registered"}
	var printed strings.Builder
	misplaced := Config{Endpoint: "https://user:planted@example.com/?key=planted"}
	for _, v := range []any{misplaced, config, &config, c, account, *account, failure, *failure} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			_, _ = fmt.Fprintf(&printed, verb+"\n", v)
		}
		text, _ := json.Marshal(v)
		printed.Write(text)
	}
	for _, secret := range []string{"planted", "PRIVATE", fmt.Sprintf("%x", "planted")} {
		if strings.Contains(printed.String(), secret) {
			t.Errorf("%q was printed", secret)
		}
	}
	if got := failure.Error(); got != "GCMUnregisteredDeviceError (code=NotRegistered): Device not registered for recipient 3" {
		t.Error(got)
	}
}

func TestSendLegacy(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		echo(func(id string) string {
			switch id {
			case "gone":
				return `{"error":"NotRegistered"}`
			case "odd":
				return `{"error":"BrandNew"}`
			case "old":
				return `{"message_id":"2","registration_id":"newer"}`
			}
			return `{"message_id":"1"}`
		})(w, r, body)
	})
	c := newClient(t, s, Legacy, nil)
	r, err := c.Send(t.Context(), []string{"ok", "gone", "old", "odd", ""}, &Message{Data: "hi"})
	if err != nil {
		t.Fatal(err)
	}
	var errs []string
	for _, e := range r.Errors {
		errs = append(errs, fmt.Sprint(e.Index, " ", e.Identifier.Reveal(), " ", e.Error()))
	}
	if diff := cmp.Diff([]string{
		"1 gone GCMUnregisteredDeviceError (code=NotRegistered): Device not registered for recipient 1",
		"3 odd GCMServerError (code=BrandNew): Unknown error for recipient 3",
		"4  GCMInvalidRegistrationError (code=InvalidRegistration): Invalid registration ID for recipient 4",
	}, errs); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]string{{"ok", "gone", "old", "odd", ""}, {"ok", "old"}, {"gone", "odd", ""}}, [][]string{r.RegistrationIDs, r.Successes, r.Failures}); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]CanonicalID{{"old", "newer"}}, r.CanonicalIDs); diff != "" {
		t.Error(diff)
	}
	if len(r.Messages) != 1 || string(r.Messages[0]) != `{"data":{"message":"hi"},"priority":"high","registration_ids":["ok","gone","old","odd"]}` {
		t.Errorf("%s", r.Messages)
	}
	if len(r.Data) != 1 || !strings.Contains(string(r.Data[0]), "9223372036854775807") {
		t.Errorf("%s", r.Data)
	}
	var failure *ServerError
	if !errors.As(r.Err(), &failure) || failure.Name != "GCMUnregisteredDeviceError" || len(r.Outcomes) != 5 {
		t.Error(r.Err())
	}
}

func TestSendTopicAndFaults(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { accept(w) })
	c := newClient(t, s, V1, nil)
	r, err := c.Send(t.Context(), nil, &Message{Data: "hi", Topic: new("news")})
	if err != nil || cmp.Diff([]string{"news"}, r.Successes) != "" || r.Err() != nil {
		t.Errorf("%+v %v", r, err)
	}
	for name, send := range map[string]func() (*Response, error){
		"no ids":        func() (*Response, error) { return c.Send(t.Context(), nil, &Message{Data: "hi"}) },
		"ids and topic": func() (*Response, error) { return c.Send(t.Context(), []string{"a"}, &Message{Topic: new("news")}) },
		"bad message": func() (*Response, error) {
			return c.Send(t.Context(), []string{"a"}, &Message{TimeToLive: new(int64(-1))})
		},
	} {
		_, err := send()
		if _, ok := errors.AsType[jobs.Faults](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err = c.Send(ctx, []string{"a", "b"}, &Message{Data: "hi"})
	if !errors.Is(err, context.Canceled) || len(r.Failures) != 2 || r.Outcomes[0].Class != sender.Unsent {
		t.Errorf("%+v %v", r, err)
	}
	if len(s.requests()) != 1 {
		t.Error("a faulty call was sent")
	}
}

func TestSendKeepsEveryAnswerOfV1(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request, body []byte) {
		if fcmToken(body) == "gone" {
			w.WriteHeader(404)
			_, _ = io.WriteString(w, fcmErrorBody(404, "NOT_FOUND", "x", fcmCode("UNREGISTERED")))
			return
		}
		accept(w)
	})
	r, err := newClient(t, s, V1, nil).Send(t.Context(), []string{"a", "gone", "b"}, &Message{Data: "hi"})
	if err != nil || len(r.Messages) != 3 || len(r.Data) != 2 || len(r.Errors) != 1 || r.Errors[0].Code != "NotRegistered" {
		t.Errorf("%+v %v", r, err)
	}
}
