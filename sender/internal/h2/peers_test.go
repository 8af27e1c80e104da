//go:build peers

package h2

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The conformance suite against servers that must be installed: node, nghttpd (nghttp2-server) and nginx. .ci/run does that and
// runs it with -tags peers.

// TestConformanceWithNode: Node's http2, with what only a server with a programme can do.
func TestConformanceWithNode(t *testing.T) {
	for name, settings := range map[string]string{
		"defaults": `{}`,
		"small":    `{maxConcurrentStreams: 2, initialWindowSize: 1000, headerTableSize: 0, maxHeaderListSize: 2000}`,
	} {
		t.Run(name, func(t *testing.T) {
			address, roots := start(t, "node", func(dir, _ string) []string {
				return []string{"-e", fmt.Sprintf(nodeServer, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), settings, gone)}
			})
			probes := append(programmed(),
				probe{name: "refused", path: "/refused", body: "{}", times: 3, want: outcome{Status: 200, ID: "e-1", Body: "at last"}},
				probe{name: "goaway", path: "/goaway", body: "{}", times: 30, want: outcome{Status: 200, ID: "e-1"}},
			)
			width := 20
			if name == "small" {
				width = 1
			}
			conform(t, address, roots, width, probes)
		})
	}
}

// nodeServer takes the certificate, its key, the settings, and the text of a 410.
const nodeServer = `
const http2 = require('http2'), fs = require('fs');
const server = http2.createSecureServer({cert: fs.readFileSync(%q), key: fs.readFileSync(%q), settings: %s});
const gone = %q, long = '0123456789abcdef'.repeat(20000);
const refused = new Set();
server.on('stream', (stream, headers) => {
  const chunks = [];
  stream.on('error', () => {});
  stream.on('data', chunk => chunks.push(chunk));
  stream.on('end', () => {
    const body = Buffer.concat(chunks), head = {':status': 200, 'x-id': headers['x-echo']};
    const [path, query] = headers[':path'].split('?');
    switch (path) {
    case '/empty': stream.respond(head, {endStream: true}); break;
    case '/gone': stream.respond({...head, ':status': 410}); stream.end(gone); break;
    case '/echo': stream.respond(head); stream.end(body); break;
    case '/long': stream.respond(head); stream.end(long); break;
    case '/hints': stream.additionalHeaders({':status': 103}); stream.respond(head); stream.end('ok'); break;
    case '/trailers':
      stream.respond(head, {waitForTrailers: true});
      stream.on('wantTrailers', () => stream.sendTrailers({'x-late': 'x'}));
      stream.end('ok');
      break;
    case '/cut':
      stream.respond({...head, 'content-length': 5000});
      stream.write('x'.repeat(500), () => stream.close(http2.constants.NGHTTP2_CANCEL));
      break;
    case '/reset': stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR); break;
    case '/refused':
      if (!refused.has(query)) { refused.add(query); stream.close(http2.constants.NGHTTP2_REFUSED_STREAM); return; }
      refused.delete(query);
      stream.respond(head); stream.end('at last');
      break;
    case '/goaway':
      stream.respond(head, {endStream: true});
      if (query %% 10 == 9) stream.session.close();
      break;
    }
  });
});
server.on('sessionError', () => {});
server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port));
`

// TestConformanceWithNghttpd: nghttp2's own server echoes what is uploaded.
func TestConformanceWithNghttpd(t *testing.T) {
	echo := func(text string, times int) probe {
		return probe{name: fmt.Sprintf("echo of %d", len(text)), path: "/", body: text, times: times, want: outcome{Status: 200, Body: text}}
	}
	for name, options := range map[string][]string{
		"defaults":  nil,
		"padding":   {"--padding=200"},
		"small":     {"--max-concurrent-streams=2", "--header-table-size=0", "--encoder-header-table-size=0", "--window-bits=10"},
		"trailer":   {"--trailer=x-late: x"},
		"two cores": {"--workers=2"},
	} {
		t.Run(name, func(t *testing.T) {
			address, roots := start(t, "nghttpd", func(dir, port string) []string {
				return append(append([]string{"--echo-upload", "--address=127.0.0.1", "--htdocs=" + dir}, options...),
					port, filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem"))
			})
			width := 20
			if name == "small" {
				width = 1
			}
			conform(t, address, roots, width, []probe{echo(`{"a":"b"}`, 300), echo(long, 5), echo("x", 20)})
		})
	}
}

// TestConformanceWithNginx: fixed answers, and a connection that is left after every few requests.
func TestConformanceWithNginx(t *testing.T) {
	for name, options := range map[string]string{
		"defaults":      "",
		"few streams":   "http2_max_concurrent_streams 3;",
		"leaves often":  "keepalive_requests 7;",
		"large records": "ssl_buffer_size 64k; http2_chunk_size 16k;",
	} {
		t.Run(name, func(t *testing.T) {
			address, roots := start(t, "nginx", func(dir, port string) []string {
				if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(fmt.Sprintf(nginxConfig, dir, port, options, gone)), 0o600); err != nil {
					t.Fatal(err)
				}
				return []string{"-c", filepath.Join(dir, "nginx.conf"), "-p", dir}
			})
			width := map[string]int{"few streams": 1}[name] + 1
			conform(t, address, roots, width, []probe{
				{name: "empty", path: "/empty", body: "{}", times: 200, want: outcome{Status: 200, ID: "n-1"}},
				{name: "gone", path: "/gone", body: "{}", times: 100, want: outcome{Status: 410, ID: "n-1", Body: gone}},
				{name: "long request", path: "/empty", body: long, times: 5, want: outcome{Status: 200, ID: "n-1"}},
			})
		})
	}
}

// nginxConfig takes the folder, the port, more directives, and the text of a 410. A POST body is read by the proxy of itself.
const nginxConfig = `
daemon off; worker_processes 2; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
  access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  client_max_body_size 10m;
  server {
    listen 127.0.0.1:%[2]s ssl http2;
    ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem;
    %[3]s
    add_header x-id n-1 always;
    location = /empty { default_type ""; return 200; }
    location = /gone { default_type application/json; return 410 '%[4]s'; }
  }
}
`

// start starts a server with a certificate for localhost, and returns where it listens once it does.
func start(t *testing.T, name string, arguments func(dir, port string) []string) (string, *x509.CertPool) {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		for _, where := range []string{"/usr/sbin/", "/usr/local/sbin/"} {
			if _, statErr := os.Stat(where + name); statErr == nil {
				program, err = where+name, nil
			}
		}
	}
	if err != nil {
		t.Fatalf("%s is not installed; .ci/run installs it", name)
	}
	dir := t.TempDir()
	authority, certificate := identity(t)
	writePEM(t, dir, certificate)
	port := freePort(t)
	command := exec.CommandContext(t.Context(), program, arguments(dir, port)...)
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var trouble strings.Builder
	command.Stderr = &trouble
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		_ = command.Wait()
		if t.Failed() {
			t.Log(trouble.String())
		}
	})
	if name == "node" { // it says where
		line, _ := bufio.NewReader(output).ReadString('\n')
		if _, err := fmt.Sscanf(line, "port %s", &port); err != nil {
			t.Fatalf("node says %q; %s", line, trouble.String())
		}
	}
	address := "127.0.0.1:" + port
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return address, authority.Pool()
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen: %v; %s", name, err, trouble.String())
		}
		<-tick.C
	}
}

// freePort is one that was free a moment ago; these servers can't choose one themselves and say so.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

func writePEM(t *testing.T, dir string, certificate tls.Certificate) {
	t.Helper()
	var chain []byte
	for _, der := range certificate.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"cert.pem": chain, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
