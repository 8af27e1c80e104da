package cli

import (
	"crypto/x509"
	"os"
	"os/exec"
	"testing"
)

// TestAuthoritiesWithoutASystem runs this test again where no certificate is to be found. Any program of ours must still know whom to
// trust.
func TestAuthoritiesWithoutASystem(t *testing.T) {
	const inside = "VOLLEY_TEST_NO_AUTHORITIES"
	if os.Getenv(inside) != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			t.Fatal(err)
		}
		if pool.Equal(x509.NewCertPool()) {
			t.Error("nobody is trusted")
		}
		return
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	again := exec.CommandContext(t.Context(), program, "-test.run", "^"+t.Name()+"$")
	nothing := t.TempDir()
	again.Env = append(os.Environ(), inside+"=1", "SSL_CERT_FILE="+nothing+"/missing", "SSL_CERT_DIR="+nothing)
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
