package config

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// noEnv is an empty environment.
func noEnv(string) (string, bool) { return "", false }

func envOf(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		text, ok := variables[name]
		return text, ok
	}
}

// write puts a configuration file into a new folder and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "volley.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func mustLoad(t *testing.T, text string, variables map[string]string) *Config {
	t.Helper()
	file := ""
	if text != "" {
		file = write(t, text)
	}
	c, err := Load(file, envOf(variables))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	c := mustLoad(t, "", map[string]string{"HOME": "/home/v"})
	if !strings.HasSuffix(c.Worker, "-"+strconv.Itoa(os.Getpid())) {
		t.Errorf("worker %q", c.Worker)
	}
	c.Worker = ""
	want := &Config{
		NATS:        NATS{Listen: "127.0.0.1:4222", SyncAlways: true, StoreDir: "/home/v/.local/state/volley/nats"},
		MaxSegments: 4, MaxDeliveries: 1024, Workers: 1, AckWait: 30 * time.Second, UnknownAppGrace: 10 * time.Minute, DrainTimeout: 30 * time.Second,
		Results: Retention{24 * time.Hour}, Dead: Retention{720 * time.Hour},
		Log: Log{Level: "info", Format: "auto", Levels: map[string]string{}}, Apps: map[string]*App{},
	}
	want.HTTP = DefaultHTTP
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	c = mustLoad(t, "apps: {a: {apns: {}, gcm: {}}}", nil)
	app := &App{
		APNS: &APNS{
			Protocol: "http2", Engine: "pipelined", Connections: 4, Environment: "production", DefaultErrorTimeout: 10, DefaultExpirationOffset: 2592000,
			DefaultBatchSize: 100, DefaultMaxPayloadLength: 0, DefaultRetries: 5, FeedbackInterval: time.Hour,
		},
		GCM:         &GCM{Protocol: "v1", Engine: "pipelined", Connections: 4, QuotaPerMinute: 600_000},
		MaxAttempts: 10, Weight: 1, Backlog: 1 << 30,
	}
	if diff := cmp.Diff(map[string]*App{"a": app}, c.Apps); diff != "" {
		t.Error(diff)
	}
}

