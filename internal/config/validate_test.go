package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// valid is a tree with everything in it, and its files in place.
func valid(t *testing.T) *Config {
	t.Helper()
	c := Default()
	c.NATS.StoreDir = t.TempDir()
	c.Apps = map[string]*App{
		"key":    {MaxAttempts: 10, Weight: 1, APNS: DefaultAPNS(), GCM: DefaultGCM()},
		"cert":   {MaxAttempts: 10, Weight: 1, APNS: DefaultAPNS(), GCM: DefaultGCM()},
		"binary": {MaxAttempts: 10, Weight: 1, APNS: DefaultAPNS()},
	}
	key, cert, binary := c.Apps["key"], c.Apps["cert"], c.Apps["binary"]
	key.APNS.KeyFile, key.APNS.KeyID, key.APNS.TeamID, key.APNS.Topic = file(t, "p8"), "ABCDE12345", "FGHIJ67890", "com.example.app"
	key.GCM.ServiceAccount, key.GCM.ProjectID = file(t, "{}"), "my-project"
	cert.APNS.Certificate, cert.APNS.CertificatePassword = file(t, "p12"), NewSecret("hunter2")
	cert.GCM.Protocol, cert.GCM.APIKey = ProtocolLegacy, NewSecret("hunter2")
	binary.APNS.Protocol, binary.APNS.Certificate, binary.APNS.Endpoint = ProtocolBinary, file(t, "pem"), "127.0.0.1:2195"
	return c
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestValid(t *testing.T) {
	if err := valid(t).Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"no apps": func(c *Config) { c.Apps = nil },
		"a server": func(c *Config) {
			c.NATS.URL, c.NATS.StoreDir, c.Replicas = NewURL("nats://u:p@a:4222,tls://b,c:4222"), "", 3
		},
		"credentials, own server": func(c *Config) { c.NATS.Creds = "/does/not/exist" }, // NATS_CREDS may be there for other programs
		"from within only":        func(c *Config) { c.NATS.Listen = "" },
		"all interfaces":          func(c *Config) { c.HTTP = ":8080" },
		"shortest token":          func(c *Config) { c.HTTPToken = NewSecret(strings.Repeat("x", 16)) },
		"token in a file":         func(c *Config) { c.HTTPTokenFile = file(t, "x") },
		"limits, lower end": func(c *Config) {
			c.MaxSegments, c.MaxDeliveries, c.DrainTimeout, c.AckWait, c.Heartbeat = 1, 1, 0, time.Second, time.Second/3
		},
		"limits, upper end": func(c *Config) {
			c.MaxSegments, c.MaxDeliveries, c.DrainTimeout, c.AckWait = 1024, 65536, time.Hour, time.Hour
		},
		"shortest retention": func(c *Config) { c.Results.Retention, c.Dead.Retention = time.Minute, time.Minute },
		"smallest store":     func(c *Config) { c.NATS.MaxStore = 64 << 20 },
		"longest worker":     func(c *Config) { c.Worker = strings.Repeat("w", 64) },
		"levels":             func(c *Config) { c.Log.Levels = map[string]string{"volley": "trace", "volley.apns.conn": "error"} },
		"every component": func(c *Config) {
			for _, name := range []string{"app", "nats", "queue", "pipeline", "provider", "apns", "gcm", "http"} {
				c.Log.Levels["volley."+name], c.Log.Levels["volley."+name+".a_1"] = "info", "debug"
			}
		},
		"feedback never":    func(c *Config) { c.Apps["binary"].APNS.FeedbackInterval = 0 },
		"feedback at most":  func(c *Config) { c.Apps["binary"].APNS.FeedbackInterval = 10 * time.Second },
		"feedback at least": func(c *Config) { c.Apps["binary"].APNS.FeedbackInterval = 168 * time.Hour },
		"longest app name":  func(c *Config) { c.Apps[strings.Repeat("a", 32)] = c.Apps["key"] },
		"only one platform": func(c *Config) { c.Apps["key"].GCM = nil },
		"app limits, lower end": func(c *Config) {
			a := c.Apps["key"].APNS
			c.Apps["key"].MaxAttempts = 1
			c.Apps["key"].Rate, c.Apps["key"].Burst = Rate{1, time.Hour}, 1
			a.DefaultErrorTimeout, a.DefaultExpirationOffset, a.DefaultBatchSize, a.DefaultRetries = 0, 0, 1, 1
		},
		"app limits, upper end": func(c *Config) {
			a := c.Apps["key"].APNS
			c.Apps["key"].MaxAttempts = 100
			c.Apps["key"].Rate, c.Apps["key"].Burst = Rate{1_000_000, time.Second}, 1_000_000
			a.DefaultErrorTimeout, a.DefaultExpirationOffset, a.DefaultBatchSize, a.DefaultMaxPayloadLength, a.DefaultRetries = 300, 1<<30, 1000, 5120, 100
		},
		"an endpoint with a port": func(c *Config) { c.Apps["key"].APNS.Endpoint = "https://127.0.0.1:2197" },
		"an endpoint with a path": func(c *Config) { c.Apps["cert"].GCM.Endpoint = "https://gcm.example.com/fcm/send" },
		"a password in a file": func(c *Config) {
			a := c.Apps["cert"].APNS
			a.CertificatePassword, a.CertificatePasswordFile = Secret{}, file(t, "hunter2\n")
		},
		"a server key in a file":   func(c *Config) { g := c.Apps["cert"].GCM; g.APIKey, g.APIKeyFile = Secret{}, file(t, "hunter2\n") },
		"no password":              func(c *Config) { c.Apps["cert"].APNS.CertificatePassword = Secret{} },
		"sandbox":                  func(c *Config) { c.Apps["key"].APNS.Environment = "sandbox" },
		"a domain's project":       func(c *Config) { c.Apps["key"].GCM.ProjectID = "example.com:my-project" },
		"no project":               func(c *Config) { c.Apps["key"].GCM.ProjectID = "" },
		"a topic with a suffix":    func(c *Config) { c.Apps["key"].APNS.Topic = "com.example.app.voip" },
		"certificate and a topic":  func(c *Config) { c.Apps["cert"].APNS.Topic = "com.example.app" },
		"certificates of my own":   func(c *Config) { c.Apps["key"].APNS.CAFile, c.Apps["cert"].GCM.CAFile = file(t, "pem"), file(t, "pem") },
		"credentials of my server": func(c *Config) { c.NATS.URL, c.NATS.Creds = NewURL("nats://a"), file(t, "creds") },
	} {
		c := valid(t)
		change(c)
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInvalid(t *testing.T) {
	long := strings.Repeat("AAAAhunter2", 10)
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"listen":             {func(c *Config) { c.NATS.Listen = "localhost" }, `nats.listen is "localhost", but must be HOST:PORT`},
		"listen, port":       {func(c *Config) { c.NATS.Listen = "localhost:65536" }, "nats.listen"},
		"listen, zero":       {func(c *Config) { c.NATS.Listen = "localhost:04222" }, "nats.listen"},
		"http_token":         {func(c *Config) { c.HTTPToken = NewSecret("hunter2-hunter2") }, "http_token can't be used: it has 15 characters"},
		"http_token, spaces": {func(c *Config) { c.HTTPToken = NewSecret("hunter2 hunter2 hunter2") }, "http_token can't be used: it has spaces"},
		"two http_tokens":    {func(c *Config) { c.HTTPToken, c.HTTPTokenFile = NewSecret("hunter2-hunter2-hunter2"), file(t, "x") }, "http_token and http_token_file are both given"},
		"http_token_file":    {func(c *Config) { c.HTTPTokenFile = "/no" }, "http_token_file names a file"},
		"http":               {func(c *Config) { c.HTTP = "8080" }, `http is "8080"`},
		"store_dir":          {func(c *Config) { c.NATS.StoreDir = "" }, "nats.store_dir is missing; name a folder"},
		"max_store":          {func(c *Config) { c.NATS.MaxStore = 64<<20 - 1 }, "nats.max_store is 67108863, but"},
		"replicas embedded":  {func(c *Config) { c.Replicas = 3 }, "replicas is 3, but the embedded server"},
		"replicas":           {func(c *Config) { c.NATS.URL, c.Replicas = NewURL("nats://a"), 6 }, "replicas is 6, but must be between 0 and 5"},
		"url scheme":         {func(c *Config) { c.NATS.URL = NewURL("http://a") }, `nats.url can't be used: its server 1 has the scheme "http"`},
		"url":                {func(c *Config) { c.NATS.URL = NewURL("nats://ok,nats://u:hunter2@:x") }, "nats.url can't be used: its server 2 is not an address like"},
		"creds":              {func(c *Config) { c.NATS.URL, c.NATS.Creds = NewURL("nats://a"), "/no.creds" }, "nats.creds names a file that does not exist: /no.creds"},
		"max_segments low":   {func(c *Config) { c.MaxSegments = 0 }, "max_segments is 0, but must be between 1 and 1024"},
		"max_segments high":  {func(c *Config) { c.MaxSegments = 1025 }, "max_segments is 1025"},
		"max_deliveries":     {func(c *Config) { c.MaxDeliveries = 65537 }, "max_deliveries is 65537"},
		"max_deliveries low": {func(c *Config) { c.MaxDeliveries = 0 }, "max_deliveries is 0"},
		"workers low":        {func(c *Config) { c.Workers = 0 }, "workers is 0, but must be between 1 and 10000"},
		"workers high":       {func(c *Config) { c.Workers = 10_001 }, "workers is 10001"},
		"ack_wait low":       {func(c *Config) { c.AckWait, c.Heartbeat = time.Second-1, 1 }, "ack_wait is 999.999999ms, but must be between 1s and 1h0m0s"},
		"ack_wait high":      {func(c *Config) { c.AckWait = time.Hour + 1 }, "ack_wait"},
		"heartbeat low":      {func(c *Config) { c.Heartbeat = -1 }, "heartbeat is -1ns"},
		"heartbeat high":     {func(c *Config) { c.Heartbeat = 10*time.Second + 1 }, "at most a third of ack_wait (10s)"},
		"rate high":          {func(c *Config) { c.Apps["key"].Rate = Rate{1_000_001, time.Second} }, "apps.key.rate is 1000001/s, but must be at most 1000000/s"},
		"burst low":          {func(c *Config) { c.Apps["key"].Rate, c.Apps["key"].Burst = Rate{1, time.Hour}, -1 }, "apps.key.burst is -1"},
		"burst high":         {func(c *Config) { c.Apps["key"].Rate, c.Apps["key"].Burst = Rate{1, time.Hour}, 1_000_001 }, "apps.key.burst is 1000001"},
		"burst alone":        {func(c *Config) { c.Apps["key"].Burst = 1 }, "apps.key.burst is given without a rate; set rate"},
		"grace low":          {func(c *Config) { c.UnknownAppGrace = -1 }, "unknown_app_grace"},
		"grace high":         {func(c *Config) { c.UnknownAppGrace = 168*time.Hour + 1 }, "unknown_app_grace"},
		"drain_timeout low":  {func(c *Config) { c.DrainTimeout = -1 }, "drain_timeout"},
		"drain_timeout high": {func(c *Config) { c.DrainTimeout = time.Hour + 1 }, "drain_timeout"},
		"results":            {func(c *Config) { c.Results.Retention = time.Minute - 1 }, "results.retention is 59.999999999s, but must be at least 1m0s"},
		"dead":               {func(c *Config) { c.Dead.Retention = 0 }, "dead.retention is 0s"},
		"worker":             {func(c *Config) { c.Worker = "" }, `worker is "", but must be 1–64`},
		"worker, long":       {func(c *Config) { c.Worker = strings.Repeat("w", 65) }, "worker is"},
		"worker, dot":        {func(c *Config) { c.Worker = ".w" }, "worker is"},
		"level":              {func(c *Config) { c.Log.Level = "loud" }, `log.level is "loud", but must be one of trace, debug`},
		"format":             {func(c *Config) { c.Log.Format = "xml" }, `log.format is "xml", but must be one of auto, console, json`},
		"component":          {func(c *Config) { c.Log.Levels = map[string]string{"apns": "info"} }, "log.levels.apns names no component"},
		"component, misspelt": {
			func(c *Config) { c.Log.Levels = map[string]string{"volley.apn": "info"} },
			"log.levels.volley.apn names no component; known are volley, volley.app, volley.nats, volley.queue, volley.pipeline, volley.provider, volley.apns, volley.gcm, volley.http and what is below them",
		},
		"component, longer":   {func(c *Config) { c.Log.Levels = map[string]string{"volley.apnsx": "info"} }, "log.levels.volley.apnsx names no component"},
		"component, capitals": {func(c *Config) { c.Log.Levels = map[string]string{"volley.apns.X": "info"} }, "log.levels.volley.apns.X names no component"},
		"component's level":   {func(c *Config) { c.Log.Levels = map[string]string{"volley": ""} }, `log.levels.volley is ""`},

		"app name":         {func(c *Config) { c.Apps["Shop"] = c.Apps["key"] }, "apps.Shop is not the name of an app"},
		"app name, long":   {func(c *Config) { c.Apps[strings.Repeat("a", 33)] = c.Apps["key"] }, "is not the name of an app"},
		"app name, dash":   {func(c *Config) { c.Apps["-a"] = c.Apps["key"] }, "is not the name of an app"},
		"app, empty":       {func(c *Config) { c.Apps["key"] = DefaultApp() }, "apps.key.apns or gcm is missing"},
		"app, nil":         {func(c *Config) { c.Apps["key"] = nil }, "apps.key.apns or gcm is missing"},
		"max_attempts":     {func(c *Config) { c.Apps["key"].MaxAttempts = 0 }, "apps.key.max_attempts is 0, but must be between 1 and 100"},
		"max_attempts up":  {func(c *Config) { c.Apps["key"].MaxAttempts = 101 }, "apps.key.max_attempts is 101"},
		"apns protocol":    {func(c *Config) { c.Apps["key"].APNS.Protocol = "http3" }, `apps.key.apns.protocol is "http3", but must be one of http2, binary`},
		"engine":           {func(c *Config) { c.Apps["key"].APNS.Engine = "curl" }, `apps.key.apns.engine is "curl", but must be one of pipelined, nethttp`},
		"connections":      {func(c *Config) { c.Apps["key"].APNS.Connections = 0 }, "apps.key.apns.connections is 0, but must be between 1 and 100"},
		"connections up":   {func(c *Config) { c.Apps["key"].APNS.Connections = 101 }, "apps.key.apns.connections is 101"},
		"environment":      {func(c *Config) { c.Apps["key"].APNS.Environment = "prod" }, `apps.key.apns.environment is "prod"`},
		"no credential":    {func(c *Config) { c.Apps["key"].APNS = DefaultAPNS() }, "apps.key.apns.key_file is missing: set key_file, key_id, team_id and topic"},
		"two credentials":  {func(c *Config) { c.Apps["key"].APNS.Certificate = file(t, "x") }, "apps.key.apns.key_file and certificate are both given; remove one"},
		"no key_file":      {func(c *Config) { c.Apps["key"].APNS.KeyFile = "" }, "apps.key.apns.key_file is missing: set the path of the .p8"},
		"no such key_file": {func(c *Config) { c.Apps["key"].APNS.KeyFile = "/no.p8" }, "apps.key.apns.key_file names a file that does not exist: /no.p8"},
		"key_file, folder": {func(c *Config) { c.Apps["key"].APNS.KeyFile = t.TempDir() }, "apps.key.apns.key_file names a folder, not a file"},
		"key_file, empty":  {func(c *Config) { c.Apps["key"].APNS.KeyFile = file(t, "") }, "apps.key.apns.key_file names an empty file"},
		"key_file, parent": {func(c *Config) { c.Apps["key"].APNS.KeyFile = file(t, "x") + "/a" }, "apps.key.apns.key_file names a file that can't be read"},
		"key_file, key":    {func(c *Config) { c.Apps["key"].APNS.KeyFile = "-----BEGIN PRIVATE KEY-----hunter2" }, "apps.key.apns.key_file holds the content of a file"},
		"no key_id":        {func(c *Config) { c.Apps["key"].APNS.KeyID = "" }, "apps.key.apns.key_id is missing: set the 10 characters"},
		"key_id, short":    {func(c *Config) { c.Apps["key"].APNS.KeyID = "ABCDE1234" }, `apps.key.apns.key_id is "ABCDE1234", but must be 10 letters and digits`},
		"key_id, a key":    {func(c *Config) { c.Apps["key"].APNS.KeyID = long }, "apps.key.apns.key_id is a text of 110 characters"},
		"no team_id":       {func(c *Config) { c.Apps["key"].APNS.TeamID = "" }, "apps.key.apns.team_id is missing"},
		"team_id, long":    {func(c *Config) { c.Apps["key"].APNS.TeamID = "FGHIJ678901" }, "apps.key.apns.team_id is"},
		"no topic":         {func(c *Config) { c.Apps["key"].APNS.Topic = "" }, "apps.key.apns.topic is missing: set the app's bundle id"},
		"topic":            {func(c *Config) { c.Apps["key"].APNS.Topic = "com.example/app" }, `apps.key.apns.topic is "com.example/app"`},
		"certificate":      {func(c *Config) { c.Apps["cert"].APNS.Certificate = "/no.p12" }, "apps.cert.apns.certificate names a file that does not exist"},
		"only a password":  {func(c *Config) { c.Apps["cert"].APNS.Certificate = "" }, "apps.cert.apns.certificate is missing: set the path of the .p12"},
		"two passwords":    {func(c *Config) { c.Apps["cert"].APNS.CertificatePasswordFile = file(t, "x") }, "apps.cert.apns.certificate_password and certificate_password_file are both given"},
		"password file": {func(c *Config) {
			a := c.Apps["cert"].APNS
			a.CertificatePassword, a.CertificatePasswordFile = Secret{}, "/no"
		}, "apps.cert.apns.certificate_password_file names a file"},
		"binary and key":   {func(c *Config) { c.Apps["key"].APNS.Protocol = "binary" }, "apps.key.apns.key_file (with key_id and team_id) can't be used with protocol binary"},
		"binary, nothing":  {func(c *Config) { c.Apps["binary"].APNS.Certificate = "" }, "apps.binary.apns.certificate is missing"},
		"feedback address": {func(c *Config) { c.Apps["binary"].APNS.FeedbackEndpoint = "https://a" }, "apps.binary.apns.feedback_endpoint is"},
		"feedback often":   {func(c *Config) { c.Apps["binary"].APNS.FeedbackInterval = 9 * time.Second }, "apps.binary.apns.feedback_interval is 9s, but must be between 10s and 168h0m0s"},
		"feedback seldom":  {func(c *Config) { c.Apps["binary"].APNS.FeedbackInterval = 169 * time.Hour }, "apps.binary.apns.feedback_interval is 169h0m0s"},
		"feedback, http2":  {func(c *Config) { c.Apps["key"].APNS.FeedbackEndpoint = "a:2196" }, "apps.key.apns.feedback_endpoint goes with protocol binary only"},
		"binary, endpoint": {func(c *Config) { c.Apps["binary"].APNS.Endpoint = "https://a" }, "apps.binary.apns.endpoint is"},
		"endpoint, http":   {func(c *Config) { c.Apps["key"].APNS.Endpoint = "http://127.0.0.1" }, "apps.key.apns.endpoint must be https://HOST"},
		"endpoint, user":   {func(c *Config) { c.Apps["key"].APNS.Endpoint = "https://u:hunter2@a" }, "apps.key.apns.endpoint must be"},
		"endpoint, host":   {func(c *Config) { c.Apps["key"].APNS.Endpoint = "https://" }, "apps.key.apns.endpoint must be"},
		"endpoint, query":  {func(c *Config) { c.Apps["key"].GCM.Endpoint = "https://a?b" }, "apps.key.gcm.endpoint must be"},
		"ca_file":          {func(c *Config) { c.Apps["key"].APNS.CAFile = "/no.pem" }, "apps.key.apns.ca_file names a file"},
		"error_timeout":    {func(c *Config) { c.Apps["key"].APNS.DefaultErrorTimeout = 300.5 }, "apps.key.apns.default_error_timeout is 300.5, but must be between 0 and 300"},
		"error_timeout -1": {func(c *Config) { c.Apps["key"].APNS.DefaultErrorTimeout = -1 }, "default_error_timeout is -1"},
		"expiration":       {func(c *Config) { c.Apps["key"].APNS.DefaultExpirationOffset = -1 }, "apps.key.apns.default_expiration_offset is -1"},
		"expiration up":    {func(c *Config) { c.Apps["key"].APNS.DefaultExpirationOffset = 1<<30 + 1 }, "apps.key.apns.default_expiration_offset"},
		"batch_size":       {func(c *Config) { c.Apps["key"].APNS.DefaultBatchSize = 0 }, "apps.key.apns.default_batch_size is 0, but must be between 1 and 1000"},
		"batch_size up":    {func(c *Config) { c.Apps["key"].APNS.DefaultBatchSize = 1001 }, "apps.key.apns.default_batch_size is 1001"},
		"payload":          {func(c *Config) { c.Apps["key"].APNS.DefaultMaxPayloadLength = 5121 }, "apps.key.apns.default_max_payload_length is 5121"},
		"payload -1":       {func(c *Config) { c.Apps["key"].APNS.DefaultMaxPayloadLength = -1 }, "apps.key.apns.default_max_payload_length is -1"},
		"retries":          {func(c *Config) { c.Apps["key"].APNS.DefaultRetries = 0 }, "apps.key.apns.default_retries is 0"},
		"retries up":       {func(c *Config) { c.Apps["key"].APNS.DefaultRetries = 101 }, "apps.key.apns.default_retries is 101"},

		"gcm engine":         {func(c *Config) { c.Apps["key"].GCM.Engine = "curl" }, `apps.key.gcm.engine is "curl", but must be one of pipelined, nethttp`},
		"gcm connections":    {func(c *Config) { c.Apps["key"].GCM.Connections = 0 }, "apps.key.gcm.connections is 0, but must be between 1 and 100"},
		"gcm protocol":       {func(c *Config) { c.Apps["key"].GCM.Protocol = "http" }, `apps.key.gcm.protocol is "http", but must be one of v1, legacy`},
		"no service_account": {func(c *Config) { c.Apps["key"].GCM.ServiceAccount = "" }, "apps.key.gcm.service_account is missing: set the path of the service account's JSON key, or GOOGLE_APPLICATION_CREDENTIALS, or metadata_server"},
		"two accounts":       {func(c *Config) { c.Apps["key"].GCM.MetadataServer = true }, "apps.key.gcm.service_account and metadata_server are both given"},
		"metadata, no project": {func(c *Config) {
			g := c.Apps["key"].GCM
			g.ServiceAccount, g.MetadataServer, g.ProjectID = "", true, ""
		}, "apps.key.gcm.project_id is missing: set the id"},
		"legacy and metadata":   {func(c *Config) { c.Apps["cert"].GCM.MetadataServer = true }, "apps.cert.gcm.metadata_server can't be used with protocol legacy"},
		"service_account":       {func(c *Config) { c.Apps["key"].GCM.ServiceAccount = "/no.json" }, "apps.key.gcm.service_account names a file"},
		"service_account, JSON": {func(c *Config) { c.Apps["key"].GCM.ServiceAccount = "{\n\"private_key\": \"hunter2\"}" }, "apps.key.gcm.service_account holds the content"},
		"quota low":             {func(c *Config) { c.Apps["key"].GCM.QuotaPerMinute = 59 }, "apps.key.gcm.quota_per_minute is 59, but must be 0 for no limit, or between 60"},
		"quota high":            {func(c *Config) { c.Apps["key"].GCM.QuotaPerMinute = 1_000_000_001 }, "apps.key.gcm.quota_per_minute is 1000000001"},
		"quota negative":        {func(c *Config) { c.Apps["key"].GCM.QuotaPerMinute = -1 }, "apps.key.gcm.quota_per_minute is -1"},
		"project_id":            {func(c *Config) { c.Apps["key"].GCM.ProjectID = "My Project" }, `apps.key.gcm.project_id is "My Project"`},
		"v1 and api_key":        {func(c *Config) { c.Apps["key"].GCM.APIKey = NewSecret("hunter2") }, "apps.key.gcm.api_key can't be used with protocol v1"},
		"v1 and api_key_file":   {func(c *Config) { c.Apps["key"].GCM.APIKeyFile = "x" }, "apps.key.gcm.api_key can't be used with protocol v1"},
		"no api_key":            {func(c *Config) { c.Apps["cert"].GCM.APIKey = Secret{} }, "apps.cert.gcm.api_key is missing: set the server key"},
		"two api_keys":          {func(c *Config) { c.Apps["cert"].GCM.APIKeyFile = file(t, "x") }, "apps.cert.gcm.api_key and api_key_file are both given"},
		"api_key, header":       {func(c *Config) { c.Apps["cert"].GCM.APIKey = NewSecret("Authorization: key=hunter2") }, "apps.cert.gcm.api_key has spaces"},
		"api_key_file, key":     {func(c *Config) { c.Apps["cert"].GCM.APIKey, c.Apps["cert"].GCM.APIKeyFile = Secret{}, "/etc/"+long }, "apps.cert.gcm.api_key_file names a file that does not exist: a text of 110 characters"},
		"legacy and account":    {func(c *Config) { c.Apps["cert"].GCM.ServiceAccount = file(t, "x") }, "apps.cert.gcm.service_account can't be used with protocol legacy"},
		"legacy and project":    {func(c *Config) { c.Apps["cert"].GCM.ProjectID = "p" }, "apps.cert.gcm.project_id can't be used with protocol legacy"},
		"gcm ca_file":           {func(c *Config) { c.Apps["cert"].GCM.CAFile = "/no.pem" }, "apps.cert.gcm.ca_file names a file"},
	} {
		tree := valid(t)
		c.change(tree)
		err := tree.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: shows a secret: %v", name, err)
		}
		faults, ok := errors.AsType[Faults](err)
		if !ok || len(faults) != 1 {
			t.Errorf("%s: %d faults instead of one: %v", name, len(faults), err)
		}
	}
}

