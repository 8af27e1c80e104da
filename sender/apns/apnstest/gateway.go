// This file models the gateway of the binary protocol: "Binary Provider API" and "Legacy Notification Format" in Apple's
// archived Local and Remote Notification Programming Guide (2018), read as apns-binary §1 to §3 tells it. A stream of
// notifications in TLS with a client certificate; nothing is answered but the first refusal, with a packet of six bytes;
// what comes after the refused one is discarded, and the connection ends. Quirks of the real gateway that its users report
// are scripted (simulator.Packet) or options. Not modelled: that a token belongs to one topic or environment (a script does
// that), the limits of what the service stores, and that many connections in a short time count as abuse.

package apnstest

import (
	"bufio"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/volleypush/volley/sender/simulator"
)

const (
	// maxBinaryPayload is the limit since 2014; it was 256 before.
	maxBinaryPayload = 2048
	// tokenSize is how long device tokens were in the time of the binary protocol.
	tokenSize = 32
	// lingering is how long the client may take to close its side of a connection that we ended.
	lingering = time.Second
	// splitPause is the time between the two parts of a packet that is split.
	splitPause = 10 * time.Millisecond
)

// GatewayOptions says how a Gateway behaves. The zero value accepts everything that is well formed.
type GatewayOptions struct {
	// Addr is host:port to listen on. Default 127.0.0.1:0, a free port. Apple's port was 2195.
	Addr string
	// Hosts are further names for the server's certificate, beside localhost, the loopbacks and Addr's host.
	Hosts []string
	// Authority signs the server's certificate and judges client certificates. Default: a new one.
	Authority *simulator.Authority
	// Ledger takes what arrives. Default: a new one.
	Ledger *simulator.Ledger
	// Scripts says who is refused and how. Default: nobody.
	Scripts *simulator.Scripts
	// Expired takes the tokens that a script calls gone (Unregistered, ExpiredToken): the gateway accepts them, and the
	// feedback service lists them. Default: a new list.
	Expired *ExpiredList
	// Now is the clock of the ledger and the list. Default time.Now.
	Now func() time.Time
	// LongTokens takes device tokens of 1 to 100 bytes; else 32 is the only size.
	LongTokens bool
	// ZeroIdentifier answers a token of no bytes with identifier 0, as a gateway does that has not read the identifier yet.
	ZeroIdentifier bool
}

// Gateway is a running simulator of the binary gateway. Safe for concurrent use.
type Gateway struct {
	options     GatewayOptions
	endpoint    *simulator.Endpoint
	connections atomic.Int64
}

