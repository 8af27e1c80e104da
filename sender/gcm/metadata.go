package gcm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"cloud.google.com/go/compute/metadata"
	"golang.org/x/oauth2"
)

// MetadataServer authenticates as the service account that a machine in Google Cloud runs as: Compute Engine, GKE with workload identity, Cloud
// Run. The metadata server is found as Google's own libraries find it; GCE_METADATA_HOST names another. It needs Config.ProjectID.
type MetadataServer struct{}

// String implements fmt.Stringer.
func (MetadataServer) String() string { return "the service account of this machine" }

// Project implements Credential.
func (MetadataServer) Project() string { return "" }

func (MetadataServer) from() string {
	return "the metadata server, which only machines in Google Cloud have"
}

func (MetadataServer) explain(r *refusal) string {
	return fmt.Sprintf("The metadata server gives no access token for the service account of this machine: %s. "+
		"Attach a service account to the machine or pod, with the scope %s", r.detail(), Scope)
}

func (MetadataServer) source(ctx context.Context) (oauth2.TokenSource, error) {
	client, _ := ctx.Value(oauth2.HTTPClient).(*http.Client)
	return metadataSource{ctx, metadata.NewClient(client)}, nil
}

// metadataSource asks with a context, unlike x/oauth2's own source, so that Close ends it.
type metadataSource struct {
	ctx    context.Context // for Token, which has none
	client *metadata.Client
}

// Token implements oauth2.TokenSource.
func (s metadataSource) Token() (*oauth2.Token, error) {
	answer, err := s.client.GetWithContext(s.ctx, "instance/service-accounts/default/token?scopes="+url.QueryEscape(Scope))
	if err != nil {
		return nil, err
	}
	return readMetadataToken([]byte(answer), time.Now())
}

// maxTokenLife is the longest time for which an access token is believed to be good. Google's are for an hour.
const maxTokenLife = 24 * time.Hour

// readMetadataToken reads the metadata server's answer.
func readMetadataToken(answer []byte, now time.Time) (*oauth2.Token, error) {
	var token struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	if json.Unmarshal(answer, &token) != nil || token.ExpiresIn <= 0 || token.AccessToken == "" {
		return nil, errors.New("the answer can't be read")
	}
	life := min(token.ExpiresIn, int64(maxTokenLife/time.Second))
	return &oauth2.Token{AccessToken: token.AccessToken, Expiry: now.Add(time.Duration(life) * time.Second)}, nil
}
