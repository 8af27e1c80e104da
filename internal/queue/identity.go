package queue

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/nats-io/nats.go"
)

// Identity is how the client knows the server, and the server the client, beside a credentials file. All are paths; "" is none.
type Identity struct {
	// CA holds the authorities that a server's certificate may be from (PEM); "" is those of the system.
	CA string
	// Certificate and Key are the client's own (PEM), for a server that asks for one. These files and CA are read anew for each
	// connection, so renewed ones are used without a restart.
	Certificate, Key string
	// NKey holds an nkey's seed ("SU…"), for a server that knows the client by its public key.
	NKey string
}

// options are what the client library has to know. An error is ErrCredentials and names the file.
func (i Identity) options() (all []nats.Option, err error) {
	if i.CA != "" {
		text, err := os.ReadFile(i.CA)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCredentials, err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%w: %s: there is no certificate in it: give the authority's, as PEM", ErrCredentials, i.CA)
		}
		all = append(all, nats.RootCAs(i.CA))
	}
	if (i.Certificate == "") != (i.Key == "") {
		return nil, fmt.Errorf("%w: a client certificate needs its key beside it, and a key its certificate: give both, or none", ErrCredentials)
	}
	if i.Certificate != "" {
		if _, err := tls.LoadX509KeyPair(i.Certificate, i.Key); err != nil {
			return nil, fmt.Errorf("%w: %s with %s: %w", ErrCredentials, i.Certificate, i.Key, err)
		}
		all = append(all, nats.ClientCert(i.Certificate, i.Key))
	}
	if i.NKey != "" {
		seed, err := nats.NkeyOptionFromSeed(i.NKey)
		if err != nil { // it may quote the file
			return nil, fmt.Errorf("%w: %s: %w", ErrCredentials, i.NKey, errSeed)
		}
		all = append(all, seed)
	}
	return all, nil
}

var errSeed = errors.New("no seed of an nkey can be read from it: give the file that \"nk -gen user\" writes")