func TestAllFaultsAtOnceByApp(t *testing.T) {
	c := valid(t)
	c.MaxSegments = 0
	c.Apps["key"].APNS.KeyID, c.Apps["key"].APNS.TeamID = "", ""
	c.Apps["cert"].GCM.APIKey = Secret{}
	faults, _ := errors.AsType[Faults](c.Validate())
	var got []string
	for _, f := range faults {
		got = append(got, fmt.Sprintf("%s %s", f.App, f.Key))
	}
	want := []string{" max_segments", "cert apps.cert.gcm.api_key", "key apps.key.apns.key_id", "key apps.key.apns.team_id"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(faults.Error(), "the configuration has 4 faults:\n  max_segments is 0") {
		t.Error(faults.Error())
	}
}

func TestSecretsFromFiles(t *testing.T) {
	a, g := DefaultAPNS(), DefaultGCM()
	a.CertificatePasswordFile, g.APIKeyFile = file(t, "hunter2\r\n"), file(t, " hunter2")
	if p, err := a.Password(); err != nil || p.Reveal() != "hunter2" {
		t.Errorf("%q, %v", p.Reveal(), err)
	}
	if k, err := g.Key(); err != nil || k.Reveal() != " hunter2" {
		t.Errorf("%q, %v", k.Reveal(), err)
	}
	a.CertificatePassword, a.CertificatePasswordFile = NewSecret("given"), ""
	if p, err := a.Password(); err != nil || p.Reveal() != "given" {
		t.Errorf("%q, %v", p.Reveal(), err)
	}
	c := Default()
	for content, want := range map[string]string{strings.Repeat("x", 16) + "\n": "", strings.Repeat("x", 15): "15 characters", "\n": "is empty", strings.Repeat("ü", 16): "beyond ASCII"} {
		c.HTTPTokenFile = file(t, content)
		token, err := c.PageToken()
		if want == "" && (err != nil || token.Reveal() != strings.Repeat("x", 16)) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("token %q: %q, %v", content, token.Reveal(), err)
		}
	}
	g.APIKeyFile = "/does/not/exist"
	if _, err := g.Key(); err == nil {
		t.Error("no error for a missing file")
	}
}
