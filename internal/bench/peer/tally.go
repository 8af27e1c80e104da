package peer

import (
	"math/bits"
	"strconv"
	"sync/atomic"
	"time"
)

// MaxRecipients is how many recipients one benchmark may have.
const MaxRecipients = 1 << 23

// Report is what a peer has seen since its last reset.
type Report struct {
	// Received counts notifications, Distinct their different recipients, Doubled those that came more than once.
	Received, Distinct, Doubled int
	// Requests counts requests: of GCM's legacy protocol, one has up to a thousand recipients.
	Requests int
	// P50, P99 and Max are the times from the moment that a notification's payload names to its arrival; 0 if none names one.
	P50, P99, Max time.Duration
}

// tally counts recipients by number. It is safe for concurrent use.
type tally struct {
	seen     []atomic.Uint32 // two bits for each recipient: came, came again
	received atomic.Int64
	requests atomic.Int64
	delays   [buckets]atomic.Int64
	longest  atomic.Int64
}

// The histogram of delays has eight buckets for each power of two of microseconds.
const (
	perOctave = 8
	buckets   = 40 * perOctave
)

func newTally() *tally { return &tally{seen: make([]atomic.Uint32, MaxRecipients/16)} }

// count notes the arrival of recipient n.
func (t *tally) count(n int) {
	t.received.Add(1)
	if n < 0 || n >= MaxRecipients {
		return
	}
	word, shift := &t.seen[n/16], uint(n%16)*2
	if before := word.Or(1 << shift); before&(1<<shift) != 0 {
		word.Or(2 << shift)
	}
}

// delay notes how long a notification took that was published then.
func (t *tally) delay(published int64) {
	took := max(time.Now().UnixNano()-published, 0)
	for longest := t.longest.Load(); took > longest && !t.longest.CompareAndSwap(longest, took); longest = t.longest.Load() {
	}
	t.delays[bucket(took/1000)].Add(1)
}

func bucket(us int64) int {
	if us < perOctave {
		return int(us)
	}
	octave := bits.Len64(uint64(us)) - 4 // 8..15 is the first whole octave
	return min((octave+1)*perOctave+int(us>>octave)-perOctave, buckets-1)
}

// upper is the largest delay of a bucket.
func upper(b int) time.Duration {
	if b < perOctave {
		return time.Duration(b+1) * time.Microsecond
	}
	octave := b/perOctave - 1
	return time.Duration(int64(perOctave+b%perOctave+1)<<octave) * time.Microsecond
}

// report sums up; reset begins anew.
func (t *tally) report() Report {
	r := Report{Received: int(t.received.Load()), Requests: int(t.requests.Load()), Max: time.Duration(t.longest.Load())}
	for i := range t.seen {
		word := t.seen[i].Load()
		r.Distinct += bits.OnesCount32(word & 0x5555_5555)
		r.Doubled += bits.OnesCount32(word & 0xAAAA_AAAA)
	}
	total := int64(0)
	for i := range t.delays {
		total += t.delays[i].Load()
	}
	sum := int64(0)
	for i := range t.delays {
		n := t.delays[i].Load()
		sum += n
		if n > 0 && r.P50 == 0 && sum*2 >= total {
			r.P50 = upper(i)
		}
		if n > 0 && r.P99 == 0 && sum*100 >= total*99 {
			r.P99 = upper(i)
		}
	}
	return r
}

func (t *tally) reset() {
	for i := range t.seen {
		t.seen[i].Store(0)
	}
	for i := range t.delays {
		t.delays[i].Store(0)
	}
	t.received.Store(0)
	t.requests.Store(0)
	t.longest.Store(0)
}

// tokenDigits is how many digits of a device token, and of a registration ID, are the recipient's number, in hexadecimal.
const tokenDigits = 8

// number reads a recipient's number; -1 if there is none.
func number(token []byte) int {
	if len(token) < tokenDigits {
		return -1
	}
	n, err := strconv.ParseUint(string(token[:tokenDigits]), 16, 32)
	if err != nil {
		return -1
	}
	return int(n)
}
