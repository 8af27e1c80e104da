package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

// Claim implements pipeline.Claims. The leader is asked: a claim that a follower does not have yet would be made twice.
func (c *Conn) Claim(ctx context.Context, key string) (pipeline.Claim, error) {
	found, err := c.lastOn(ctx, bucketStream(jobs.BucketClaims), bucketSubject(jobs.BucketClaims, key))
	if errors.Is(err, errAbsent) {
		return pipeline.Claim{}, nil
	}
	if err != nil {
		return pipeline.Claim{}, err
	}
	return readClaim(key, found)
}

// readClaim reads one record.
func readClaim(key string, found *stored) (pipeline.Claim, error) {
	claim := pipeline.Claim{Revision: found.Sequence}
	if len(found.Data) == 0 {
		return claim, nil // deleted with a tool; what remains is a marker
	}
	if err := json.Unmarshal(found.Data, &claim); err != nil {
		return pipeline.Claim{}, fmt.Errorf("the claim %s can't be read: %w", key, err)
	}
	return claim, nil
}

// PutClaim implements pipeline.Claims.
func (c *Conn) PutClaim(ctx context.Context, key string, claim pipeline.Claim) (pipeline.Claim, bool, error) {
	value, err := json.Marshal(claim)
	if err != nil {
		return claim, false, fmt.Errorf("the claim %s: %w", key, err)
	}
	msg := &nats.Msg{Subject: bucketSubject(jobs.BucketClaims, key), Header: nats.Header{}, Data: value}
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(claim.Revision, 10))
	ack, err := c.publish(ctx, msg)
	switch {
	case err == nil:
		claim.Revision = ack.Sequence
		return claim, true, nil
	case answered(err) == codeWrongSequence:
		return claim, false, nil
	default:
		// Another write in flight (10164) is as unknown as no answer.
		return claim, false, explain("writing the claim "+key, err)
	}
}

// DropClaim implements pipeline.Claims. The message itself is deleted: a marker in its place would stay.
func (c *Conn) DropClaim(ctx context.Context, key string, revision uint64) error {
	ask, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	stream, err := c.js.Stream(ask, bucketStream(jobs.BucketClaims))
	if err == nil {
		err = stream.DeleteMsg(ask, revision)
	}
	if err == nil {
		return nil
	}
	// The broker's refusal does not say whether the message is gone already.
	if left, lookErr := c.Claim(ctx, key); lookErr == nil && left.Revision != revision {
		return nil
	}
	return explain("dropping the claim "+key, err)
}
