package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

// counterIdle is how long the durable that counts what an app has for later stays when nobody has taken from it, which nobody ever does: it
// goes with an app that is not looked at any more, and costs little to make anew.
const counterIdle = 10 * time.Minute

// Parked implements pipeline.Work. What is runnable is what waits for the durables of the app's lanes. What is for later has a durable of its own,
// which nobody pulls from: the broker keeps count of what waits for it. It is made when it is first asked for. The other way to count, asking
// for all subjects of the app, takes the broker ten microseconds for each message, and its leader answers nobody else meanwhile.
func (c *Conn) Parked(ctx context.Context, platform jobs.Platform, app string) (pipeline.Parked, error) {
	later := jobs.LaterDurable(platform, app)
	names := []string{later}
	for _, lane := range jobs.Lanes() {
		names = append(names, jobs.WorkDurable(platform, app, lane))
	}
	all := []reply{{ask: &nats.Msg{Subject: apiStream + jobs.StreamWork}}}
	for _, name := range names {
		all = append(all, reply{ask: &nats.Msg{Subject: apiConsumer + jobs.StreamWork + "." + name}})
	}
	c.askAll(ctx, all)
	var parked pipeline.Parked
	var stream jetstream.StreamInfo
	if err := all[0].read(&stream); err != nil {
		return parked, explain("asking for the state of "+jobs.StreamWork, err)
	}
	parked.Size = int64(stream.State.Bytes / max(stream.State.Msgs, 1)) //nolint:gosec // it fits a message
	for i, name := range names {
		var info jetstream.ConsumerInfo
		err := all[i+1].read(&info)
		if answered(err) == jetstream.JSErrCodeConsumerNotFound {
			if err = nil; name == later {
				info.NumPending, err = c.countLater(ctx, platform, app)
			}
		}
		if err != nil {
			return parked, explain("asking what waits for "+name, err)
		}
		parked.Messages += int(info.NumPending) + info.NumAckPending //nolint:gosec // they fit a disk
	}
	return parked, nil
}

// countLater makes the durable that counts, and returns how many messages it begins with.
func (c *Conn) countLater(ctx context.Context, platform jobs.Platform, app string) (waiting uint64, err error) {
	err = c.call(ctx, func(ctx context.Context) error {
		name := jobs.LaterDurable(platform, app)
		durable, err := c.js.CreateConsumer(ctx, jobs.StreamWork, jetstream.ConsumerConfig{
			Durable: name, FilterSubject: jobs.LaterFilter(platform, app),
			Description: "Volley: counts what the app has for later; nobody takes from it",
			AckPolicy:   jetstream.AckExplicitPolicy, InactiveThreshold: counterIdle, Metadata: withSchema(nil),
		})
		if errors.Is(err, jetstream.ErrConsumerExists) { // another worker was faster, perhaps a newer one with another form
			durable, err = c.js.Consumer(ctx, jobs.StreamWork, name)
		}
		if err == nil {
			waiting = durable.CachedInfo().NumPending
		}
		return err
	})
	return waiting, err
}

// read decodes an answer of the broker's API into what it was asked for.
func (r reply) read(into any) error {
	if r.err != nil {
		return r.err
	}
	var refused struct {
		Error *jetstream.APIError `json:"error"`
	}
	err := errors.Join(json.Unmarshal(r.msg.Data, &refused), json.Unmarshal(r.msg.Data, into))
	if err == nil && refused.Error != nil {
		return refused.Error
	}
	if err != nil {
		err = fmt.Errorf("the broker's answer is not understood: %w", err)
	}
	return err
}
