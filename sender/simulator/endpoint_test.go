package simulator

import (
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/volleypush/volley/sender/simulator/h2sim"
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

// answering is a handler made of a function, the same for all connections.
type answering func(*h2sim.Request) h2sim.Response

func (a answering) Answer(r *h2sim.Request) h2sim.Response { return a(r) }

func (a answering) connect(*Connection) h2sim.Handler { return a }

// accepting answers everybody with 200.
func accepting(*Connection) h2sim.Handler {
	return answering(func(*h2sim.Request) h2sim.Response { return h2sim.Response{Status: 200} })
}

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
			endpoint := testEndpoint(t, EndpointOptions{Name: "test", Authority: authority, HTTP1: test.serverH1, Connect: accepting})
			client := testClient(t, authority, test.clientH1, test.h2)
			response, err := client.Get(endpoint.URL())
			if test.proto == "" { // how the client words the hang-up depends on who is faster
				if err == nil {
					response.Body.Close()
					t.Fatalf("served over %s", response.Proto)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.Proto != test.proto || response.StatusCode != 200 {
				t.Errorf("served %d over %s, want %s", response.StatusCode, response.Proto, test.proto)
			}
		})
	}
}

// Without h2 in its ALPN list a client may get through the handshake, but an h2-only endpoint never reads HTTP/1.1.
func TestEndpointWithoutH2HangsUp(t *testing.T) {
	authority := testAuthority(t)
	endpoint := testEndpoint(t, EndpointOptions{Name: "test", Authority: authority, Connect: accepting})
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
	endpoint := testEndpoint(t, EndpointOptions{Name: "test", Authority: authority, Connect: accepting})
	conn, err := tls.Dial("tcp", endpoint.Addr(), &tls.Config{RootCAs: authority.Pool(), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, NextProtos: []string{"h2"}})
	if err == nil {
		conn.Close()
		t.Fatal("TLS 1.1 was accepted")
	}
}

func TestListenErrors(t *testing.T) {
	authority := testAuthority(t)
	taken := testEndpoint(t, EndpointOptions{Name: "first", Authority: authority, Connect: accepting})

	_, err := Listen(EndpointOptions{Name: "APNs simulator", Addr: taken.Addr(), Authority: authority, Connect: accepting})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "APNs simulator: address already in use: "+taken.Addr()) {
		t.Errorf("a taken port answers: %v", err)
	}
	_, err = Listen(EndpointOptions{Name: "APNs simulator", Addr: "nonsense", Authority: authority, Connect: accepting})
	if err == nil || !strings.Contains(err.Error(), "give host:port") {
		t.Errorf("a bad address answers: %v", err)
	}
}

func TestURLOnAllAddresses(t *testing.T) {
	authority := testAuthority(t)
	for want, hosts := range map[string][]string{"https://localhost:": nil, "https://simulator:": {"simulator", "other"}} {
		endpoint := testEndpoint(t, EndpointOptions{Name: "test", Addr: ":0", Hosts: hosts, Authority: authority, Connect: accepting})
		if !strings.HasPrefix(endpoint.URL(), want) || strings.HasSuffix(endpoint.URL(), ":0") {
			t.Errorf("URL is %s, want %s and the port", endpoint.URL(), want)
		}
	}
}

func TestEndpointPortIsFreeAfterClose(t *testing.T) {
	authority := testAuthority(t)
	first := testEndpoint(t, EndpointOptions{Name: "first", Authority: authority, Connect: accepting})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	testEndpoint(t, EndpointOptions{Name: "second", Addr: first.Addr(), Authority: authority, Connect: accepting})
}

func TestCloseWaitsForHandlers(t *testing.T) {
	authority := testAuthority(t)
	for _, h2 := range []bool{false, true} {
		entered, leave, closed := make(chan struct{}), make(chan struct{}), make(chan struct{})
		endpoint, err := Listen(EndpointOptions{Name: "test", Authority: authority, HTTP1: true, Connect: answering(func(*h2sim.Request) h2sim.Response {
			close(entered)
			<-leave
			return h2sim.Response{Status: 200}
		}).connect})
		if err != nil {
			t.Fatal(err)
		}
		failed := make(chan error, 1)
		client := testClient(t, authority, !h2, h2)
		go func() {
			response, err := client.Post(endpoint.URL(), "", nil) // a GET would be sent again
			if err == nil {
				response.Body.Close()
			}
			failed <- err
		}()
		<-entered
		go func() {
			defer close(closed)
			if err := endpoint.Close(); err != nil {
				t.Error(err)
			}
		}()
		if err := <-failed; err == nil {
			t.Error("a request that was cut off was answered")
		}
		select {
		case <-closed:
			t.Errorf("h2 %v: Close returned before the handler did", h2)
		case <-time.After(50 * time.Millisecond): // long enough for a Close that does not wait
		}
		close(leave)
		<-closed
		if err := endpoint.Close(); err != nil {
			t.Errorf("closing again: %v", err)
		}
	}
}

// What a handler keeps per connection must be one per connection, over both protocols.
func TestConnectIsCalledPerConnection(t *testing.T) {
	authority := testAuthority(t)
	for _, h2 := range []bool{false, true} {
		var connected atomic.Int32
		endpoint := testEndpoint(t, EndpointOptions{Name: "test", Authority: authority, HTTP1: true, Connect: func(c *Connection) h2sim.Handler {
			if got := c.TLS().NegotiatedProtocol == "h2"; got != h2 {
				t.Errorf("the handler sees h2 %v, want %v", got, h2)
			}
			connected.Add(1)
			return accepting(c)
		}})
		for range 2 {
			client := testClient(t, authority, !h2, h2)
			for range 3 {
				response, err := client.Get(endpoint.URL())
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
			}
		}
		if connected.Load() != 2 {
			t.Errorf("h2 %v: %d connections, want 2", h2, connected.Load())
		}
	}
}
