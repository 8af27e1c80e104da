package apns

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/volleypush/volley/sender"
)

// link is one HTTP/2 connection to the provider, as the pool needs it. net/http is behind it (h2link.go); a pipelined
// engine can take its place without the pool noticing.
//
// The pool serialises start and free; done callbacks come from other goroutines and take the pool's lock, so start must
// not call them itself.
type link interface {
	// free is how many requests may be begun now without going over the provider's limit of concurrent streams. It is 0 for a
	// link that is full, and for one that has ended.
	free() int
	// start begins as many of the batch as there is room for, in order, and returns how many. The done of each of those is
	// called exactly once, and of no other.
	start(batch []*flight) int
	// ended says whether the link can never begin a request again, and why; the reason is nil as long as it can.
	ended() *sender.Reason
	// silentSince says whether the provider has sent nothing at all since the flight was begun.
	silentSince(f *flight) bool
	// close ends the connection; what is in flight gets its done. It may be called more than once.
	close()
}

// dialer opens a link, which calls changed whenever free or ended may have changed other than by start and done. changed
// does not block, so the link may call it from anywhere, even from inside start.
type dialer func(ctx context.Context, changed func()) (link, error)

// flight is one request on its way.
type flight struct {
	// ctx ends the request early; timeout is how long its answer is awaited, after which its cause is errAnswerTimeout.
	ctx     context.Context
	timeout time.Duration
	// path, id (apns-id), authorization and shared are the request's head; payload is its body.
	path, id, authorization string
	shared                  *headers
	payload                 []byte
	// done receives the reply.
	done func(*flight, reply)

	// index is the recipient's position in the call.
	index int
	// handed is when the pool handed it to the link, begun the same on the link's own clock.
	handed time.Time
	begun  int64
	// state settles the race between the engine taking the body and the call giving up: exactly one of them wins.
	state atomic.Uint32
}

const (
	flightWaiting uint32 = iota
	flightWritten        // the engine has the body: from here on the provider may get it
	flightDropped        // given up before that: the provider never gets the body
)

// takeBody says whether the body may be written.
func (f *flight) takeBody() bool { return f.state.CompareAndSwap(flightWaiting, flightWritten) }

// drop gives the request up and says whether it certainly was never complete at the provider.
func (f *flight) drop() (unsent bool) {
	return f.state.CompareAndSwap(flightWaiting, flightDropped) || f.state.Load() == flightDropped
}

// errAnswerTimeout is the cause of a context that ended because an answer was awaited long enough.
var errAnswerTimeout = errors.New("no answer in time")

// reply is what became of a flight: an answer of the provider, or a reason of ours why there is none.
type reply struct {
	// reason is set if there is no answer; it is one of the rows of class Unsent, Uncertain or Credential.
	reason *sender.Reason
	// status is the HTTP status of an answer.
	status int
	// id, retryAfter are headers of the answer; body is at most maxBody bytes of it.
	id, retryAfter string
	body           []byte
}

// maxBody is the most that is read of an answer's body. The longest answer of the provider has about 70 bytes; an
// intermediary may send a whole page.
const maxBody = 64 << 10
