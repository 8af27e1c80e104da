package dash

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestActs(t *testing.T) {
	for name, c := range map[string]struct {
		form   url.Values
		status int
		done   string
		says   string
	}{
		"pause":                 {url.Values{"do": {"pause"}, "campaign": {"spring"}, "back": {"/campaigns"}}, 303, "pause campaign spring", ""},
		"resume":                {url.Values{"do": {"resume"}, "campaign": {"spring"}}, 303, "resume campaign spring", ""},
		"cancel is asked":       {url.Values{"do": {"cancel"}, "campaign": {"spring"}}, 200, "", "Cancel campaign spring?"},
		"cancel":                {url.Values{"do": {"cancel"}, "app": {"default"}, "job": {"j"}, "platform": {"apns"}, "sure": {"yes"}}, 303, "cancel platform apns, app default, job j", ""},
		"requeue":               {url.Values{"do": {"requeue"}, "letter": {"12"}}, 303, "requeue 12 false", ""},
		"requeue the uncertain": {url.Values{"do": {"requeue"}, "letter": {"12"}, "resend": {"yes"}}, 303, "requeue 12 true", ""},
		"requeue is refused":    {url.Values{"do": {"requeue"}, "letter": {"13"}}, 409, "", "It is not done: its job is wrong"},
		"drop is asked":         {url.Values{"do": {"drop"}, "letter": {"12"}}, 200, "", "Delete dead letter 12?"},
		"drop":                  {url.Values{"do": {"drop"}, "letter": {"12"}, "sure": {"yes"}}, 303, "drop 12", ""},
		"everything":            {url.Values{"do": {"cancel"}, "sure": {"yes"}}, 400, "", "Name a platform"},
		"no letter":             {url.Values{"do": {"drop"}, "sure": {"yes"}}, 400, "", "by its number"},
		"letter 0":              {url.Values{"do": {"drop"}, "letter": {"0"}, "sure": {"yes"}}, 400, "", "by its number"},
		"nothing":               {url.Values{}, 400, "", "can&#39;t be done here"},
		"a long name":           {url.Values{"do": {"pause"}, "campaign": {strings.Repeat("x", maxName+1)}}, 400, "", "not that long"},
		"a key in a name":       {url.Values{"do": {"cancel"}, "campaign": {"a.b"}, "sure": {"yes"}}, 400, "", "only letters"},
		"a long form":           {url.Values{"do": {"pause"}, "campaign": {"x"}, "padding": {strings.Repeat("x", maxForm)}}, 400, "", "can&#39;t be read"},
	} {
		st := newStage(t, nil)
		status, body := text(st.ask(http.MethodPost, "/act", c.form, nil))
		if status != c.status || st.store.done() != c.done || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d, did %q\n%s", name, status, st.store.done(), body)
		}
	}
}

func TestAnOrderToASilentBroker(t *testing.T) {
	st := newStage(t, nil)
	st.store.silent = true
	if status, body := text(st.ask(http.MethodPost, "/act", url.Values{"do": {"requeue"}, "letter": {"1"}}, nil)); status != http.StatusServiceUnavailable || !strings.Contains(body, "not known whether it is done") {
		t.Errorf("%d\n%s", status, body)
	}
}

func TestNothingIsDoneByAsking(t *testing.T) {
	st := newStage(t, nil)
	resp := st.ask(http.MethodGet, "/act?do=drop&letter=1&sure=yes", nil, nil)
	if status, _ := text(resp); status != http.StatusNotFound && status != http.StatusMethodNotAllowed || st.store.done() != "" {
		t.Errorf("%d, %s", status, st.store.done())
	}
	// The fields of a form count only in its body.
	if status, _ := text(st.ask(http.MethodPost, "/act?do=drop&letter=1&sure=yes", url.Values{}, nil)); status != http.StatusBadRequest || st.store.done() != "" {
		t.Errorf("%d, %s", status, st.store.done())
	}
}
