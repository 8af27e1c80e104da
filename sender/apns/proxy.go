package apns

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http/httpproxy"
	"golang.org/x/net/proxy"
)

// proxyFunc names the proxy for a URL; nil is none.
type proxyFunc = func(*url.URL) (*url.URL, error)

// proxyOf is the proxy that holds for a configuration: its own, else that of the environment. Who brings a Dial of their own
// decides by it where connections go.
func proxyOf(config Config) proxyFunc {
	switch {
	case config.Proxy != nil:
		return config.Proxy
	case config.Dial != nil:
		return func(*url.URL) (*url.URL, error) { return nil, nil }
	}
	return httpproxy.FromEnvironment().ProxyFunc()
}

// maxProxyAnswer is the most that a proxy's answer to CONNECT may have.
const maxProxyAnswer = 64 << 10

// throughProxy dials like dial, but through the proxy that holds for the endpoint: http and https with CONNECT, or socks5. The
// proxy sees host and port and no more; TLS goes through it untouched. It is asked for anew for each connection.
func throughProxy(find proxyFunc, roots *x509.CertPool, dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		via, err := find(&url.URL{Scheme: "https", Host: address})
		if err != nil {
			return nil, proxyError(nil, "is not usable", errors.New("it is no URL")) // the library's text quotes it, password and all
		}
		if via == nil {
			return dial(ctx, network, address)
		}
		switch via.Scheme {
		case "http", "https":
			return connectThrough(ctx, via, roots, address, dial)
		case "socks5", "socks5h":
			return socksThrough(ctx, via, network, address, dial)
		}
		return nil, proxyError(via, "is not usable", fmt.Errorf("its scheme is %q, known are http, https and socks5", clip(via.Scheme)))
	}
}

// proxyError is a connection that failed on the way to or in the proxy. It shows the proxy's host and nothing of its user.
func proxyError(via *url.URL, what string, cause error) error {
	name := "the proxy"
	if via != nil {
		name += " " + via.Host
	}
	return &dialError{Reason(ConnectionFailed), fmt.Errorf("%s %s: %w; check HTTPS_PROXY, or exempt the endpoint with NO_PROXY", name, what, cause)}
}

// connectThrough asks the proxy for a tunnel (RFC 9110 §9.3.6).
func connectThrough(ctx context.Context, via *url.URL, roots *x509.CertPool, address string, dial dialFunc) (net.Conn, error) {
	conn, err := dialProxy(ctx, via, roots, dial)
	if err != nil {
		return nil, proxyError(via, "can't be reached", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{"User-Agent": {""}}}
	if user := via.User; user != nil {
		password, _ := user.Password()
		request.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)))
	}
	answers := bufio.NewReader(io.LimitReader(conn, maxProxyAnswer))
	if err = request.Write(conn); err == nil {
		err = readTunnel(answers, request)
	}
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return nil, proxyError(via, "opens no tunnel to "+address, err)
	}
	return conn, nil
}

func dialProxy(ctx context.Context, via *url.URL, roots *x509.CertPool, dial dialFunc) (net.Conn, error) {
	port := either(via.Port(), map[string]string{"http": "80", "https": "443"}[via.Scheme])
	conn, err := dial(ctx, "tcp", net.JoinHostPort(via.Hostname(), port))
	if err != nil || via.Scheme == "http" {
		return conn, err
	}
	secured := tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS12, ServerName: via.Hostname(), RootCAs: roots})
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secured, nil
}

// readTunnel reads the answer to CONNECT. Nothing may follow it: the other side of the tunnel waits for our TLS.
func readTunnel(answers *bufio.Reader, request *http.Request) error {
	response, err := http.ReadResponse(answers, request)
	if err != nil {
		return errors.New("its answer is not HTTP") // the library's text quotes it
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusProxyAuthRequired:
		return errors.New("it wants a user and password (407)")
	case response.StatusCode < 200 || response.StatusCode > 299:
		return fmt.Errorf("it answers %d", response.StatusCode)
	case answers.Buffered() > 0:
		return errors.New("it talks before we do")
	}
	return nil
}

func socksThrough(ctx context.Context, via *url.URL, network, address string, dial dialFunc) (net.Conn, error) {
	var auth *proxy.Auth
	if user := via.User; user != nil {
		password, _ := user.Password()
		auth = &proxy.Auth{User: user.Username(), Password: password}
	}
	dialer, err := proxy.SOCKS5("tcp", net.JoinHostPort(via.Hostname(), either(via.Port(), "1080")), auth, forward(dial))
	if err != nil {
		return nil, proxyError(via, "is not usable", err)
	}
	withContext, ok := dialer.(proxy.ContextDialer)
	if !ok {
		return nil, proxyError(via, "is not usable", errors.New("its library can't be cancelled"))
	}
	conn, err := withContext.DialContext(ctx, network, address)
	if err != nil {
		return nil, proxyError(via, "opens no tunnel to "+address, err)
	}
	return conn, nil
}

// forward is a dialFunc as the SOCKS library wants it.
type forward dialFunc

// Dial implements proxy.Dialer; the library calls DialContext instead.
func (f forward) Dial(network, address string) (net.Conn, error) {
	return f(context.Background(), network, address)
}

// DialContext implements proxy.ContextDialer.
func (f forward) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}
