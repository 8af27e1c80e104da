package apnstest

import (
	"crypto/ecdsa"
	"fmt"
	"time"

	"github.com/volleypush/volley/sender/simulator"
)

// defaultStreams is the SETTINGS_MAX_CONCURRENT_STREAMS that Apple's service has been seen to state since 2018.
const defaultStreams = 1000

// Key is a registered provider key, as in an Apple developer account.
type Key struct {
	// KeyID is the key's identifier, ten characters.
	KeyID string
	// TeamID is the developer team's identifier, ten characters.
	TeamID string
	// Public verifies the tokens signed with the key.
	Public *ecdsa.PublicKey
	// Environment is the one of Apple's environments that the key is for; "" is both, as older keys are.
	Environment string
}

// Options says how a Server behaves. The zero value accepts everything that is well formed.
type Options struct {
	// Addr is host:port to listen on. Default 127.0.0.1:0, a free port.
	Addr string
	// Hosts are further names for the server's certificate, beside localhost, the loopbacks and Addr's host.
	Hosts []string
	// Authority signs the server's certificate and judges client certificates. Default: a new one.
	Authority *simulator.Authority
	// Ledger takes what arrives. Default: a new one.
	Ledger *simulator.Ledger
	// Scripts says who is answered differently. Default: none.
	Scripts *simulator.Scripts
	// Now is the clock for the age of provider tokens, timestamps and the ledger. Default time.Now.
	Now func() time.Time
	// Keys are the provider keys that are known. Without any, every key is and signatures are not verified; all else is.
	Keys []Key
	// Topics are the bundle ids (or whole topics) that token authentication may send to. Without any, all are.
	Topics []string
	// Channels are the broadcast channels that exist. Without any, every channel of every app does, and stores.
	Channels []Channel
	// MaxConcurrentStreams per connection. Default 1000.
	MaxConcurrentStreams uint32
	// Habits are what the service does by itself, unless the script has its own. Default: none of it.
	Habits simulator.Habits
}

// Server is a running simulator. Safe for concurrent use.
type Server struct {
	options  Options
	endpoint *simulator.Endpoint
	keys     map[string]Key
}

// New starts a simulator. A taken address is an error that says so.
func New(o Options) (*Server, error) {
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
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxConcurrentStreams == 0 {
		o.MaxConcurrentStreams = defaultStreams
	}
	s := &Server{options: o, keys: map[string]Key{}}
	for _, key := range o.Keys {
		if key.KeyID == "" || key.TeamID == "" || key.Public == nil {
			return nil, fmt.Errorf("APNs simulator: provider key %q lacks its id, its team or its public key", key.KeyID)
		}
		s.keys[key.KeyID] = key
	}
	endpoint, err := simulator.Listen(simulator.EndpointOptions{
		Name:                     "APNs simulator",
		Platform:                 simulator.APNS,
		Addr:                     o.Addr,
		Hosts:                    o.Hosts,
		Authority:                o.Authority,
		Scripts:                  o.Scripts,
		RequestClientCertificate: true,
		MaxConcurrentStreams:     o.MaxConcurrentStreams,
		MaxBody:                  maxRead,
		Excess:                   s.excess,
		Connect:                  s.connect,
	})
	if err != nil {
		return nil, err
	}
	s.endpoint = endpoint
	return s, nil
}

// URL is the endpoint to configure in a client: https:// and Addr.
func (s *Server) URL() string { return s.endpoint.URL() }

// Addr is the host:port that is listened on.
func (s *Server) Addr() string { return s.endpoint.Addr() }

// Authority is the one that signed the server's certificate.
func (s *Server) Authority() *simulator.Authority { return s.options.Authority }

// Ledger holds what arrived.
func (s *Server) Ledger() *simulator.Ledger { return s.options.Ledger }

// Scripts says who is answered differently.
func (s *Server) Scripts() *simulator.Scripts { return s.options.Scripts }

// State is the simulator in numbers: connections, requests, and mistakes that clients made in HTTP/2.
func (s *Server) State() simulator.ServerState { return s.endpoint.State() }

// Close stops the simulator and cuts its connections; requests in flight get no answer.
func (s *Server) Close() error { return s.endpoint.Close() }
