package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// explainTopology is the sentence for a stream that could not be made.
func (c *Conn) explainTopology(ctx context.Context, want streamOf, err error) error {
	if errors.Is(err, ErrTopology) || errors.Is(err, context.Canceled) {
		return err
	}
	switch code := answered(err); code {
	case codeSubjectOverlap:
		return fmt.Errorf("%w: subjects of stream %s (%s) belong to %s already: remove them there, or use another account: %w",
			ErrTopology, want.Name, strings.Join(want.Subjects, ", "), c.owners(ctx, want), err)
	case codeNoReplicas:
		return fmt.Errorf("%w: %s is no cluster, so stream %s can't have %d replicas: set replicas to 1: %w", ErrTopology, c.url, want.Name, want.Replicas, err)
	case codeNoPeers:
		return fmt.Errorf("%w: the cluster at %s has no %d servers with JetStream and room for stream %s: start them, make room, or set replicas to 1: %w",
			ErrTopology, c.url, max(want.Replicas, 1), want.Name, err)
	case codeStorageExceeded, codeInsufficient:
		return fmt.Errorf("%w: there is no room for stream %s (%s): make room, give JetStream more of the disk, or lower its size: %w", ErrTopology, want.Name, size(want.MaxBytes), err)
	case codeNameInUse:
		return fmt.Errorf("%w: stream %s keeps changing under our hands: do the workers of this fleet have different settings? %w", ErrTopology, want.Name, err)
	}
	return c.explainJetStream(err)
}

// explainJetStream is the sentence for a server that does not answer JetStream questions.
func (c *Conn) explainJetStream(err error) error {
	switch {
	case forbidden(err):
		return fmt.Errorf("%w: %s forbids this user to use JetStream: let it publish on $JS.API.> and $JS.ACK.>, or give another user: %w", ErrUnavailable, c.url, err)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount),
		errors.Is(err, nats.ErrNoResponders) && c.nc.ConnectedClusterName() == "":
		return fmt.Errorf("%w: the NATS server at %s has JetStream switched off, for this account at least: start it with --jetstream, or enable it in the account: %w", ErrTopology, c.url, err)
	case unavailable(err):
		return fmt.Errorf("%w: JetStream at %s does not answer: wait for the cluster to elect a leader: %w", ErrUnavailable, c.url, err)
	}
	if answered(err) != 0 {
		return fmt.Errorf("%w: %s refuses: %w", ErrTopology, c.url, err)
	}
	return err
}

// owners names the streams that hold subjects of the wanted one.
func (c *Conn) owners(ctx context.Context, want streamOf) string {
	var owners []string
	for _, subject := range want.Subjects {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		for name := range c.js.StreamNames(ctx, jetstream.WithStreamListSubject(subject)).Name() {
			if name != want.Name && !slices.Contains(owners, name) {
				owners = append(owners, name)
			}
		}
		cancel()
	}
	if len(owners) == 0 {
		return "another stream"
	}
	return "stream " + strings.Join(owners, ", ")
}
