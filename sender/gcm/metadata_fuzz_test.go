package gcm

import (
	"testing"
	"time"
)

// FuzzMetadataToken: a token that is read is one, and good for some time from now, whatever the answer claims.
func FuzzMetadataToken(f *testing.F) {
	f.Add([]byte(`{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}`))
	f.Add([]byte(`{"access_token":"x","expires_in":9223372036854775807}`))
	f.Add([]byte(`{"access_token":"","expires_in":1}`))
	f.Add([]byte(`<html>`))
	now := time.Unix(1795430000, 0)
	f.Fuzz(func(t *testing.T, answer []byte) {
		token, err := readMetadataToken(answer, now)
		if err != nil {
			return
		}
		if life := token.Expiry.Sub(now); token.AccessToken == "" || life <= 0 || life > maxTokenLife {
			t.Errorf("a token of %d bytes for %s", len(token.AccessToken), life)
		}
	})
}