func TestDefaultIsValid(t *testing.T) {
	c := mustLoad(t, "", map[string]string{"HOME": "/home/v"})
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestStoreDirWhenNobodyNamesOne(t *testing.T) {
	for want, variables := range map[string]map[string]string{
		"":                                 {},
		"/home/v/.local/state/volley/nats": {"HOME": "/home/v"},
		"/state/volley/nats":               {"HOME": "/home/v", "XDG_STATE_HOME": "/state"},
		"/var/lib/volley/nats":             {"HOME": "/home/v", "XDG_STATE_HOME": "/state", "STATE_DIRECTORY": "/var/lib/volley:/other"},
		"/mine":                            {"HOME": "/home/v", "STATE_DIRECTORY": "/var/lib/volley", "VOLLEY_NATS_STORE_DIR": "/mine"},
	} {
		if got := mustLoad(t, "", variables).NATS.StoreDir; got != want {
			t.Errorf("%v: %q, want %q", variables, got, want)
		}
	}
}

func TestFileThenEnvironment(t *testing.T) {
	text := "max_segments: 7\nack_wait: 1m30s\nnats: {url: nats://file, sync_always: false, max_store: 2GiB}\nlog: {levels: {volley.apns: debug}}\n" +
		"apps: {shop-1: {gcm: {protocol: legacy, api_key: from-file}}}\n"
	c := mustLoad(t, text, nil)
	if c.MaxSegments != 7 || c.AckWait != 90*time.Second || c.NATS.SyncAlways || c.NATS.MaxStore != 2<<30 || c.NATS.URL.Reveal() != "nats://file" ||
		c.Log.Levels["volley.apns"] != "debug" || c.Apps["shop-1"].GCM.APIKey.Reveal() != "from-file" {
		t.Errorf("from the file: %+v", c)
	}
	c = mustLoad(t, text, map[string]string{
		"VOLLEY_MAX_SEGMENTS": "9", "VOLLEY_ACK_WAIT": "", "VOLLEY_NATS_SYNC_ALWAYS": "true", "VOLLEY_NATS_MAX_STORE": "3GiB",
		"NATS_URL": "nats://env", "VOLLEY_LOG_LEVELS": "volley.gcm=warn, volley=error", "VOLLEY_APPS_SHOP_1_GCM_API_KEY": "from-env",
		"VOLLEY_APPS_SHOP_1_MAX_ATTEMPTS": "3", "VOLLEY_RESULTS_RETENTION": "2h",
	})
	if c.MaxSegments != 9 || c.AckWait != 90*time.Second || !c.NATS.SyncAlways || c.NATS.MaxStore != 3<<30 || c.NATS.URL.Reveal() != "nats://env" ||
		c.Apps["shop-1"].GCM.APIKey.Reveal() != "from-env" || c.Apps["shop-1"].MaxAttempts != 3 || c.Results.Retention != 2*time.Hour {
		t.Errorf("from the environment: %+v", c)
	}
	if diff := cmp.Diff(map[string]string{"volley.gcm": "warn", "volley": "error"}, c.Log.Levels); diff != "" {
		t.Error(diff)
	}
}

func TestVariablesOfOtherPrograms(t *testing.T) {
	others := map[string]string{"NATS_URL": "nats://other", "NATS_CREDS": "/other.creds", "GOOGLE_APPLICATION_CREDENTIALS": "/google.json"}
	c := mustLoad(t, "", others)
	if c.NATS.URL.Reveal() != "nats://other" || c.NATS.Creds != "/other.creds" {
		t.Errorf("%+v", c.NATS)
	}
	if diff := cmp.Diff(map[string]*App{"default": {MaxAttempts: 10, Weight: 1, Backlog: 1 << 30, GCM: &GCM{Protocol: "v1", Engine: "pipelined", Connections: 4, QuotaPerMinute: 600_000, ServiceAccount: "/google.json"}}}, c.Apps); diff != "" {
		t.Errorf("no app configured: %s", diff)
	}
	ours := map[string]string{"VOLLEY_NATS_URL": "nats://ours", "VOLLEY_NATS_CREDS": "/our.creds"}
	maps.Copy(ours, others)
	if c := mustLoad(t, "", ours); c.NATS.URL.Reveal() != "nats://ours" || c.NATS.Creds != "/our.creds" {
		t.Errorf("%+v", c.NATS)
	}
	c = mustLoad(t, "apps: {a: {gcm: {}}, b: {gcm: {service_account: /b.json}}, c: {gcm: {protocol: legacy}}, d: {apns: {}}, e: {gcm: {metadata_server: true}}}", others)
	if len(c.Apps) != 5 || c.Apps["e"].GCM.ServiceAccount != "" || c.Apps["a"].GCM.ServiceAccount != "/google.json" || c.Apps["b"].GCM.ServiceAccount != "/b.json" ||
		c.Apps["c"].GCM.ServiceAccount != "" || c.Apps["d"].GCM != nil {
		t.Errorf("%+v", c.Apps)
	}
}

func TestDefaultAppFromTheEnvironmentAlone(t *testing.T) {
	c := mustLoad(t, "", map[string]string{"VOLLEY_APPS_DEFAULT_APNS_KEY_ID": "12345E6789", "VOLLEY_APPS_DEFAULT_APNS_DEFAULT_ERROR_TIMEOUT": "2.5"})
	app := c.Apps["default"]
	if app == nil || app.GCM != nil || app.APNS.KeyID != "12345E6789" || app.APNS.DefaultErrorTimeout != 2.5 || app.APNS.DefaultBatchSize != 100 {
		t.Errorf("%+v", app)
	}
}

func TestFaultyEnvironment(t *testing.T) {
	_, err := Load("", envOf(map[string]string{
		"VOLLEY_MAX_SEGMENTS": "many", "VOLLEY_ACK_WAIT": "30", "VOLLEY_NATS_SYNC_ALWAYS": "yes", "VOLLEY_NATS_MAX_STORE": "1 barrel",
		"VOLLEY_APPS_DEFAULT_APNS_DEFAULT_ERROR_TIMEOUT": "NaN", "VOLLEY_APPS_DEFAULT_APNS_DEFAULT_EXPIRATION_OFFSET": "1.5",
		"VOLLEY_LOG_LEVELS": "debug", "VOLLEY_REPLICAS": strings.Repeat("hunter2", 10),
	}))
	for _, want := range []string{
		`VOLLEY_MAX_SEGMENTS: "many" is not a whole number`, `VOLLEY_ACK_WAIT: "30" is not a duration`, `VOLLEY_NATS_SYNC_ALWAYS: "yes" is neither`,
		`VOLLEY_NATS_MAX_STORE: "1 barrel" is not a size`, `DEFAULT_ERROR_TIMEOUT: "NaN" is not a number`, `EXPIRATION_OFFSET: "1.5" is not a whole number`,
		`VOLLEY_LOG_LEVELS: it is not a list`, `VOLLEY_REPLICAS: a text of 70 characters`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v has no %q", err, want)
		}
	}
}

func TestAmbiguousVariable(t *testing.T) {
	file := write(t, "apps: {my-app: {gcm: {}}, my_app: {gcm: {}}}")
	if _, err := Load(file, noEnv); err != nil {
		t.Error(err)
	}
	_, err := Load(file, envOf(map[string]string{"VOLLEY_APPS_MY_APP_MAX_ATTEMPTS": "2"}))
	if err == nil || !strings.Contains(err.Error(), "app my-app or app my_app") {
		t.Error(err)
	}
}

