package gcm_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/volleypush/volley/sender/gcm"
)

// gateway stands for a server that speaks GCM's JSON protocol.
func gateway() (endpoint string, roots *x509.CertPool, end func()) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"multicast_id":108,"success":2,"failure":1,"canonical_ids":1,"results":[
			{"message_id":"1:08"},{"message_id":"1:09","registration_id":"new-id-2"},{"error":"NotRegistered"}]}`)
	}))
	roots = x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return server.URL, roots, server.Close
}

// The reference API's quick start.
func Example() {
	endpoint, roots, end := gateway()
	defer end()

	client, err := gcm.New(gcm.Config{
		Protocol: gcm.Legacy,
		APIKey:   "<api-key>",
		Endpoint: endpoint, // your gateway; Google's own speaks gcm.V1
		RootCAs:  roots,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()

	response, err := client.Send(context.Background(), []string{"id-1", "id-2", "id-3"}, &gcm.Message{
		Data:        map[string]any{"title": "Hello", "badge": 1},
		CollapseKey: new("collapse_key"),
		TimeToLive:  new(int64(604800)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("sent:", response.Successes)
	for _, canonical := range response.CanonicalIDs {
		fmt.Println("replace", canonical.OldID, "by", canonical.NewID)
	}
	for _, failure := range response.Errors {
		fmt.Println(failure)
	}
	// Output:
	// sent: [id-1 id-2]
	// replace id-2 by new-id-2
	// GCMUnregisteredDeviceError (code=NotRegistered): Device not registered for recipient 2
}
