package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/pipeline"
)

// The kinds of errors, for errors.Is. The text of an error is one sentence that says what to do.
var (
	// ErrUnavailable says that the broker, or the stream asked, did not answer. What was published may be stored or not.
	ErrUnavailable = errors.New("the broker is unavailable")
	// ErrFull says that the broker refused a message because a stream or its disk is full. It is not stored.
	ErrFull = errors.New("the broker is full")
	// ErrTooBig says that a message is larger than its stream takes. It is not stored.
	ErrTooBig = fmt.Errorf("the message is too big (%w)", pipeline.ErrRefused)
	// ErrTopology says that the broker's streams are not, and can't be made, what Volley needs.
	ErrTopology = errors.New("the broker's streams don't fit")
)

// Error codes of the JetStream API that decisions hang on. They are part of the server's contract (its errors.json).
const (
	codeNoPeers           = 10005 // no server fits: too few in the cluster, or too little room on them
	codeClusterNotAvail   = 10008
	codeClusterNotLeader  = 10009
	codeInsufficient      = 10023 // the disk is full
	codeNotEnabledAccount = 10039
	codeStorageExceeded   = 10047 // above the account's limit
	codeMessageTooBig     = 10054 // above the stream's MaxMsgSize
	codeNameInUse         = 10058
	codeStreamNotFound    = 10059
	codeSubjectOverlap    = 10065
	codeWrongSequence     = 10071 // refused: the last sequence is another
	codeNoReplicas        = 10074 // replicas on a server that is no cluster
	codeNotEnabled        = 10076
	codeStoreFailed       = 10077 // DiscardNew says so when the stream is full
	codeWriteInFlight     = 10164 // replicated streams: another write of the subject is on its way; nothing is known of ours
)

// answered returns the code of the broker's refusal, 0 if err is none.
func answered(err error) jetstream.ErrorCode {
	var refusal jetstream.JetStreamError
	if !errors.As(err, &refusal) || refusal.APIError() == nil {
		return 0
	}
	return refusal.APIError().ErrorCode
}

// unavailable says whether err means that nobody answered.
func unavailable(err error) bool {
	for _, kind := range []error{
		nats.ErrNoResponders, jetstream.ErrNoStreamResponse, nats.ErrTimeout, context.DeadlineExceeded, nats.ErrNoServers,
		nats.ErrConnectionClosed, nats.ErrConnectionReconnecting, nats.ErrDisconnected, nats.ErrReconnectBufExceeded, nats.ErrStaleConnection,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	switch answered(err) {
	case codeClusterNotAvail, codeClusterNotLeader:
		return true
	}
	return false
}

// explain wraps what the broker said about one message with its kind. doing is "publishing on push.apns" or the like.
func explain(doing string, err error) error {
	code := answered(err)
	switch {
	case errors.Is(err, nats.ErrMaxPayload), code == codeMessageTooBig:
		return fmt.Errorf("%w: %s: %w", ErrTooBig, doing, err)
	case code == codeStoreFailed, code == codeStorageExceeded, code == codeInsufficient:
		return fmt.Errorf("%w: %s: %w", ErrFull, doing, err)
	case forbidden(err):
		return fmt.Errorf("%w: the server forbids this user to use it: %s: %w", ErrUnavailable, doing, err)
	case unavailable(err):
		return fmt.Errorf("%w: %s: %w", ErrUnavailable, doing, err)
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

// explainConnect is the sentence for a connection that could not be made.
func explainConnect(url string, err error) error {
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		return fmt.Errorf("%w: %s refuses these credentials: check --nats-creds or the user in the URL: %w", ErrUnavailable, url, err)
	default:
		return fmt.Errorf("%w: no NATS server can be reached at %s: start one there, or leave --nats-url and NATS_URL out and the worker runs its own: %w", ErrUnavailable, url, err)
	}
}