// NewGateway starts a simulator. A taken address is an error that says so.
func NewGateway(o GatewayOptions) (*Gateway, error) {
	if o.Authority == nil {
		authority, err := simulator.NewAuthority()
		if err != nil {
			return nil, err
		}
		o.Authority = authority
	}
	if o.Ledger == nil {
		o.Ledger = simulator.NewLedger()
	}
	if o.Scripts == nil {
		o.Scripts = simulator.NewScripts()
	}
	if o.Expired == nil {
		o.Expired = NewExpiredList()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	g := &Gateway{options: o}
	endpoint, err := simulator.Listen(simulator.EndpointOptions{
		Name:                     "APNs binary gateway simulator",
		Platform:                 simulator.APNS,
		Addr:                     o.Addr,
		Hosts:                    o.Hosts,
		Authority:                o.Authority,
		Scripts:                  o.Scripts,
		RequestClientCertificate: true,
		Stream:                   g.serve,
	})
	if err != nil {
		return nil, err
	}
	g.endpoint = endpoint
	return g, nil
}

// Endpoint is the host:port to configure in a client.
func (g *Gateway) Endpoint() string { return g.endpoint.HostPort() }

// Addr is the host:port that is listened on.
func (g *Gateway) Addr() string { return g.endpoint.Addr() }

// Authority is the one that signed the server's certificate.
func (g *Gateway) Authority() *simulator.Authority { return g.options.Authority }

// Ledger holds what arrived. Its lines have protocol "binary", the items priority and expiration under the names of the
// HTTP/2 headers, and under "connection" the number of their connection, from 1. A line without a token is often no mistake: a client
// that wants to know that everything before was accepted sends one on purpose.
func (g *Gateway) Ledger() *simulator.Ledger { return g.options.Ledger }

// Scripts says who is refused.
func (g *Gateway) Scripts() *simulator.Scripts { return g.options.Scripts }

// Expired is the list of the feedback service.
func (g *Gateway) Expired() *ExpiredList { return g.options.Expired }

// State is the simulator in numbers; requests are notifications.
func (g *Gateway) State() simulator.ServerState { return g.endpoint.State() }

// Close stops the simulator and cuts its connections.
func (g *Gateway) Close() error { return g.endpoint.Close() }

// stream is one connection of a client.
type stream struct {
	*simulator.Connection
	gateway *Gateway
	number  string
	client  certificate
	// accepted is the identifier of the last notification that was taken.
	accepted uint32
}

// serve reads notifications until one is refused or the client leaves.
func (g *Gateway) serve(conn *simulator.Connection) {
	s := &stream{Connection: conn, gateway: g, number: strconv.FormatInt(g.connections.Add(1), 10), client: judgeCertificate(conn.TLS(), g.options.Authority)}
	if !s.client.presented || !s.client.trusted {
		return // trouble with the certificate is never answered, only the connection ends
	}
	reader := bufio.NewReader(conn)
	for {
		n, err := readNotification(reader)
		switch {
		case errors.Is(err, errUnparsed):
			s.refuse(n, simulator.Answer{Packet: &simulator.Packet{Status: new(statusProtocol)}})
			return
		case err != nil:
			return // the client has gone, or sent a command that nobody knows: no packet
		}
		if !s.take(n) {
			return
		}
	}
}

// take judges one notification and answers whether the stream goes on.
func (s *stream) take(n *notification) bool {
	taken, strike := s.Arrived()
	if taken {
		if answer, refused := s.judge(n); refused {
			s.refuse(n, answer)
			return false
		}
	}
	if strike != nil {
		strike()
	}
	return true
}

// judge goes through the checks; the first that fails is the refusal. What is accepted is in the ledger after it.
func (s *stream) judge(n *notification) (answer simulator.Answer, refused bool) {
	status := s.check(n)
	if status == 0 {
		var scripted bool
		if answer, scripted = s.gateway.options.Scripts.Answer(simulator.APNS, n.token); scripted {
			status = statusOfAnswer(&answer)
			if isGone(&answer) {
				s.expire(n.token, &answer)
			}
			if answer.Refuses() {
				return answer, true
			}
			if lost(&answer) {
				s.log(n, 0, false)
				return answer, true
			}
		}
	} else {
		answer = simulator.Answer{Packet: &simulator.Packet{Status: new(status)}}
		if status == statusMissingToken && s.gateway.options.ZeroIdentifier {
			answer.Packet.Identifier = new(uint32(0))
		}
	}
	accepted := status == 0 || status == statusShutdown
	s.log(n, status, !accepted)
	if accepted {
		s.accepted = n.identifier
	}
	return answer, status != 0 || answer.Packet != nil
}

// expire puts a token that is gone on the list of the feedback service.
func (s *stream) expire(token string, a *simulator.Answer) {
	at := s.gateway.options.Now()
	if a.TimestampMS > 0 {
		at = time.UnixMilli(a.TimestampMS)
	}
	_ = s.gateway.options.Expired.Add(token, at) // we wrote the hex ourselves
}

// lost says whether the notification is taken and the connection is then of no use: it ends with a reset or without a
// packet, or says nothing any more.
func lost(a *simulator.Answer) bool {
	return a.Never || a.Reset != "" || a.Packet != nil && a.Packet.Omit
}

// log writes the ledger's line.
func (s *stream) log(n *notification, status int, refused bool) {
	line := simulator.Notification{
		Platform: simulator.APNS, Protocol: "binary", Token: n.token, Headers: n.items(s.number), Body: simulator.Body(n.payload), At: s.gateway.options.Now(),
		Status: 200,
	}
	if refused {
		line.Status, line.Reason = status, statusName(status)
	}
	s.gateway.options.Ledger.Add(line)
}

// refuse says what the answer has to say, late if it is to be late, and ends the stream. What the client sends meanwhile is
// discarded.
func (s *stream) refuse(n *notification, a simulator.Answer) {
	if a.Reset != "" {
		s.Reset()
		return
	}
	packet := simulator.Packet{}
	switch {
	case a.Never:
		packet = simulator.Packet{Omit: true, Then: simulator.ThenStay} // not even the end
	case a.Packet != nil:
		packet = *a.Packet
	}
	// The first form of the command has no identifier, so nothing can be said about it.
	packet.Omit = packet.Omit || n.nameless
	if !s.discardFor(time.Duration(a.Latency)) {
		return
	}
	if !packet.Omit {
		s.write(n, &a, &packet)
	}
	switch packet.Then {
	case simulator.ThenReset:
		s.Reset()
	case simulator.ThenStay:
		s.Drain(time.Hour)
	case simulator.ThenHalfClose:
		s.End()
		s.Drain(time.Hour)
	default:
		s.End()
		s.Drain(lingering)
	}
}

// discardFor lets d pass while it goes on reading, as a gateway does that is busy with the error.
func (s *stream) discardFor(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	due := time.Now().Add(d)
	s.Drain(d)
	return s.Sleep(time.Until(due))
}

// write sends the error packet.
func (s *stream) write(n *notification, a *simulator.Answer, packet *simulator.Packet) {
	status, identifier := statusOfAnswer(a), n.identifier
	if packet.Identifier != nil {
		identifier = *packet.Identifier
	}
	raw := errorPacket(status, identifier)
	if packet.Split > 0 {
		_, _ = s.Write(raw[:packet.Split])
		if raw = raw[packet.Split:]; !s.Sleep(splitPause) {
			return
		}
	}
	_, _ = s.Write(raw)
}

// check is what the gateway checks by itself; 0 is an acceptance.
func (s *stream) check(n *notification) int {
	switch {
	case len(s.client.topics) == 0:
		return statusMissingTopic
	case len(n.token) == 0:
		return statusMissingToken
	case len(n.token) != 2*tokenSize && !(s.gateway.options.LongTokens && len(n.token) <= 2*maxToken):
		return statusTokenSize
	case len(n.payload) == 0:
		return statusMissingPayload
	case len(n.payload) > maxBinaryPayload:
		return statusPayloadSize
	}
	return 0
}
