package natsurl

import (
	"strings"
	"testing"
)

const planted = "hunter2"

func TestReadable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                      "",
		"nats://host:4222":                      "nats://host:4222",
		"host:4222":                             "host:4222",
		"host":                                  "host",
		"tls://u:p@host:4222":                   "tls://[redacted]@host:4222",
		"u:p@host:4222":                         "[redacted]@host:4222",
		"token@host":                            "[redacted]@host",
		"nats://u:p@a:1, nats://b:2":            "nats://[redacted]@a:1,nats://b:2",
		"a:1, u:p@b:2,c":                        "[redacted],[redacted]@b:2,c",
		"nats://a:1,nats://u:p@b:2":             "nats://a:1,nats://[redacted]@b:2",
		"nats://u:p@ss@host":                    "nats://[redacted]@host",
		"nats://u:pass,word@host":               "[redacted],[redacted]@host",
		"nats://u:12,34@host":                   "[redacted],[redacted]@host",
		"nats://host:4222/path?token=x#y":       "nats://host:4222",
		"nats://host?password=x":                "nats://host",
		"host?password=x":                       "host",
		"nats://us%er:p@host":                   "[redacted]",
		"wss://u:p@[::1]:443":                   "wss://[redacted]@[::1]:443",
		"nats://":                               "[redacted]",
		"not an address":                        "[redacted]",
		"nats://user:" + planted + "@host:port": "[redacted]",
		"user:" + planted:                       "[redacted]",
	} {
		if got := Readable(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"nats://a", "a", "tls://u:p@a:1,nats://b", "ws://a/path", "wss://[::1]:443", "NATS://a"} {
		if err := Check(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		"":                                "its server 1 is not an address like nats://host:4222",
		"nats://a,":                       "its server 2 is not an address like nats://host:4222",
		"nats://u:" + planted + "@a:port": "its server 1 is not an address like nats://host:4222",
		"u:" + planted:                    "its server 1 is not an address like nats://host:4222",
		"a,http://u:" + planted + "@b":    `its server 2 has the scheme "http" instead of nats, tls, ws or wss`,
	} {
		if err := Check(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// Whatever stands around a password, it is in nothing that is shown.
func FuzzReadable(f *testing.F) {
	for _, seed := range []string{"a:1", "a,u:p@b", "://", "x@y@", "[::1]", "%41", "\\", " a "} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.Contains(before+after, planted) {
			return
		}
		for _, text := range []string{
			"nats://u:" + planted + "@" + after, "u:" + planted + "@" + after, before + ",nats://u:" + planted + "@" + after,
			"nats://h?password=" + planted + after,
		} {
			if shown := Readable(text); strings.Contains(shown, planted) {
				t.Errorf("%q is shown as %q", text, shown)
			}
			if err := Check(text); err != nil && strings.Contains(err.Error(), planted) {
				t.Errorf("%q: %v", text, err)
			}
		}
	})
}
