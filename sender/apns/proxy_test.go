package apns

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
)

// tunnels is a proxy on a real socket. hello speaks its protocol on a new connection and returns where the client wants to go; nil
// if it turned the client away.
type tunnels struct {
	t     *testing.T
	addr  string
	hello func(net.Conn) (*bufio.Reader, string)
	// to is where every tunnel ends, whatever the client asked for.
	to string

	mu    sync.Mutex
	asked []string
}

func startProxy(t *testing.T, to string, config *tls.Config, hello func(net.Conn) (*bufio.Reader, string)) *tunnels {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tunnels{t: t, addr: listener.Addr().String(), hello: hello, to: to}
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	var busy sync.WaitGroup
	busy.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			busy.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		busy.Wait()
	})
	return p
}

func (p *tunnels) serve(conn net.Conn) {
	defer conn.Close()
	from, address := p.hello(conn)
	if from == nil {
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, address)
	p.mu.Unlock()
	far, err := net.Dial("tcp", p.to)
	if err != nil {
		p.t.Error(err)
		return
	}
	defer far.Close()
	go func() {
		_, _ = io.Copy(far, from)
		_ = far.Close()
	}()
	_, _ = io.Copy(conn, far)
}

// connectHello is CONNECT; the user must be who is wanted, "" is anybody.
func connectHello(t *testing.T, user string) func(net.Conn) (*bufio.Reader, string) {
	return func(conn net.Conn) (*bufio.Reader, string) {
		from := bufio.NewReader(conn)
		request, err := http.ReadRequest(from)
		if err != nil || request.Method != http.MethodConnect {
			t.Errorf("%v, %v", request, err)
			return nil, ""
		}
		if user != "" && request.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(user)) {
			_, _ = io.WriteString(conn, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
			return nil, ""
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		return from, request.Host
	}
}

// socksHello is RFC 1928 with a user and password (RFC 1929), for names.
func socksHello(t *testing.T) func(net.Conn) (*bufio.Reader, string) {
	return func(conn net.Conn) (*bufio.Reader, string) {
		from := bufio.NewReader(conn)
		read := func(n byte) []byte {
			part := make([]byte, n)
			if _, err := io.ReadFull(from, part); err != nil {
				t.Error(err)
			}
			return part
		}
		read(read(2)[1])
		_, _ = conn.Write([]byte{5, 2})
		user := read(read(2)[1])
		password := read(read(1)[0])
		if string(user)+":"+string(password) != "me:secret" {
			t.Errorf("user %s", user)
		}
		_, _ = conn.Write([]byte{1, 0})
		name := read(read(5)[4])
		port := read(2)
		_, _ = conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		return from, net.JoinHostPort(string(name), strconv.Itoa(int(port[0])<<8|int(port[1])))
	}
}

// proxied is a client whose connections go through the proxy at the URL.
func proxied(t *testing.T, s *simulated, proxy string) *Client {
	t.Helper()
	via, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseKey(s.p8, s.key.KeyID, s.key.TeamID)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.server.Addr())
	return newClient(t, Config{
		Key: key, Topic: bundle, Endpoint: "https://localhost:" + port, RootCAs: s.server.Authority().Pool(),
		Proxy: func(endpoint *url.URL) (*url.URL, error) {
			if endpoint.String() != "https://localhost:"+port {
				t.Errorf("a proxy for %s", endpoint)
			}
			return via, nil
		},
	})
}

