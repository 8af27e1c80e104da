package app

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/sender/apns/apnstest"
	"github.com/volleypush/volley/sender/gcm/gcmtest"
	"github.com/volleypush/volley/sender/simulator"
)

// SimulatorOptions say where the simulators listen. An empty address is a free port on the loopback interface; an empty
// Control means no control port.
type SimulatorOptions struct {
	APNs    string
	Google  string
	Control string
	// Gateway and Feedback are the binary protocol of APNs.
	Gateway  string
	Feedback string
	// Hosts are further names for their certificates. A simulator that listens on all addresses is reached by the first.
	Hosts []string
	// Script is what they answer at first; the control port can change it.
	Script simulator.Script
	// Now is the simulators' clock; nil for the system's.
	Now func() time.Time
}

// Simulators are both providers, with one ledger and one control port. They are what `worker simulate`, `run --simulate`
// and `demo` send to.
type Simulators struct {
	Ledger    *simulator.Ledger
	Scripts   *simulator.Scripts
	authority *simulator.Authority
	apns      *apnstest.Server
	gateway   *apnstest.Gateway
	feedback  *apnstest.Feedback
	google    *gcmtest.Server
	key       apnstest.Key
	p8        []byte
	control   *http.Server
	addr      string
}

// The identity of the simulated credentials.
const (
	SimulatedTopic   = "com.example.volley"
	SimulatedProject = "volley-simulated"
	SimulatedKeyID   = "SIMULATED1"
	SimulatedTeamID  = "SIMULATED2"
	simulatedAPIKey  = "simulated-server-key"
)

