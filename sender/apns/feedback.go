package apns

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	// feedbackWait is how long the feedback service may be silent (apns-binary §5.1, read wait).
	feedbackWait = 10 * time.Second
	// maxExpiredTokens bounds what one call of ExpiredTokens keeps in memory: some 150 MB.
	maxExpiredTokens = 1 << 20
)

// errNoList says that what comes is not the list.
var errNoList = errors.New("it sends something else than a list of device tokens; check feedback_endpoint")

// ErrNoFeedback says that a client's protocol has no feedback service: over HTTP/2 the answer to a notification says that
// its token is gone.
var ErrNoFeedback = errors.New("only protocol binary has a feedback service; over http2 each Response says which tokens are gone")

// ExpiredTokens asks the feedback service, over a connection of its own, for the device tokens whose app is gone, and reads
// its list to the end. Index is the position in the list, Token is lower-case hex, Timestamp is since when the service
// knows.
//
// The service forgets what it has handed out. So the tokens that were read are returned also when an error is: it says why
// there may have been more. They are lost when the caller loses them. Source: apns-binary §4. Safe for concurrent use; two
// calls share the list between them.
func (c *Client) ExpiredTokens(ctx context.Context) ([]ExpiredToken, error) {
	if c.gateway == nil {
		return nil, ErrNoFeedback
	}
	dialing, cancel := context.WithTimeout(ctx, c.gateway.dialTimeout)
	conn, err := c.feedback(dialing)
	cancel()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.NetConn().Close() })()
	reader := bufio.NewReader(conn)
	var tokens []ExpiredToken
	for len(tokens) < maxExpiredTokens {
		_ = conn.SetReadDeadline(time.Now().Add(feedbackWait))
		token, err := readExpired(reader)
		if errors.Is(err, io.EOF) {
			return tokens, nil
		}
		if err != nil {
			return tokens, feedbackError(ctx, err, len(tokens))
		}
		if token.Token == "" {
			continue // names nobody
		}
		token.Index = len(tokens)
		tokens = append(tokens, token)
	}
	return tokens, fmt.Errorf("the feedback service lists more than %d tokens; ask again for the rest", maxExpiredTokens)
}

func feedbackError(ctx context.Context, err error, read int) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if isCertificateAlert(err) {
		return errors.New("the feedback service" + refusedRemedy)
	}
	return fmt.Errorf("the feedback service broke off after %d tokens: %w; what it had left it may have forgotten", read, err)
}

// readExpired reads one entry of the list. The error is io.EOF at the end of it, and io.ErrUnexpectedEOF in the middle of an
// entry.
func readExpired(r io.Reader) (ExpiredToken, error) {
	var head [6]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return ExpiredToken{}, err
	}
	size := binary.BigEndian.Uint16(head[4:])
	if size > MaxTokenBytes {
		return ExpiredToken{}, errNoList
	}
	token := make([]byte, size)
	if _, err := io.ReadFull(r, token); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return ExpiredToken{}, err
	}
	return ExpiredToken{Token: hex.EncodeToString(token), Timestamp: time.Unix(int64(binary.BigEndian.Uint32(head[:])), 0).UTC()}, nil
}