func TestUnknownVariables(t *testing.T) {
	c := mustLoad(t, "apps: {shop: {gcm: {}}}", nil)
	before := mustLoad(t, "apps: {shop: {gcm: {}}}", nil)
	got := c.UnknownVariables([]string{
		"PATH=/bin", "VOLLEY_MAX_SEGMENT=4", "VOLLEY_MAX_SEGMENTS=4", "VOLLEY_APPS_SHOP_GCM_API_KEY=x", "VOLLEY_APPS_SHOP_APNS_TOPIC=x",
		"VOLLEY_APPS_DEFAULT_APNS_TOPIC=x", "VOLLEY_APPS_OTHER_APNS_TOPIC=x", "VOLLEY_LOG_LEVELS=volley=info", "VOLLEY_APPS=x",
	})
	if diff := cmp.Diff([]string{"VOLLEY_APPS", "VOLLEY_APPS_OTHER_APNS_TOPIC", "VOLLEY_MAX_SEGMENT"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before.Apps, c.Apps); diff != "" {
		t.Errorf("the tree was changed: %s", diff)
	}
}

func TestPathsStartAtTheFile(t *testing.T) {
	file := write(t, "nats: {store_dir: data, creds: ''}\napps: {a: {apns: {key_file: keys/a.p8, certificate: /abs.p12}}}\n")
	c, err := Load(file, envOf(map[string]string{"VOLLEY_APPS_A_APNS_CA_FILE": "ca.pem"}))
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(file)
	a := c.Apps["a"].APNS
	if a.KeyFile != filepath.Join(folder, "keys/a.p8") || a.Certificate != "/abs.p12" || a.CAFile != "ca.pem" ||
		c.NATS.StoreDir != filepath.Join(folder, "data") || c.NATS.Creds != "" {
		t.Errorf("%+v %+v", a, c.NATS)
	}
}

func TestExampleFile(t *testing.T) {
	const example = "../../deploy/volley.example.yaml"
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, string(text), map[string]string{})
	// Everything in it that is not an example is the default.
	shown, defaults := *c, Default()
	shown.Apps, defaults.Apps = nil, nil
	shown.Worker, defaults.Worker = "", ""
	shown.Log.Levels, defaults.Log.Levels = nil, nil
	defaults.NATS.StoreDir = "/var/lib/volley/nats"
	if diff := cmp.Diff(defaults, &shown); diff != "" {
		t.Errorf("the example does not show the defaults (-defaults +example):\n%s", diff)
	}
	// With the files in place it is valid.
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "volley.example.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err = Load(filepath.Join(folder, "volley.example.yaml"), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, app := range c.Apps {
		files := []string{app.APNS.KeyFile, app.APNS.Certificate, app.APNS.CertificatePasswordFile}
		if app.GCM != nil {
			files = append(files, app.GCM.ServiceAccount, app.GCM.APIKeyFile)
		}
		for _, file := range files {
			if file == "" {
				continue
			}
			if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	// No setting is missing in it.
	for key := range allKeys(reflect.TypeFor[Config]()) {
		if !strings.Contains(string(text), key) {
			t.Errorf("%s says nothing about %s", example, key)
		}
	}
}

func allKeys(t reflect.Type) map[string]bool {
	keys := make(map[string]bool)
	plainKeys(t, keys)
	keys["api_key"], keys["certificate_password"], keys["url"] = true, true, true
	return keys
}

func TestPrintIsReadAgain(t *testing.T) {
	c := mustLoad(t, "nats: {url: 'nats://user:hunter2@a:4222,nats://b'}\nmax_segments: 5\nlog: {levels: {volley.gcm: warn}}\n"+
		"apps: {a: {apns: {certificate: /c.p12, certificate_password: hunter2}}, b: {gcm: {protocol: legacy, api_key: hunter2}, message_ids: true}}", nil)
	var out bytes.Buffer
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "hunter2") || strings.Contains(out.String(), "user") {
		t.Errorf("shows a secret:\n%s", &out)
	}
	for _, want := range []string{"nats://[redacted]@a:4222,nats://b", `api_key: "[redacted]"`, "max_segments: 5", "ack_wait: 30s", "retention: 720h0m0s", "volley.gcm: warn"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("does not show %s:\n%s", want, &out)
		}
	}
	again := mustLoad(t, out.String(), nil)
	for _, tree := range []*Config{c, again} {
		tree.NATS.URL = URL{}
		tree.Apps["a"].APNS.CertificatePassword, tree.Apps["b"].GCM.APIKey = Secret{}, Secret{}
	}
	if diff := cmp.Diff(c, again); diff != "" {
		t.Errorf("read again (-before +after):\n%s", diff)
	}
}