// TestProxies: the name of the endpoint goes through the proxy, which looks it up, and TLS goes through untouched.
func TestProxies(t *testing.T) {
	s := simulate(t, nil)
	certificate, err := s.server.Authority().ServerCertificate()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		scheme string
		tls    *tls.Config
		hello  func(net.Conn) (*bufio.Reader, string)
	}{
		"http":   {"http", nil, connectHello(t, "me:secret")},
		"https":  {"https", &tls.Config{Certificates: []tls.Certificate{certificate}}, connectHello(t, "me:secret")},
		"socks5": {"socks5", nil, socksHello(t)},
	} {
		t.Run(name, func(t *testing.T) {
			p := startProxy(t, s.server.Addr(), test.tls, test.hello)
			c := proxied(t, s, test.scheme+"://me:secret@"+p.addr)
			out := deliver(t, c, &Request{Tokens: tokens(3)})
			if diff := cmp.Diff(map[string]int{"": 3}, names(out)); diff != "" {
				t.Fatalf("%s%v", diff, c.LastFailure())
			}
			_, port, _ := net.SplitHostPort(s.server.Addr())
			p.mu.Lock()
			defer p.mu.Unlock()
			if diff := cmp.Diff([]string{"localhost:" + port}, p.asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestProxyFromTheEnvironment: HTTPS_PROXY holds, NO_PROXY exempts, and a Dial of one's own decides by itself.
func TestProxyFromTheEnvironment(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
	t.Setenv("NO_PROXY", "exempt.example.com")
	for host, want := range map[string]string{"api.push.apple.com": "http://proxy.example.com:3128", "exempt.example.com": ""} {
		got, err := proxyOf(Config{})(&url.URL{Scheme: "https", Host: host})
		if err != nil || (got == nil) != (want == "") || got != nil && got.String() != want {
			t.Errorf("%s: %v, %v", host, got, err)
		}
	}
	own := Config{Dial: new(net.Dialer).DialContext}
	if got, err := proxyOf(own)(&url.URL{Scheme: "https", Host: "api.push.apple.com"}); got != nil || err != nil {
		t.Errorf("with a Dial: %v, %v", got, err)
	}
}

// TestProxyFaults: one sentence with the proxy's host and the remedy, and never its user.
func TestProxyFaults(t *testing.T) {
	s := simulate(t, nil)
	reply := func(text string) func(net.Conn) (*bufio.Reader, string) {
		return func(conn net.Conn) (*bufio.Reader, string) {
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, text)
			return nil, ""
		}
	}
	for name, test := range map[string]struct {
		hello func(net.Conn) (*bufio.Reader, string)
		want  string
	}{
		"wrong user":    {connectHello(t, "you:other"), "it wants a user and password (407)"},
		"forbidden":     {reply("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), "it answers 403"},
		"not HTTP":      {reply("220 mail.example.com ESMTP\r\n"), "its answer is not HTTP"},
		"no answer":     {reply(""), "its answer is not HTTP"},
		"endless":       {reply("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxProxyAnswer)), "its answer is not HTTP"},
		"talks at once": {reply("HTTP/1.1 200 OK\r\n\r\nhello"), "it talks before we do"},
	} {
		t.Run(name, func(t *testing.T) {
			p := startProxy(t, "", nil, test.hello)
			c := proxied(t, s, "http://me:secret@"+p.addr)
			out := deliver(t, c, &Request{Tokens: tokens(1)})
			if out[0].Class != sender.Unsent || out[0].Reason.Name != ConnectionFailed {
				t.Fatalf("%+v", out[0])
			}
			text := c.Explain(out[0].Reason)
			for _, part := range []string{p.addr, test.want, "check HTTPS_PROXY"} {
				if !strings.Contains(text, part) {
					t.Errorf("%q does not say %q", text, part)
				}
			}
			if strings.Contains(text, "secret") {
				t.Errorf("%q tells the password", text)
			}
		})
	}
	for proxy, want := range map[string]string{"ftp://me:secret@h": "known are http, https and socks5", "http://me:secret@127.0.0.1:1": "can't be reached"} {
		c := proxied(t, s, proxy)
		out := deliver(t, c, &Request{Tokens: tokens(1)})
		if text := c.Explain(out[0].Reason); !strings.Contains(text, want) || strings.Contains(text, "secret") {
			t.Errorf("%s: %q", proxy, text)
		}
	}
	broken := newClient(t, Config{Key: testKey(t), Topic: bundle, Proxy: func(*url.URL) (*url.URL, error) { return nil, errors.New("secret") }})
	out := deliver(t, broken, &Request{Tokens: tokens(1)})
	if text := broken.Explain(out[0].Reason); !strings.Contains(text, "check HTTPS_PROXY") || strings.Contains(text, "secret") {
		t.Errorf("%q", text)
	}
}

// TestSilentProxy: the dial's timeout holds for the proxy's answer too.
func TestSilentProxy(t *testing.T) {
	over := make(chan struct{})
	p := startProxy(t, "", nil, func(net.Conn) (*bufio.Reader, string) {
		<-over
		return nil, ""
	})
	t.Cleanup(func() { close(over) }) // before the proxy's own
	via := &url.URL{Scheme: "http", Host: p.addr}
	dial := throughProxy(func(*url.URL) (*url.URL, error) { return via, nil }, nil, new(net.Dialer).DialContext)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := dial(ctx, "tcp", "api.push.apple.com:443"); err == nil || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "opens no tunnel") {
		t.Errorf("%v", err)
	}
}

// FuzzProxyAnswer: whatever a proxy answers is a tunnel or an error, and reading ends.
func FuzzProxyAnswer(f *testing.F) {
	for _, seed := range []string{"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.0 200\r\n\r\n\x16\x03", "SSH-2.0-x\r\n", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: "h:443"}, Host: "h:443"}
		err := readTunnel(bufio.NewReader(strings.NewReader(answer)), request)
		if err == nil && !strings.HasPrefix(answer, "HTTP/") {
			t.Errorf("%q opens a tunnel", answer)
		}
		if err != nil && len(answer) > 40 && strings.Contains(err.Error(), answer) {
			t.Errorf("%v quotes the answer", err)
		}
	})
}
