package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Config is the whole tree. Make one with Default or Load. It is plain data: whoever changes it sees to it that nobody
// reads it meanwhile. Printing it in any way shows no secret.
type Config struct {
	NATS NATS `yaml:"nats"`
	// HTTP is where the web page, /healthz, /readyz, /version and /metrics are served, HOST:PORT; "" serves none of them. Default
	// DefaultHTTP; if that is taken, a free port of the same host is used instead.
	HTTP string `yaml:"http"`
	// HTTPToken is what people must give to see the web page; it, or the file HTTPTokenFile, is needed where HTTP is not a loopback
	// address. See PageToken.
	HTTPToken     Secret `yaml:"http_token"`
	HTTPTokenFile string `yaml:"http_token_file" path:"read"`
	// MaxSegments is how many segments with more than one recipient are in flight at once. Default 4.
	MaxSegments int `yaml:"max_segments"`
	// MaxDeliveries is how many messages of push.apns and push.gcm are handled at once, those of more than 4 KiB counted several
	// times. Default 1024.
	MaxDeliveries int `yaml:"max_deliveries"`
	// Workers is how many workers send for the same apps: each keeps to its share of a project's quota. Default 1.
	Workers int `yaml:"workers"`
	// AckWait is how long the broker waits for a sign of life before it gives a delivery to somebody else. Default 30 s.
	AckWait time.Duration `yaml:"ack_wait"`
	// Heartbeat is how often each delivery gives its sign of life; at most a third of AckWait. 0, the default, is a sixth.
	Heartbeat time.Duration `yaml:"heartbeat"`
	// UnknownAppGrace is how long work of an app that no worker has waits for one that has it, before it becomes a dead letter. Default
	// 10 min; 0 is at once.
	UnknownAppGrace time.Duration `yaml:"unknown_app_grace"`
	// DrainTimeout is how long a worker that is told to stop finishes what it has begun. Default 30 s.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
	// Results and Dead say how long events (24 h) and dead letters (720 h) are kept.
	Results Retention `yaml:"results"`
	Dead    Retention `yaml:"dead"`
	// Replicas is how many servers keep a copy of each stream; 0, the default, is 1 on a single server and 3 on a cluster.
	Replicas int `yaml:"replicas"`
	// Worker is this worker's name in events. Default: the host's name and the process id.
	Worker string `yaml:"worker"`
	Log    Log    `yaml:"log"`
	// Apps are the credentials by app name.
	Apps map[string]*App `yaml:"apps"`
}

// NATS says which broker to use: the server at URL, or an own one embedded in the worker if there is no URL.
type NATS struct {
	URL URL `yaml:"url"`
	// Creds is the path of a credentials file for the server at URL.
	Creds string `yaml:"creds" path:"read"`
	// CAFile holds the authorities of the certificate of the server at URL, "" is the system's. Certificate and Key are the worker's own
	// for a server that asks for one, NKeyFile the seed of an nkey.
	CAFile      string `yaml:"ca_file" path:"read"`
	Certificate string `yaml:"certificate" path:"read"`
	Key         string `yaml:"key" path:"read"`
	NKeyFile    string `yaml:"nkey_file" path:"read"`
	// Listen is where the embedded server can be reached, default 127.0.0.1:4222; "" is from within the process only.
	Listen string `yaml:"listen"`
	// StoreDir is the folder in which the embedded server keeps everything. Load derives it if nothing says it:
	// $STATE_DIRECTORY/nats, $XDG_STATE_HOME/volley/nats or $HOME/.local/state/volley/nats.
	StoreDir string `yaml:"store_dir" path:"write"`
	// SyncAlways makes the embedded server write through to the disk before it acknowledges. Default true.
	SyncAlways bool `yaml:"sync_always"`
	// MaxStore is the most that the embedded server keeps on disk; 0, the default, lets it choose by the free space.
	MaxStore Size `yaml:"max_store"`
}

// Embedded says whether the worker has to start its own broker.
func (n *NATS) Embedded() bool { return n.URL.IsZero() }

// Retention is how long something is kept.
type Retention struct {
	Retention time.Duration `yaml:"retention"`
}

// Log says what is logged and how.
type Log struct {
	// Level is trace, debug, info (the default), warn or error.
	Level string `yaml:"level"`
	// Format is console, json or auto (the default): console on a terminal, else json.
	Format string `yaml:"format"`
	// Levels overrides Level by component: "volley.apns" also holds for everything below it.
	Levels map[string]string `yaml:"levels"`
}

// App is what one app needs to send. At least one of APNS and GCM is set.
type App struct {
	APNS *APNS `yaml:"apns,omitempty"`
	GCM  *GCM  `yaml:"gcm,omitempty"`
	// MaxAttempts is how often one recipient is tried. Default 10.
	MaxAttempts int `yaml:"max_attempts"`
	// Weight is the app's part in the turns when several apps have work, 1 to 100: one with 3 sends three times as much as one
	// with 1. Default 1.
	Weight int `yaml:"weight"`
	// Backlog is about how many bytes of the app's jobs and segments may wait on each platform, now or for later, because it is paused, can't
	// send, is over its rate or they are not due: a job that would have to wait beyond that becomes a dead letter. Default DefaultBacklog; 0 is no limit.
	Backlog Size `yaml:"backlog"`
	// Rate is how many notifications may be sent to both platforms together, by all workers together. "" is no limit, the default.
	Rate Rate `yaml:"rate"`
	// Burst is how many of them may go at once after a silence. 0, the default, is a quarter of a second's.
	Burst int `yaml:"burst"`
	// MessageIDs adds the provider's id of each accepted recipient to the events. Default false.
	MessageIDs bool `yaml:"message_ids"`
}

