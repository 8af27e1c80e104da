package queue

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/sender/simulator"
)

// TestIdentity connects to a real server that asks for a certificate of its authority and for an nkey.
func TestIdentity(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	authority, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	ofServer, err := authority.ServerCertificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	ofClient, err := authority.ClientCertificate("worker")
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(ofClient.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	public, err := user.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	whole := Identity{
		CA:          write("ca.pem", authority.PEM()),
		Certificate: write("client.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ofClient.Certificate[0]})),
		Key:         write("client.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})),
		NKey:        write("user.nk", seed),
	}
	guarded, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, TLSTimeout: 10, Nkeys: []*server.NkeyUser{{Nkey: public}},
		TLS: true, TLSVerify: true, TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{ofServer}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authority.Pool(), MinVersion: tls.VersionTLS12,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	guarded.Start()
	t.Cleanup(func() { guarded.Shutdown(); guarded.WaitForShutdown() })
	if !guarded.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not start")
	}
	connect := func(i Identity) error {
		conn, err := Connect(t.Context(), Options{URL: strings.Replace(guarded.ClientURL(), "nats://", "tls://", 1), Identity: i, Name: "test", Logger: zerolog.Nop()})
		if err == nil {
			conn.Close()
		}
		return err
	}
	if err := connect(whole); err != nil {
		t.Errorf("with everything: %v", err)
	}
	for name, part := range map[string]Identity{
		"no authority":   {Certificate: whole.Certificate, Key: whole.Key, NKey: whole.NKey},
		"no certificate": {CA: whole.CA, NKey: whole.NKey},
		"no nkey":        {CA: whole.CA, Certificate: whole.Certificate, Key: whole.Key},
	} {
		if err := connect(part); err == nil || errors.Is(err, ErrCredentials) {
			t.Errorf("%s: %v", name, err)
		}
	}
	garbage := write("garbage", []byte("5ec7e7 is nothing"))
	for name, test := range map[string]struct {
		identity Identity
		want     string
	}{
		"a missing authority":         {Identity{CA: dir + "/missing"}, "missing"},
		"an authority that is none":   {Identity{CA: garbage}, "no certificate in it"},
		"a certificate without a key": {Identity{Certificate: whole.Certificate}, "needs its key"},
		"a key without a certificate": {Identity{Key: whole.Key}, "needs its key"},
		"a key that is none":          {Identity{Certificate: whole.Certificate, Key: garbage}, "garbage"},
		"a seed that is none":         {Identity{NKey: garbage}, "nk -gen user"},
		"a missing seed":              {Identity{NKey: dir + "/gone"}, "gone"},
	} {
		err := connect(test.identity)
		if !errors.Is(err, ErrCredentials) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "5ec7e7") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
