package apns

import (
	"context"
	"errors"
	"time"

	"github.com/volleypush/volley/sender"
)

// link is one HTTP/2 connection to the provider, as the pool needs it. Two engines are behind it: the pipelined one
// (pipelined.go), and net/http (nethttp.go), which costs forty times as much and is what the first one is compared with.
//
// The pool serialises start, free and cancel; what comes of it reaches the listener from other goroutines, so they must not
// call it themselves.
type link interface {
	// free is how many requests may be begun now without going over the provider's limit of concurrent streams. It is 0 for a
	// link that is full, and for one that has ended.
	free() int
	// start begins as many of the call's recipients at these positions as there is room for, in order, and returns how many.
	// Each of those lands exactly once, and no other.
	start(c *call, positions []int, authorization string) int
	// cancel gives up what the call still has in the air. What landed of it by that is appended to into; the rest lands soon.
	cancel(c *call, into []landing) []landing
	// ended says whether the link can never begin a request again, and why; the reason is nil as long as it can.
	ended() *sender.Reason
	// close ends the connection; what is in flight lands. It may be called more than once.
	close()
}

// listener is told what happens on a link.
type listener interface {
	// landed is told of requests that have ended. It must not be called inside the link's methods.
	landed(landings []landing)
	// changed is called whenever free or ended may have changed other than by start and landed. It does not block, so the link
	// may call it from anywhere, even from inside start.
	changed()
}

// dialer opens a link.
type dialer func(ctx context.Context, to listener) (link, error)

// landing is the end of one request.
type landing struct {
	call     *call
	index    int // the recipient's position
	outcome  sender.Outcome
	answered bool // by the provider; else the outcome's reason is ours
	// waited is how long ago a request was begun whose answer is not awaited any longer, and silent says that the provider has
	// sent nothing at all since then.
	waited time.Duration
	silent bool
}

// errAnswerTimeout is the cause of a context that ended because an answer was awaited long enough.
var errAnswerTimeout = errors.New("no answer in time")

// givenUp is the row of a request that was written and whose answer is not awaited any longer.
func givenUp(cause error) *sender.Reason {
	if errors.Is(cause, errAnswerTimeout) {
		return Reason(AnswerTimeout)
	}
	return Reason(AnswerNotAwaited)
}

// maxBody is the most that is read of an answer's body. The longest answer of the provider has about 70 bytes; an
// intermediary may send a whole page.
const maxBody = 64 << 10
