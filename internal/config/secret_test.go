package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const planted = "hunter2"

// holder has secrets where fmt can't call their methods.
type holder struct {
	secret Secret
	url    URL
}

func TestSecretsShowNowhere(t *testing.T) {
	secret, url := NewSecret(planted), NewURL("nats://user:"+planted+"@host:4222")
	tree := Default()
	tree.NATS.URL = url
	tree.Apps["a"] = &App{APNS: DefaultAPNS(), GCM: DefaultGCM()}
	tree.Apps["a"].APNS.CertificatePassword = secret
	tree.Apps["a"].GCM.APIKey = secret
	var logged bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&logged, nil))
	for _, v := range []any{
		secret, &secret, url, &url,
		[]Secret{secret},
		map[string]Secret{"a": secret},
		struct{ S Secret }{secret},
		struct{ U URL }{url},
		holder{secret, url},
		&holder{secret, url}, tree, *tree, tree.Apps["a"].GCM, errors.Join(fmt.Errorf("with %v and %s", secret, url)),
	} {
		var shown []string
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			shown = append(shown, fmt.Sprintf(verb, v))
		}
		encoded, _ := json.Marshal(v)
		yamled, _ := yaml.Marshal(v)
		logger.Info("x", "v", v)
		shown = append(shown, string(encoded), string(yamled), logged.String())
		for _, text := range shown {
			if strings.Contains(text, planted) || strings.Contains(text, fmt.Sprintf("%x", planted)) || strings.Contains(text, fmt.Sprintf("%X", planted)) {
				t.Fatalf("%T is shown as %s", v, text)
			}
		}
	}
	if secret.Reveal() != planted || fmt.Sprint(secret) != "[redacted]" || fmt.Sprint(Secret{}) != "" {
		t.Error("a secret is not what it says")
	}
	if !secret.Equal(NewSecret(planted)) || secret.Equal(Secret{}) || !NewSecret("").IsZero() {
		t.Error("secrets are not compared by their texts")
	}
}

func TestURLShowsNoUser(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "",
		"nats://u:" + planted + "@a:1, b:2": "nats://[redacted]@a:1,b:2",
		planted + "@host?token=" + planted:  "[redacted]@host",
	} {
		if got := NewURL(text).String(); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for _, c := range []struct {
		text string
		size Size
		back string
	}{
		{"0", 0, "0"},
		{"1", 1, "1"},
		{"1023B", 1023, "1023"},
		{"1KiB", 1024, "1KiB"},
		{"512MiB", 512 << 20, "512MiB"},
		{" 10 GiB ", 10 << 30, "10GiB"},
		{"10GB", 10e9, "10GB"},
		{"1024GiB", 1 << 40, "1TiB"},
		{"8388607TiB", 8388607 << 40, "8388607TiB"},
	} {
		got, err := ParseSize(c.text)
		if err != nil || got != c.size || got.String() != c.back {
			t.Errorf("%q: %d (%s), %v", c.text, got, got, err)
		}
		if again, err := ParseSize(got.String()); err != nil || again != got {
			t.Errorf("%s was read as %d, %v", got, again, err)
		}
	}
	for _, text := range []string{"", "GiB", "-1", "1.5GiB", "8388608TiB", "9223372036854775808", "10 Gib", "1e9"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}
