package gcm

import "github.com/volleypush/volley/sender"

// sendLegacy posts chunks of at most MaxChunk registration IDs. Each chunk's body is built from nothing but its own IDs (the
// reference reuses one message for all and sends the IDs of the chunk before along with a last single one).
func (d *delivery) sendLegacy() {
	authorization := "key=" + d.client.config.APIKey
	if target := d.request.target(); target != "" {
		d.each(1, 1, func(int) {
			d.postChunk(d.request.Message.fixed, authorization, []string{target}, []int{0})
		}, func(int) { d.out[0] = d.notBegun() })
		return
	}
	positions, size := d.sendable(), MaxChunk
	if d.request.Messages != nil {
		size = 1
	}
	chunks := (len(positions) + size - 1) / size
	chunk := func(k int) []int {
		return positions[k*size : min((k+1)*size, len(positions))]
	}
	d.each(chunks, d.client.config.ConcurrentChunks, func(k int) {
		positions := chunk(k)
		ids := make([]string, len(positions))
		for i, at := range positions {
			ids[i] = d.request.Tokens[at]
		}
		message := d.request.message(positions[0])
		body := message.Body(ids[0])
		if len(ids) > 1 {
			body = message.bodyForMany(ids)
		}
		d.postChunk(body, authorization, ids, positions)
	}, func(k int) {
		o := d.notBegun()
		for _, at := range chunk(k) {
			d.out[at] = o
		}
	})
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

// postChunk sends one request and settles ids[i] at positions[i].
func (d *delivery) postChunk(body []byte, authorization string, ids []string, positions []int) {
	a, failure := d.post(body, authorization)
	if failure != nil {
		for _, at := range positions {
			d.settle(at, *failure)
		}
		return
	}
	outcomes := make([]sender.Outcome, len(ids))
	d.readLegacy(a, ids, outcomes)
	for i, at := range positions {
		d.settle(at, outcomes[i])
	}
}