// Values of APNS.Protocol, APNS.Engine, GCM.Engine, APNS.Environment and GCM.Protocol.
const (
	ProtocolHTTP2         = "http2"
	ProtocolBinary        = "binary"
	ProtocolV1            = "v1"
	ProtocolLegacy        = "legacy"
	EnginePipelined       = "pipelined"
	EngineNetHTTP         = "nethttp"
	EnvironmentProduction = "production"
	EnvironmentSandbox    = "sandbox"
)

// APNS is how an app sends to Apple. Fields that begin with Default hold for jobs that don't say it themselves; their
// values are those of the reference.
type APNS struct {
	// Protocol is http2 (the default) or binary.
	Protocol string `yaml:"protocol"`
	// Engine is what speaks HTTP/2: pipelined (the default), or nethttp, which is slower and there in case of doubt.
	Engine string `yaml:"engine"`
	// Connections is the most connections of a worker at a time, 1–100. Default 4. More than one is opened only when there is
	// more to send than fits on the others.
	Connections int `yaml:"connections"`
	// Environment is production (the default) or sandbox.
	Environment string `yaml:"environment"`
	// Topic is the app's bundle id.
	Topic string `yaml:"topic,omitempty"`
	// KeyFile is the path of a .p8 key, KeyID its id, TeamID the team's.
	KeyFile string `yaml:"key_file,omitempty" path:"read"`
	KeyID   string `yaml:"key_id,omitempty"`
	TeamID  string `yaml:"team_id,omitempty"`
	// Certificate is the path of a .p12 or .pem with certificate and private key, instead of a key. Its password stands in
	// CertificatePassword or in the file CertificatePasswordFile; see Password.
	Certificate             string `yaml:"certificate,omitempty" path:"read"`
	CertificatePassword     Secret `yaml:"certificate_password,omitempty"`
	CertificatePasswordFile string `yaml:"certificate_password_file,omitempty" path:"read"`
	// Endpoint replaces Apple's: https://HOST[:PORT], for the binary protocol HOST:PORT. "" is Apple's.
	Endpoint string `yaml:"endpoint,omitempty"`
	// FeedbackEndpoint replaces Apple's feedback service of the binary protocol: HOST:PORT. "" is Apple's.
	FeedbackEndpoint string `yaml:"feedback_endpoint,omitempty"`
	// FeedbackInterval is how often the feedback service is asked which tokens are gone, 10 s to a week. Default 1 h; 0 is never.
	FeedbackInterval time.Duration `yaml:"feedback_interval"`
	// CAFile is the path of the certificates that the endpoint's is checked against; "" is the system's.
	CAFile string `yaml:"ca_file,omitempty" path:"read"`

	// DefaultErrorTimeout is how long answers are waited for after the last write, in seconds, 0–300. Default 10.
	DefaultErrorTimeout float64 `yaml:"default_error_timeout"`
	// DefaultExpirationOffset is how long a notification is valid, in seconds from now. Default 2,592,000; 0 is one attempt.
	DefaultExpirationOffset int64 `yaml:"default_expiration_offset"`
	// DefaultBatchSize is how many notifications are written ahead together, 1–1000. Default 100.
	DefaultBatchSize int `yaml:"default_batch_size"`
	// DefaultMaxPayloadLength is the length in bytes that messages are shortened to; 0, the default, shortens nothing.
	DefaultMaxPayloadLength int `yaml:"default_max_payload_length"`
	// DefaultRetries is how often a write of the binary protocol is tried, from 1. Default 5.
	DefaultRetries int `yaml:"default_retries"`
}

// GCM is how an app sends to Google.
type GCM struct {
	// Protocol is v1 (FCM, the default) or legacy (GCM JSON).
	Protocol string `yaml:"protocol"`
	// Engine is what speaks HTTP/2 for v1: pipelined (the default, except through a proxy), or nethttp, which is slower and there
	// in case of doubt.
	Engine string `yaml:"engine"`
	// Connections is the most connections of a worker at a time, 1–100, each with up to 100 messages in the air. Default 4.
	Connections int `yaml:"connections"`
	// ServiceAccount is the path of the JSON key of a service account, or of the configuration of a workload identity, for v1.
	ServiceAccount string `yaml:"service_account,omitempty" path:"read"`
	// MetadataServer takes the service account that this machine in Google Cloud runs as, instead of a file. Default false.
	MetadataServer bool `yaml:"metadata_server,omitempty"`
	// ProjectID is the project to send for; "" is the service account's own. A workload identity or metadata server needs it.
	ProjectID string `yaml:"project_id,omitempty"`
	// QuotaPerMinute is how many messages the project may send in a minute, for all workers together; v1 only. Default 600,000, Google's
	// own; 0 is no limit.
	QuotaPerMinute int `yaml:"quota_per_minute"`
	// APIKey is the server key for the legacy protocol, or it stands in the file APIKeyFile; see Key.
	APIKey     Secret `yaml:"api_key,omitempty"`
	APIKeyFile string `yaml:"api_key_file,omitempty" path:"read"`
	// Endpoint replaces Google's, https://HOST[:PORT][/PATH]; "" is Google's.
	Endpoint string `yaml:"endpoint,omitempty"`
	// CAFile is the path of the certificates that the endpoint's is checked against; "" is the system's.
	CAFile string `yaml:"ca_file,omitempty" path:"read"`
}

