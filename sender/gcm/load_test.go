package gcm

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
)

func TestLoad(t *testing.T) { onEngines(t, testLoad) }

func testLoad(t *testing.T, e Engine) {
	arrived, release := make(chan struct{}), make(chan struct{})
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		arrived <- struct{}{}
		<-release
		accept(w)
	})
	c := newClientOn(t, s, e, nil)
	if got := c.Load(); got != (sender.Load{}) {
		t.Errorf("nothing was sent: %+v", got)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		deliver(t, t.Context(), c, "r")
	}()
	<-arrived
	if diff := cmp.Diff(sender.Load{Connections: 1, UnderWay: 1}, c.Load()); diff != "" {
		t.Error(diff)
	}
	close(release)
	<-done
	if diff := cmp.Diff(sender.Load{Connections: 1}, c.Load()); diff != "" {
		t.Error(diff)
	}
	_ = c.Close()
	if got := c.Load(); got != (sender.Load{}) {
		t.Errorf("closed: %+v", got)
	}
}