// StartSimulators starts both simulators and, if asked, their control port.
func StartSimulators(o SimulatorOptions) (*Simulators, error) {
	authority, err := simulator.NewAuthority()
	if err != nil {
		return nil, fmt.Errorf("making the simulators' certificate authority: %w", err)
	}
	scripts := simulator.NewScripts()
	if err := scripts.Set(o.Script); err != nil {
		return nil, fmt.Errorf("the simulators' script: %w", err)
	}
	s := &Simulators{Ledger: simulator.NewLedger(), Scripts: scripts, authority: authority}
	if s.key, s.p8, err = apnstest.NewKey(); err != nil {
		return nil, fmt.Errorf("making the simulated provider key: %w", err)
	}
	s.key.KeyID, s.key.TeamID = SimulatedKeyID, SimulatedTeamID // so that a configuration file can name them
	s.apns, err = apnstest.New(apnstest.Options{
		Addr: orLoopback(o.APNs), Hosts: o.Hosts, Authority: authority, Ledger: s.Ledger, Scripts: scripts, Now: o.Now, Keys: []apnstest.Key{s.key},
	})
	if err != nil {
		return nil, fmt.Errorf("starting the APNs simulator: %w", err)
	}
	if err := s.startBinary(o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.google, err = gcmtest.New(gcmtest.Options{
		Addr: orLoopback(o.Google), Hosts: o.Hosts, Authority: authority, Ledger: s.Ledger, Scripts: scripts, Now: o.Now,
		APIKeys: []string{simulatedAPIKey}, Projects: []string{SimulatedProject},
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the Google simulator: %w", err), s.Close())
	}
	if o.Control != "" {
		if err := s.serveControl(o.Control); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// startBinary starts the gateway of the binary protocol and its feedback service.
func (s *Simulators) startBinary(o SimulatorOptions) (err error) {
	expired := apnstest.NewExpiredList()
	s.gateway, err = apnstest.NewGateway(apnstest.GatewayOptions{
		Addr: orLoopback(o.Gateway), Hosts: o.Hosts, Authority: s.authority, Ledger: s.Ledger, Scripts: s.Scripts, Expired: expired, Now: o.Now,
	})
	if err != nil {
		return fmt.Errorf("starting the simulator of the binary gateway: %w", err)
	}
	s.feedback, err = apnstest.NewFeedback(apnstest.FeedbackOptions{
		Addr: orLoopback(o.Feedback), Hosts: o.Hosts, Authority: s.authority, Scripts: s.Scripts, Expired: expired,
	})
	if err != nil {
		return fmt.Errorf("starting the simulator of the feedback service: %w", err)
	}
	return nil
}

func orLoopback(addr string) string {
	if addr == "" {
		return "127.0.0.1:0"
	}
	return addr
}

func (s *Simulators) serveControl(addr string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("the simulators' control port %s can't be opened; name a free one with --control: %w", addr, err)
	}
	s.addr = listener.Addr().String()
	s.control = &http.Server{Handler: simulator.Control(s.Ledger, s.Scripts), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.control.Serve(listener) }()
	return nil
}

// APNs is the https URL of the APNs simulator.
func (s *Simulators) APNs() string { return s.apns.URL() }

// Gateway is the host:port of the simulated binary gateway.
func (s *Simulators) Gateway() string { return s.gateway.Endpoint() }

// Feedback is the host:port of the simulated feedback service.
func (s *Simulators) Feedback() string { return s.feedback.Endpoint() }

// Google is the https URL of the Google simulator.
func (s *Simulators) Google() string { return s.google.URL() }

// Control is the host:port of the control port; \"\" if there is none.
func (s *Simulators) Control() string { return s.addr }

// CA is the certificate that a worker's ca_file needs, in PEM.
func (s *Simulators) CA() []byte { return s.authority.PEM() }

// Credentials writes everything a worker needs to send to the simulators into dir and returns the apps that use it: "default" with
// APNs by provider token and FCM v1, "legacy" with APNs by certificate and GCM's legacy protocol, "binary" with APNs's binary one.
func (s *Simulators) Credentials(dir string) (map[string]*config.App, error) {
	account, err := s.google.ServiceAccount(SimulatedProject)
	if err != nil {
		return nil, fmt.Errorf("making the simulated service account: %w", err)
	}
	certificate, err := s.certificate()
	if err != nil {
		return nil, fmt.Errorf("making the simulated APNs certificate: %w", err)
	}
	files := map[string][]byte{
		"ca.pem": s.CA(), "provider-key.p8": s.p8, "service-account.json": account, "apns-certificate.pem": certificate,
		"server-key.txt": []byte(simulatedAPIKey),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return nil, fmt.Errorf("writing the simulated credentials: %w", err)
		}
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	both := config.DefaultApp()
	both.APNS = config.DefaultAPNS()
	both.APNS.Endpoint, both.APNS.CAFile, both.APNS.Topic = s.APNs(), path("ca.pem"), SimulatedTopic
	both.APNS.KeyFile, both.APNS.KeyID, both.APNS.TeamID = path("provider-key.p8"), s.key.KeyID, s.key.TeamID
	both.GCM = config.DefaultGCM()
	both.GCM.Endpoint, both.GCM.CAFile, both.GCM.ServiceAccount = s.Google(), path("ca.pem"), path("service-account.json")
	both.GCM.QuotaPerMinute = 0 // the simulator has none, and nobody wants to wait for its ramp-up
	legacy := config.DefaultApp()
	legacy.APNS = config.DefaultAPNS()
	legacy.APNS.Endpoint, legacy.APNS.CAFile, legacy.APNS.Topic = s.APNs(), path("ca.pem"), SimulatedTopic
	legacy.APNS.Certificate = path("apns-certificate.pem")
	legacy.GCM = config.DefaultGCM()
	legacy.GCM.Protocol, legacy.GCM.APIKeyFile = config.ProtocolLegacy, path("server-key.txt")
	legacy.GCM.Endpoint, legacy.GCM.CAFile = s.Google()+"/fcm/send", path("ca.pem")
	binary := config.DefaultApp()
	binary.APNS = config.DefaultAPNS()
	binary.APNS.Protocol, binary.APNS.Certificate, binary.APNS.CAFile = config.ProtocolBinary, path("apns-certificate.pem"), path("ca.pem")
	binary.APNS.Endpoint, binary.APNS.FeedbackEndpoint = s.Gateway(), s.Feedback()
	return map[string]*config.App{"default": both, "legacy": legacy, "binary": binary}, nil
}

// Close stops everything. It is safe to call on simulators that started only in part.
func (s *Simulators) Close() error {
	var errs []error
	if s.control != nil {
		errs = append(errs, s.control.Close())
	}
	if s.apns != nil {
		errs = append(errs, s.apns.Close())
	}
	if s.gateway != nil {
		errs = append(errs, s.gateway.Close())
	}
	if s.feedback != nil {
		errs = append(errs, s.feedback.Close())
	}
	if s.google != nil {
		errs = append(errs, s.google.Close())
	}
	return errors.Join(errs...)
}

// WriteConfig writes the credentials into dir, and beside them volley.yaml, a worker configuration that uses them.
func (s *Simulators) WriteConfig(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder for the simulated credentials: %w", err)
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("naming the folder for the simulated credentials: %w", err)
	}
	apps, err := s.Credentials(absolute)
	if err != nil {
		return err
	}
	text, err := yaml.Marshal(map[string]any{"apps": apps})
	if err != nil {
		return fmt.Errorf("writing the worker's configuration: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "volley.yaml"), text, 0o600); err != nil {
		return fmt.Errorf("writing the worker's configuration: %w", err)
	}
	return nil
}

// certificate makes an APNs client certificate with its key, in PEM.
func (s *Simulators) certificate() ([]byte, error) {
	made, err := s.authority.ClientCertificate("Apple Push Services: "+SimulatedTopic, SimulatedTopic)
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("writing its key: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made.Certificate[0]})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...), nil
}
