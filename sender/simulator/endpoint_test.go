package simulator

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

func testEndpoint(t *testing.T, o EndpointOptions) *Endpoint {
	t.Helper()
	endpoint, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := endpoint.Close(); err != nil {
			t.Error(err)
		}
	})
	return endpoint
}

// testClient speaks the named protocols only and trusts the authority.
func testClient(t *testing.T, authority *Authority, h1, h2 bool) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool()}, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(h1)
	transport.Protocols.SetHTTP2(h2)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func echoProtocol(w http.ResponseWriter, r *http.Request) { w.Header().Set("Seen", r.Proto) }

func TestEndpointProtocols(t *testing.T) {
	authority := testAuthority(t)
	tests := []struct {
		name         string
		serverH1     bool
		clientH1, h2 bool
		proto        string // "" if the request fails
	}{
		{name: "h2 only, h2 client", h2: true, proto: "HTTP/2.0"},
		{name: "h2 only, h1 client", clientH1: true},
		{name: "both, h2 client", serverH1: true, h2: true, proto: "HTTP/2.0"},
		{name: "both, h1 client", serverH1: true, clientH1: true, proto: "HTTP/1.1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			endpoint := testEndpoint(t, EndpointOptions{Name: "test", Authority: authority, HTTP1: test.serverH1, Handler: http.HandlerFunc(echoProtocol)})
			client := testClient(t, authority, test.clientH1, test.h2)
			response, err := client.Get(endpoint.URL())
			if test.proto == "" { // how the client words the hang-up depends on who is faster
				if err == nil {
					response.Body.Close()
					t.Fatalf("served over %s", response.Header.Get("Seen"))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if got := response.Header.Get("Seen"); got != test.proto {
				t.Errorf("served over %s, want %s", got, test.proto)
			}
		})
	}
}

// Without h2 in its ALPN list a client may get through the handshake, but an h2-only endpoint never reads HTTP/1.1.
func TestEndpointWithoutH2HangsUp(t *testing.T) {
	authority := testAuthority(t)
	endpoint := testEndpoint(t, EndpointOptions{Name: "test", Authority: authority, Handler: http.HandlerFunc(echoProtocol)})
	for _, protocols := range [][]string{nil, {"http/1.1"}} {
		conn, err := tls.Dial("tcp", endpoint.Addr(), &tls.Config{RootCAs: authority.Pool(), NextProtos: protocols})
		if err != nil {
			continue
		}
		// The write may be lost or refused, depending on who is faster; only the reading matters.
		_, _ = conn.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		if n, err := conn.Read(make([]byte, 1)); err == nil {
			t.Errorf("ALPN %v: %d bytes were answered to HTTP/1.1", protocols, n)
		}
		conn.Close()
	}
}

func TestEndpointRefusesOldTLS(t *testing.T) {
	authority := testAuthority(t)
	endpoint := testEndpoint(t, EndpointOptions{Name: "test", Authority: authority, Handler: http.HandlerFunc(echoProtocol)})
	conn, err := tls.Dial("tcp", endpoint.Addr(), &tls.Config{RootCAs: authority.Pool(), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, NextProtos: []string{"h2"}})
	if err == nil {
		conn.Close()
		t.Fatal("TLS 1.1 was accepted")
	}
}

func TestListenErrors(t *testing.T) {
	authority := testAuthority(t)
	taken := testEndpoint(t, EndpointOptions{Name: "first", Authority: authority, Handler: http.NotFoundHandler()})

	_, err := Listen(EndpointOptions{Name: "APNs simulator", Addr: taken.Addr(), Authority: authority, Handler: http.NotFoundHandler()})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "APNs simulator: address already in use: "+taken.Addr()) {
		t.Errorf("a taken port answers: %v", err)
	}
	_, err = Listen(EndpointOptions{Name: "APNs simulator", Addr: "nonsense", Authority: authority, Handler: http.NotFoundHandler()})
	if err == nil || !strings.Contains(err.Error(), "give host:port") {
		t.Errorf("a bad address answers: %v", err)
	}
}

func TestURLOnAllAddresses(t *testing.T) {
	authority := testAuthority(t)
	for want, hosts := range map[string][]string{"https://localhost:": nil, "https://simulator:": {"simulator", "other"}} {
		endpoint := testEndpoint(t, EndpointOptions{Name: "test", Addr: ":0", Hosts: hosts, Authority: authority, Handler: http.NotFoundHandler()})
		if !strings.HasPrefix(endpoint.URL(), want) || strings.HasSuffix(endpoint.URL(), ":0") {
			t.Errorf("URL is %s, want %s and the port", endpoint.URL(), want)
		}
	}
}

func TestEndpointPortIsFreeAfterClose(t *testing.T) {
	authority := testAuthority(t)
	first := testEndpoint(t, EndpointOptions{Name: "first", Authority: authority, Handler: http.NotFoundHandler()})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	testEndpoint(t, EndpointOptions{Name: "second", Addr: first.Addr(), Authority: authority, Handler: http.NotFoundHandler()})
}

func TestCloseWaitsForHandlers(t *testing.T) {
	authority := testAuthority(t)
	entered, closed := make(chan struct{}), make(chan struct{})
	early := make(chan bool, 1)
	endpoint, err := Listen(EndpointOptions{Name: "test", Authority: authority, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		select {
		case <-closed:
			early <- true
		case <-time.After(50 * time.Millisecond): // long enough for a Close that does not wait
			early <- false
		}
	})})
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	client := testClient(t, authority, false, true)
	go func() {
		response, err := client.Get(endpoint.URL())
		if err == nil {
			response.Body.Close()
		}
		failed <- err
	}()
	<-entered
	if err := endpoint.Close(); err != nil {
		t.Fatal(err)
	}
	close(closed)
	if <-early {
		t.Error("Close returned before the handler did")
	}
	if err := <-failed; err == nil {
		t.Error("a request that was cut off was answered")
	}
	if err := endpoint.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

type connKey struct{}

// Both protocols must hand the connection's context on to the handler, for what is kept per connection.
func TestConnContextReachesHandler(t *testing.T) {
	authority := testAuthority(t)
	for _, h2 := range []bool{false, true} {
		seen := make(chan any, 1)
		endpoint := testEndpoint(t, EndpointOptions{
			Name: "test", Authority: authority, HTTP1: true,
			ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
				return context.WithValue(ctx, connKey{}, "mine")
			},
			Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Context().Value(connKey{}) }),
		})
		response, err := testClient(t, authority, !h2, h2).Get(endpoint.URL())
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := <-seen; got != "mine" {
			t.Errorf("h2 %v: the handler sees %v", h2, got)
		}
	}
}
