package queue

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/volleypush/volley/jobs"
)

// A user who may do nothing is told so, instead of that the broker does not answer: the server says it beside the call, which waits in vain.
func TestWhatTheServerForbidsIsSaid(t *testing.T) {
	t.Parallel()
	forbidding, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		Users: []*server.User{{Username: "guest", Password: "hidden", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"nothing"}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	forbidding.Start()
	t.Cleanup(func() { forbidding.Shutdown(); forbidding.WaitForShutdown() })
	if !forbidding.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	url := strings.Replace(forbidding.ClientURL(), "nats://", "nats://guest:hidden@", 1)
	for _, test := range []struct {
		name, want string
		do         func(*Conn) error
	}{
		{"publishing", "forbids this user to publish on push.gcm, nothing was stored", func(c *Conn) error {
			_, err := c.PublishJob(t.Context(), jobs.GCM, jobs.LaneNormal, "default", "j", []byte("{}"))
			return err
		}},
		{"streams", "forbids this user to use JetStream", func(c *Conn) error { return c.EnsureTopology(t.Context(), small) }},
		{"results", "forbids this user to use JetStream", func(c *Conn) error { return c.Results(t.Context(), Query{}, nil) }},
		{"a dead letter", "the server forbids this user", func(c *Conn) error { _, err := c.DeadLetter(t.Context(), 1); return err }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := test.do(connectWith(t, Options{URL: url}))
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("%v", err)
			}
		})
	}
}

// What was forbidden before, or to another call, is no reason for this one.
func TestBlame(t *testing.T) {
	t.Parallel()
	var c Conn
	old, violation := nats.ErrPermissionViolation, error(&denied{nats.ErrPermissionViolation, errors.New(`Permissions Violation for Publish to "push.apns"`)})
	c.violation.Store(&old)
	before := c.violation.Load()
	if got := c.blame(before, "", nats.ErrTimeout); forbidden(got) {
		t.Errorf("nothing new was forbidden: %v", got)
	}
	c.violation.Store(&violation)
	for _, test := range []struct {
		name, subject string
		err           error
		want          bool
	}{
		{"no answer", "", nats.ErrTimeout, true},
		{"no answer on that subject", "push.apns", nats.ErrTimeout, true},
		{"no answer on another one", "push.apns.high", nats.ErrTimeout, false},
		{"an answer", "push.apns", ErrFull, false},
		{"no fault", "", nil, false},
	} {
		if got := c.blame(before, test.subject, test.err); forbidden(got) != test.want || !errors.Is(got, test.err) {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}
