package gcm

import (
	"net/http"
	"slices"

	"github.com/volleypush/volley/sender"
)

// room is where a legacy request is written and its answer read. A thousand recipients take some 100 KB of both together, so it is kept
// from one request to the next.
type room struct{ body, answer []byte }

// maxRoom bounds what is kept: usual chunks have a tenth of it.
const maxRoom = 1 << 20

// sendLegacy posts chunks of at most MaxChunk registration IDs. Each chunk's body is built from nothing but its own IDs (the
// reference reuses one message for all and sends the IDs of the chunk before along with a last single one).
func (d *delivery) sendLegacy() {
	authorization := "key=" + d.client.config.APIKey
	if d.request.target() != "" {
		d.each(1, 1, func(int) { d.postChunk(authorization, []int{0}) }, func(int) { d.out[0] = d.notBegun() })
		return
	}
	chunks := d.chunks(d.sendable())
	d.each(len(chunks), d.client.config.ConcurrentChunks, func(k int) {
		d.postChunk(authorization, chunks[k])
	}, func(k int) {
		o := d.notBegun()
		for _, at := range chunks[k] {
			d.out[at] = o
		}
	})
}

// chunks cuts positions into those of each request, which has one message.
func (d *delivery) chunks(positions []int) [][]int {
	if d.request.Messages == nil {
		return slices.Collect(slices.Chunk(positions, MaxChunk))
	}
	var order []*Prepared
	groups := make(map[*Prepared][]int, len(positions))
	for _, at := range positions {
		m := d.request.Messages[at]
		if groups[m] == nil {
			order = append(order, m)
		}
		groups[m] = append(groups[m], at)
	}
	var chunks [][]int
	for _, m := range order {
		chunks = slices.AppendSeq(chunks, slices.Chunk(groups[m], MaxChunk))
	}
	return chunks
}

// sendable gives malformed registration IDs their outcome and returns the positions of the others.
func (d *delivery) sendable() []int {
	positions := make([]int, 0, len(d.request.Tokens))
	for i, id := range d.request.Tokens {
		if validID(id) {
			positions = append(positions, i)
			continue
		}
		d.out[i] = sender.Failed(reasonsByName[reasonMalformedID], 0)
	}
	return positions
}

// recipient is what a position stands for: a registration ID, or the target.
func (d *delivery) recipient(at int) string {
	if target := d.request.target(); target != "" {
		return target
	}
	return d.request.Tokens[at]
}

// postChunk sends one request and settles the recipients at positions.
func (d *delivery) postChunk(authorization string, positions []int) {
	r, _ := d.client.rooms.Get().(*room)
	if r == nil {
		r = &room{}
	}
	if message := d.request.message(positions[0]); len(positions) > 1 {
		r.body = message.appendForMany(r.body[:0], d.request.Tokens, positions)
	} else {
		r.body = message.appendBody(r.body[:0], d.recipient(positions[0]))
	}
	a, failure := d.post(r.body, authorization, r.answer)
	if failure == nil {
		d.readLegacy(a, positions)
	} else {
		for _, at := range positions {
			d.out[at] = *failure
		}
	}
	d.settleAll(positions)
	if d.record != nil {
		return // it keeps both
	}
	if a.body != nil {
		r.answer = a.body
	}
	if cap(r.body)+cap(r.answer) <= maxRoom {
		d.client.rooms.Put(r)
	}
}

// settleAll ranks outcomes that came together, and stops the delivery if one of them concerns the whole app.
func (d *delivery) settleAll(positions []int) {
	n := uint32(len(positions)) //nolint:gosec // MaxChunk at most
	rank := d.answers.Add(n) - n
	for _, at := range positions {
		rank++
		o := &d.out[at]
		o.Rank = rank
		if o.Reason != nil && o.Reason.Wide {
			d.stop(*o)
		}
	}
}

// failAll gives all recipients of a chunk the same outcome.
func (d *delivery) failAll(positions []int, r *sender.Reason, a answer) {
	o := sender.Failed(r, a.status)
	o.RetryAfter = a.retryAfter
	for _, at := range positions {
		d.out[at] = o
	}
}

// readLegacy sets the outcome of each recipient of one chunk (or of the one target) from the answer.
func (d *delivery) readLegacy(a answer, positions []int) {
	switch {
	case a.status != http.StatusOK:
		d.failAll(positions, legacyStatus(a), a)
	case !d.scanResults(a, positions):
		d.decodeLegacy(a, positions)
	}
}