// DefaultHTTP is where a worker serves its web page if nothing says otherwise: for this machine only.
const DefaultHTTP = "127.0.0.1:8088"

// Default is the tree when nothing is configured. It has no apps and no StoreDir.
func Default() *Config {
	return &Config{
		NATS:            NATS{Listen: "127.0.0.1:4222", SyncAlways: true},
		HTTP:            DefaultHTTP,
		MaxSegments:     4,
		MaxDeliveries:   1024,
		Workers:         1,
		AckWait:         30 * time.Second,
		DrainTimeout:    30 * time.Second,
		UnknownAppGrace: 10 * time.Minute,
		Results:         Retention{Retention: 24 * time.Hour},
		Dead:            Retention{Retention: 720 * time.Hour},
		Worker:          defaultWorker(),
		Log:             Log{Level: "info", Format: "auto", Levels: map[string]string{}},
		Apps:            map[string]*App{},
	}
}

// DefaultBacklog is App.Backlog where nothing is said. It has room for about a million jobs of one recipient.
const DefaultBacklog Size = 1 << 30

// DefaultApp is an app of which nothing is said yet.
func DefaultApp() *App { return &App{MaxAttempts: 10, Weight: 1, Backlog: DefaultBacklog} }

// DefaultAPNS is the apns section of an app of which nothing is said yet: the defaults of the reference.
func DefaultAPNS() *APNS {
	return &APNS{
		Protocol:                ProtocolHTTP2,
		Engine:                  EnginePipelined,
		Connections:             4,
		Environment:             EnvironmentProduction,
		FeedbackInterval:        time.Hour,
		DefaultErrorTimeout:     10,
		DefaultExpirationOffset: 2_592_000,
		DefaultBatchSize:        100,
		DefaultRetries:          5,
	}
}

// DefaultGCM is the gcm section of an app of which nothing is said yet.
func DefaultGCM() *GCM {
	return &GCM{Protocol: ProtocolV1, Engine: EnginePipelined, Connections: 4, QuotaPerMinute: 600_000}
}

// PageToken is the token of the web page, from the setting or its file; the zero Secret if there is none. One that is shorter than
// 16 characters, or has characters that a header can't carry, is an error.
func (c *Config) PageToken() (Secret, error) {
	token, err := readSecret(c.HTTPToken, c.HTTPTokenFile)
	if err == nil {
		err = checkPageToken(token)
	}
	if err != nil {
		return Secret{}, fmt.Errorf("the token of the web page: %w", err)
	}
	if token.IsZero() && c.HTTPTokenFile != "" {
		return Secret{}, fmt.Errorf("the token of the web page: %s is empty", c.HTTPTokenFile)
	}
	return token, nil
}

// minPageToken is the least length of the web page's token, in characters.
const minPageToken = 16

// checkPageToken says what is wrong with a token.
func checkPageToken(token Secret) error {
	text := token.Reveal()
	switch {
	case text == "":
		return nil
	case len(text) < minPageToken:
		return fmt.Errorf("it has %d characters, but needs %d or more; \"openssl rand -hex 16\" makes one", len(text), minPageToken)
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("it has spaces or characters beyond ASCII, which the Authorization header can't carry")
	}
	return nil
}

// Password is the certificate's password, from the setting or its file; the zero Secret if there is none.
func (a *APNS) Password() (Secret, error) {
	return readSecret(a.CertificatePassword, a.CertificatePasswordFile)
}

// Key is the server key of the legacy protocol, from the setting or its file; the zero Secret if there is none.
func (g *GCM) Key() (Secret, error) { return readSecret(g.APIKey, g.APIKeyFile) }

// readSecret prefers the file, without the line break at its end.
func readSecret(given Secret, file string) (Secret, error) {
	if file == "" {
		return given, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return Secret{}, fmt.Errorf("reading a secret: %w", err)
	}
	return NewSecret(strings.TrimRight(string(text), "\r\n")), nil
}

// defaultWorker tells workers apart on one host by the process id, and containers, which all have the same, by the host.
func defaultWorker() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "worker"
	}
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(workerCharacters, r) {
			return r
		}
		return '-'
	}, host)
	name = strings.TrimLeft(name, "-_.")
	if name == "" {
		name = "worker"
	}
	return fmt.Sprintf("%.48s-%d", name, os.Getpid())
}
