package gcmtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"

	"github.com/volleypush/volley/sender/simulator"
	"github.com/volleypush/volley/sender/simulator/h2sim"
)

const (
	// defaultStreams is the SETTINGS_MAX_CONCURRENT_STREAMS that Google's front ends usually state.
	defaultStreams = 100
	// defaultTokenLife is the expires_in that Google's token endpoint answers.
	defaultTokenLife = 3599 * time.Second
	// maxRead bounds what is read of a request's body.
	maxRead = 8 << 20
	// window is how much of a body a client may send ahead. A legacy chunk of a thousand IDs fits.
	window = 1 << 20

	legacyPath = "/fcm/send"
	tokenPath  = "/token"
)

// Options says how a Server behaves. The zero value accepts everything that is well formed.
type Options struct {
	// Addr is host:port to listen on. Default 127.0.0.1:0, a free port.
	Addr string
	// Hosts are further names for the server's certificate, beside localhost, the loopbacks and Addr's host.
	Hosts []string
	// Authority signs the server's certificate. Default: a new one.
	Authority *simulator.Authority
	// Ledger takes what arrives. Default: a new one.
	Ledger *simulator.Ledger
	// Scripts says who is answered differently. Default: none.
	Scripts *simulator.Scripts
	// Now is the clock for tokens and the ledger. Default time.Now.
	Now func() time.Time
	// APIKeys are the server keys of the legacy protocol. Without any, every key is good.
	APIKeys []string
	// Projects are the project ids of FCM v1 that exist. Without any, all do.
	Projects []string
	// TokenLife is how long an access token of the token endpoint is good. Default 3599 s.
	TokenLife time.Duration
	// Quotas are how fast FCM v1 may be used. Default: as fast as it goes.
	Quotas Quotas
	// MaxConcurrentStreams per HTTP/2 connection. Default 100.
	MaxConcurrentStreams uint32
}

// Server is a running simulator. Safe for concurrent use.
type Server struct {
	options     Options
	endpoint    *simulator.Endpoint
	credentials credentials
	meter       meter
	message     shape
	sequence    atomic.Int64
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
	if o.TokenLife == 0 {
		o.TokenLife = defaultTokenLife
	}
	if o.MaxConcurrentStreams == 0 {
		o.MaxConcurrentStreams = defaultStreams
	}
	s := &Server{options: o, message: requestShape()}
	endpoint, err := simulator.Listen(simulator.EndpointOptions{
		Name:                 "Google simulator",
		Platform:             simulator.GCM,
		Addr:                 o.Addr,
		Hosts:                o.Hosts,
		Authority:            o.Authority,
		Scripts:              o.Scripts,
		HTTP1:                true,
		MaxConcurrentStreams: o.MaxConcurrentStreams,
		Window:               window,
		MaxBody:              maxRead,
		Excess:               s.excess,
		Connect:              func(*simulator.Connection) h2sim.Handler { return s },
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

// excess is the end of a connection with too many streams, as firebase-admin-node #2943 reports it.
func (s *Server) excess() (code http2.ErrCode, debug string, yes bool) {
	habits, _ := s.options.Scripts.Habits()
	return http2.ErrCodeProtocol, "exceeded_max_concurrent_streams", habits.GoAwayOnExcess
}

// Answer routes. What is none of the calls is Google's page for an unknown URL.
func (s *Server) Answer(r *h2sim.Request) h2sim.Response {
	path := r.Path
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	project, isSend := projectOf(path)
	account, isImpersonation := accountOf(path)
	isLegacy, isToken, isExchange := path == legacyPath, path == tokenPath, path == exchangePath
	switch {
	case r.Method != http.MethodPost || !isSend && !isLegacy && !isToken && !isExchange && !isImpersonation:
		return page(http.StatusNotFound, "Not Found")
	case r.Oversize:
		return page(http.StatusRequestEntityTooLarge, "Request Entity Too Large")
	case isToken:
		return s.answerToken(r)
	case isExchange:
		return s.answerExchange(r)
	case isImpersonation:
		return s.answerImpersonation(r, account)
	case isLegacy:
		return s.answerLegacy(r)
	}
	return s.answerV1(r, project)
}

// projectOf reads /v1/projects/<project>/messages:send.
func projectOf(path string) (project string, ok bool) {
	project, ok = strings.CutPrefix(path, "/v1/projects/")
	if !ok {
		return "", false
	}
	project, ok = strings.CutSuffix(project, "/messages:send")
	return project, ok && project != "" && !strings.Contains(project, "/")
}

func (s *Server) knowsProject(project string) bool {
	return len(s.options.Projects) == 0 || slices.Contains(s.options.Projects, project)
}

// page is an HTML answer of the front end.
func page(status int, title string) h2sim.Response {
	const text = "<!DOCTYPE html>\n<html><head><title>%s</title></head>\n<body><h1>%s</h1><h2>Error %d</h2></body></html>\n"
	return simulator.NewResponse(status, "text/html; charset=UTF-8", fmt.Appendf(nil, text, title, title, status))
}

// encode is an answer in JSON, as the service's encoder writes it.
func encode(status int, indent string, value any) h2sim.Response {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", indent)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // what is answered can always be marshalled
	return simulator.NewResponse(status, "application/json; charset=UTF-8", out.Bytes())
}
