package gcm

import (
	"net/http"

	"github.com/volleypush/volley/sender"
)

// sendFCM posts one message per registration ID, as many at once as the connections carry.
func (d *delivery) sendFCM() {
	if target := d.request.target(); target != "" {
		if d.client.pipelined {
			d.flow([]int{0})
			return
		}
		d.each(1, 1, func(int) { d.settle(0, d.sendOne(d.request.Message, target)) }, func(int) { d.out[0] = d.notBegun() })
		return
	}
	positions := d.sendable()
	if d.client.pipelined {
		d.flow(positions)
		return
	}
	config := d.client.config
	d.each(len(positions), config.Connections*config.Streams, func(i int) {
		at := positions[i]
		d.settle(at, d.sendOne(d.request.message(at), d.request.Tokens[at]))
	}, func(i int) {
		d.out[positions[i]] = d.notBegun()
	})
}

// sendOne sends one message and classifies the answer. A 401 that is about the access token drops it and is tried once more with a
// fresh one: the first was not processed.
func (d *delivery) sendOne(message *Prepared, id string) sender.Outcome {
	body := message.Body(id)
	for again := false; ; again = true {
		token, failure := d.client.token(d.open)
		if failure != nil {
			if d.open.Err() != nil {
				return d.notBegun()
			}
			return *failure
		}
		a, failure := d.post(body, "Bearer "+token, nil)
		if failure != nil {
			return *failure
		}
		o := d.readFCM(a, id)
		if a.status != http.StatusUnauthorized || o.Class != sender.Credential || again {
			return o
		}
		d.client.tokens.drop(token)
	}
}
