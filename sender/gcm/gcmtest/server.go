package gcmtest

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/volleypush/volley/sender/simulator"
)

const (
	// defaultStreams is the SETTINGS_MAX_CONCURRENT_STREAMS that Google's front ends usually state.
	defaultStreams = 100
	// defaultTokenLife is the expires_in that Google's token endpoint answers.
	defaultTokenLife = 3599 * time.Second
	// maxRead bounds what is read of a request's body.
	maxRead = 8 << 20

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
	// MaxConcurrentStreams per HTTP/2 connection. Default 100.
	MaxConcurrentStreams uint32
}

// Server is a running simulator. Safe for concurrent use.
type Server struct {
	options     Options
	endpoint    *simulator.Endpoint
	credentials credentials
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
		Addr:                 o.Addr,
		Hosts:                o.Hosts,
		Authority:            o.Authority,
		HTTP1:                true,
		MaxConcurrentStreams: o.MaxConcurrentStreams,
		Handler:              http.HandlerFunc(s.serve),
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

// Close stops the simulator and cuts its connections; requests in flight get no answer.
func (s *Server) Close() error { return s.endpoint.Close() }

// serve routes. What is not one of the three calls is Google's page for an unknown URL.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	project, isSend := projectOf(r.URL.Path)
	isLegacy, isToken := r.URL.Path == legacyPath, r.URL.Path == tokenPath
	if r.Method != http.MethodPost || !isSend && !isLegacy && !isToken {
		page(w, http.StatusNotFound, "Not Found")
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRead+1))
	if err != nil {
		panic(http.ErrAbortHandler) // the client broke off: the service never had the whole request
	}
	if len(body) > maxRead {
		page(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	}
	switch {
	case isToken:
		s.serveToken(w, r, body)
	case isLegacy:
		s.serveLegacy(w, r, body)
	default:
		s.serveV1(w, r, project, body)
	}
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

// page is an HTML answer of the front end. A client that has gone cannot be told, so errors of writing say nothing.
func page(w http.ResponseWriter, status int, title string) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<!DOCTYPE html>\n<html><head><title>%s</title></head>\n<body><h1>%s</h1><h2>Error %d</h2></body></html>\n", title, title, status)
}
