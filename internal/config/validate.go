package config

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/volleypush/volley/internal/natsurl"
)

// Limits of settings, both ends included.
const (
	maxSegments   = 1024
	maxDeliveries = 65_536
	maxWorkers    = 10_000
	minAckWait    = time.Second
	maxAckWait    = time.Hour
	// heartbeatsPerAckWait is how many signs of life fit one ack wait: two may get lost.
	heartbeatsPerAckWait = 3
	maxDrainTimeout      = time.Hour
	maxUnknownAppGrace   = 7 * 24 * time.Hour
	minRetention         = time.Minute
	// maxReplicas is the broker's own limit.
	maxReplicas      = 5
	minStore         = 64 << 20
	workerCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
)

var (
	workerPattern    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
	appPattern       = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)
	componentPattern = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)*$`)
)

// The closed sets of the log section.
var (
	logLevels  = []string{"trace", "debug", "info", "warn", "error"}
	logFormats = []string{"auto", "console", "json"}
	// components are the parts of the worker that log. Each but the first also stands for whatever is below it.
	components = []string{"volley", "volley.app", "volley.nats", "volley.queue", "volley.pipeline", "volley.provider", "volley.apns", "volley.gcm", "volley.http"}
)

// Fault is one thing wrong with the configuration.
type Fault struct {
	// App is the app that it concerns, "" if none.
	App string
	// Key is the full key: apps.default.apns.key_id.
	Key string
	// Problem says what is wrong and what to do; it reads on from the key.
	Problem string
}

// String is "key problem".
func (f Fault) String() string { return f.Key + " " + f.Problem }

// Faults is everything that Validate found, in the order of the tree.
type Faults []Fault

// Error lists all faults, one per line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = "  " + fault.String()
	}
	noun := "faults"
	if len(f) == 1 {
		noun = "fault"
	}
	return fmt.Sprintf("the configuration has %d %s:\n%s", len(f), noun, strings.Join(lines, "\n"))
}

// Validate checks the whole tree and returns Faults with everything that is wrong, or nil. Files are opened to see that
// they can be read; what is in them is not looked at. A tree without apps is valid: whether that makes sense is up to the
// command.
func (c *Config) Validate() error {
	v := checker{}
	v.nats(c)
	v.address("http", c.HTTP)
	v.either("http_token", !c.HTTPToken.IsZero(), "http_token_file", c.HTTPTokenFile != "")
	v.file("http_token_file", c.HTTPTokenFile)
	if err := checkPageToken(c.HTTPToken); err != nil {
		v.fault("http_token", "can't be used: %v", err)
	}
	v.between("max_segments", c.MaxSegments, 1, maxSegments)
	v.between("max_deliveries", c.MaxDeliveries, 1, maxDeliveries)
	v.between("workers", c.Workers, 1, maxWorkers)
	v.duration("ack_wait", c.AckWait, minAckWait, maxAckWait)
	if c.Heartbeat < 0 || c.Heartbeat > c.AckWait/heartbeatsPerAckWait {
		v.fault("heartbeat", "is %s, but must be at most a third of ack_wait (%s), or 0 for a sixth of it", c.Heartbeat, c.AckWait/heartbeatsPerAckWait)
	}
	v.duration("unknown_app_grace", c.UnknownAppGrace, 0, maxUnknownAppGrace)
	v.duration("drain_timeout", c.DrainTimeout, 0, maxDrainTimeout)
	v.atLeast("results.retention", c.Results.Retention, minRetention)
	v.atLeast("dead.retention", c.Dead.Retention, minRetention)
	v.between("replicas", c.Replicas, 0, maxReplicas)
	if !workerPattern.MatchString(c.Worker) {
		v.fault("worker", "is %s, but must be 1–64 letters, digits, -, _ or . and begin with a letter or digit", brief(c.Worker))
	}
	v.log(&c.Log)
	for _, name := range sortedKeys(c.Apps) {
		v.app, v.prefix = name, "apps."+name+"."
		v.checkApp(name, c.Apps[name])
	}
	if len(v.faults) > 0 {
		return v.faults
	}
	return nil
}

// checker collects faults. prefix stands before the keys that it is given.
type checker struct {
	app    string
	prefix string
	faults Faults
}

func (v *checker) fault(key, format string, args ...any) {
	v.faults = append(v.faults, Fault{App: v.app, Key: v.prefix + key, Problem: fmt.Sprintf(format, args...)})
}

func (v *checker) between(key string, n, low, high int) {
	if n < low || n > high {
		v.fault(key, "is %d, but must be between %d and %d", n, low, high)
	}
}

func (v *checker) duration(key string, d, low, high time.Duration) {
	if d < low || d > high {
		v.fault(key, "is %s, but must be between %s and %s", d, low, high)
	}
}

func (v *checker) atLeast(key string, d, low time.Duration) {
	if d < low {
		v.fault(key, "is %s, but must be at least %s", d, low)
	}
}

func (v *checker) oneOf(key, value string, of ...string) bool {
	if !slices.Contains(of, value) {
		v.fault(key, "is %s, but must be one of %s", brief(value), strings.Join(of, ", "))
		return false
	}
	return true
}

// file checks a path if one is given.
func (v *checker) file(key, path string) {
	if path == "" {
		return
	}
	if problem := checkReadable(path); problem != "" {
		v.fault(key, "%s", problem)
	}
}

// address checks HOST:PORT; "" is fine. It reports whether the address can be used.
func (v *checker) address(key, address string) {
	if address == "" {
		return
	}
	_, port, err := net.SplitHostPort(address)
	if n, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil || strconv.FormatUint(n, 10) != port {
		v.fault(key, "is %s, but must be HOST:PORT, for example 127.0.0.1:4222", brief(address))
	}
}

func (v *checker) nats(c *Config) {
	n := &c.NATS
	if n.Embedded() {
		v.address("nats.listen", n.Listen)
		if n.StoreDir == "" {
			v.fault("nats.store_dir", "is missing; name a folder for the embedded server, or set nats.url to use a server of your own")
		}
		if n.MaxStore != 0 && n.MaxStore < minStore {
			v.fault("nats.max_store", "is %s, but must be 0 (chosen by the free space) or at least %s", n.MaxStore, Size(minStore))
		}
		if c.Replicas > 1 {
			v.fault("replicas", "is %d, but the embedded server is a single one; set it to 0, or set nats.url to use a cluster", c.Replicas)
		}
		return
	}
	v.file("nats.creds", n.Creds)
	v.file("nats.ca_file", n.CAFile)
	v.file("nats.certificate", n.Certificate)
	v.file("nats.key", n.Key)
	v.file("nats.nkey_file", n.NKeyFile)
	if (n.Certificate == "") != (n.Key == "") {
		v.fault("nats.certificate", "and nats.key belong together; give both, or none")
	}
	if err := natsurl.Check(n.URL.Reveal()); err != nil {
		v.fault("nats.url", "can't be used: %v", err)
	}
}

func (v *checker) log(l *Log) {
	v.oneOf("log.level", l.Level, logLevels...)
	v.oneOf("log.format", l.Format, logFormats...)
	for _, name := range sortedKeys(l.Levels) {
		if !isComponent(name) {
			v.fault("log.levels."+name, "names no component; known are %s and what is below them", strings.Join(components, ", "))
		}
		v.oneOf("log.levels."+name, l.Levels[name], logLevels...)
	}
}

// isComponent says whether something may log under that name. A misspelt one would change nothing, silently.
func isComponent(name string) bool {
	if !componentPattern.MatchString(name) {
		return false
	}
	return name == components[0] || slices.ContainsFunc(components[1:], func(known string) bool {
		return name == known || strings.HasPrefix(name, known+".")
	})
}

func (v *checker) checkApp(name string, app *App) {
	if !appPattern.MatchString(name) {
		v.prefix = "apps."
		v.fault(name, "is not the name of an app: use 1–32 lower-case letters, digits, - and _, with a letter or digit first")
		return
	}
	if app == nil || app.APNS == nil && app.GCM == nil {
		v.fault("apns", "or gcm is missing: an app needs the credentials of at least one platform")
		return
	}
	v.between("max_attempts", app.MaxAttempts, 1, maxAttempts)
	v.between("weight", app.Weight, 1, maxWeight)
	if app.Rate.PerSecond() > maxRate {
		v.fault("rate", "is %s, but must be at most %d/s, or absent for no limit", app.Rate, maxRate)
	}
	if v.between("burst", app.Burst, 0, maxRate); app.Burst > 0 && app.Rate.Count == 0 {
		v.fault("burst", "is given without a rate; set rate, for example 5000/s, or remove it")
	}
	if app.APNS != nil {
		v.prefix = "apps." + name + ".apns."
		v.apns(app.APNS)
	}
	if app.GCM != nil {
		v.prefix = "apps." + name + ".gcm."
		v.gcm(app.GCM)
	}
}

// either reports a fault if both of two settings are given, and says which one is: "" for none.
func (v *checker) either(a string, aGiven bool, b string, bGiven bool) string {
	if aGiven && bGiven {
		v.fault(a, "and %s are both given; remove one of them", b)
	}
	switch {
	case aGiven:
		return a
	case bGiven:
		return b
	}
	return ""
}
