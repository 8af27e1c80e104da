package app

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/sender/apns"
)

const (
	// shortAckWait and longAckWait are ack waits that are probably a mistake.
	shortAckWait = 10 * time.Second
	longAckWait  = 10 * time.Minute
	// eventMemory is what a stored event costs in the server's memory, in bytes (measured).
	eventMemory = 180
	// expiringSoon is how long before its end a certificate is worth a warning.
	expiringSoon = 30 * 24 * time.Hour
)

var (
	appleID    = regexp.MustCompile(`^[A-Z0-9]{10}$`)
	bundleID   = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)
	authKey    = regexp.MustCompile(`^AuthKey_([A-Z0-9]{10})\.p8$`)
	firebaseID = regexp.MustCompile(`^[a-z][a-z0-9-]{4,28}[a-z0-9]$`)
)

// settings are those that concern no app.
func (d *doctor) settings() {
	c := d.config
	d.ok("worker", c.Worker)
	if c.NATS.Embedded() {
		d.ok("NATS", "a server inside the worker, "+cmp.Or(c.NATS.Listen, "for this process only")+", store "+c.NATS.StoreDir+syncWords(c.NATS.SyncAlways))
	} else {
		d.ok("NATS", c.NATS.URL.String())
	}
	d.ok("events kept", fmt.Sprintf("%s (PUSH_RESULTS), each with %d bytes of the server's memory", c.Results.Retention, eventMemory))
	d.ok("dead letters kept", c.Dead.Retention.String()+" (PUSH_DEAD)")
	d.ok("segments at once", fmt.Sprint(c.MaxSegments))
	d.ok("web page", cmp.Or(c.HTTP, "not served"))
	switch text := c.AckWait.String(); {
	case c.AckWait < shortAckWait:
		d.warn("ack wait", text+": a worker that pauses that long, for a disk or a busy machine, is taken for dead, and what it sends is sent twice", "set ack_wait to 30s")
	case c.AckWait > longAckWait:
		d.warn("ack wait", text+": what a dead worker held waits that long for another one", "set ack_wait to 30s")
	default:
		d.ok("ack wait", text)
	}
	if c.NATS.Creds != "" {
		d.files("NATS credentials", c.NATS.Creds)
	}
}

// store looks at the disk of a server inside the worker.
func (d *doctor) store() {
	if !d.config.NATS.Embedded() {
		return
	}
	dir := d.config.NATS.StoreDir
	for dir != filepath.Dir(dir) { // it may have to be made yet
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	free, err := d.free(dir)
	if err != nil {
		d.warn("disk", err.Error(), "choose a store_dir on a local disk")
		return
	}
	need, offers := queue.Topology{}.Room(), int64(d.config.NATS.MaxStore)
	if offers == 0 {
		offers = free / 4 * 3
	}
	text := fmt.Sprintf("%s free in %s; the streams' limits want %s", bytesOf(free), dir, bytesOf(need))
	switch {
	case offers < need && d.config.NATS.MaxStore > 0:
		d.fail(ErrBroker, "disk", text+", more than max_store, which is "+bytesOf(offers), "raise max_store")
	case offers < need:
		d.fail(ErrBroker, "disk", text+" of three quarters of that: the server would not start", "make room, or choose another store_dir")
	case free < need*3/2:
		d.warn("disk", text, "make room before they are full")
	default:
		d.ok("disk", text)
	}
}

// bytesOf writes bytes for people.
func bytesOf(n int64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// side looks at what an app's configuration and credential say by themselves.
func (d *doctor) side(s *side) {
	subject := "app " + s.name + ", Google"
	if s.apple != nil {
		subject = "app " + s.name + ", Apple"
		d.ok(subject, describeAPNS(s.app.APNS, s.apple))
		d.apple(subject, s.app.APNS, s.apple)
	} else {
		d.ok(subject, describeGCM(s.app.GCM, d.config.Workers, s.project))
		d.google(subject, s.app.GCM, s.project)
	}
	if s.apple != nil {
		a := s.app.APNS
		d.files(subject, a.KeyFile, a.Certificate, a.CertificatePasswordFile)
	} else {
		d.files(subject, s.app.GCM.ServiceAccount, s.app.GCM.APIKeyFile)
	}
}

// apple says what is not plausible.
func (d *doctor) apple(subject string, a *config.APNS, client *apns.Client) {
	if a.Protocol == config.ProtocolBinary && a.Endpoint == "" {
		d.warn(subject, "Apple has switched its binary protocol off", "set endpoint to a gateway that speaks it, or protocol http2")
	}
	if a.KeyFile != "" {
		for _, id := range [][2]string{{"key_id", a.KeyID}, {"team_id", a.TeamID}} {
			if !appleID.MatchString(id[1]) {
				d.warn(subject, fmt.Sprintf("%s is %q; Apple's have ten capital letters and digits", id[0], id[1]), "compare it with Apple's developer site")
			}
		}
		if m := authKey.FindStringSubmatch(filepath.Base(a.KeyFile)); m != nil && m[1] != a.KeyID {
			d.warn(subject, fmt.Sprintf("key_id is %q, but the key's file is called %s", a.KeyID, filepath.Base(a.KeyFile)), "set key_id to "+m[1]+", or name the other file")
		}
	}
	if a.Topic != "" && !bundleID.MatchString(a.Topic) {
		d.warn(subject, fmt.Sprintf("topic %q does not look like a bundle id, com.example.app", a.Topic), "compare it with the app's bundle id")
	}
	info, ok := client.Certificate()
	if !ok {
		return
	}
	switch {
	case a.Environment == config.EnvironmentSandbox && info.Production && !info.Sandbox, a.Environment != config.EnvironmentSandbox && info.Sandbox && !info.Production:
		d.warn(subject, fmt.Sprintf("certificate %q is not made for environment %s", info.Name, a.Environment), "set the other environment, or make the other certificate")
	}
	end := "certificate runs out on " + describeExpiry(info.NotAfter, d.now())
	const remedy = "make a new one on Apple's developer site and replace the file; it is taken without a restart"
	switch left := info.NotAfter.Sub(d.now()); {
	case left <= 0:
		d.fail(ErrCredentials, subject, "certificate expired on "+describeExpiry(info.NotAfter, d.now()), remedy)
	case left < expiringSoon:
		d.warn(subject, end, remedy)
	}
}

// google says what is not plausible.
func (d *doctor) google(subject string, g *config.GCM, project string) {
	switch id := project[strings.LastIndexByte(project, '/')+1:]; {
	case g.Protocol == config.ProtocolLegacy && g.Endpoint == "":
		d.warn(subject, "Google has switched its legacy protocol off", "set endpoint to a gateway that speaks it, or protocol v1")
	case g.Protocol != config.ProtocolLegacy && !firebaseID.MatchString(id):
		d.warn(subject, fmt.Sprintf("project %q does not look like the id of a Firebase project", id), "set project_id to the id in the Firebase console, not the name or the number")
	}
}

// files says which secrets others can read.
func (d *doctor) files(subject string, files ...string) {
	if runtime.GOOS == "windows" {
		return // its permissions are others
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if file == "" || err != nil {
			continue
		}
		switch mode := info.Mode().Perm(); {
		case mode&0o022 != 0:
			d.warn(subject, fmt.Sprintf("%s can be changed by others (mode %04o)", file, mode), "chmod 600 "+file)
		case mode&0o004 != 0:
			d.warn(subject, fmt.Sprintf("%s can be read by everybody (mode %04o)", file, mode), "chmod 600 "+file)
		}
	}
}
