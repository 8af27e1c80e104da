package queue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

const (
	// orderVersion is the "v" of the orders that this code writes. A worker that finds a higher one waits for its update.
	orderVersion = 1
	// cancelRetention is how long a cancel is kept: longer than a deliver_at within reason and an expiration in use. A pause is kept until it
	// is withdrawn.
	cancelRetention = 400 * 24 * time.Hour
	// markRetention is how long it is remembered that an order was withdrawn. Every worker has heard of it within a second.
	markRetention = 24 * time.Hour
)

// The convention of key-value buckets for a key that was deleted.
const (
	headerKV   = "KV-Operation"
	kvDelete   = "DEL"
	kvPurge    = "PURGE"
	anyOrder   = ">"
	orderBlank = "_" // no platform, app, lane, job or campaign is called so
)

// orderRecord is the value of a PUSH_CONTROL key. Its time is the message's.
type orderRecord struct {
	V int `json:"v"`
	pipeline.Order
}

// orderKey is the key of an order: the same order has the same key, so that it is given once.
func orderKey(kind pipeline.OrderKind, s pipeline.Scope) string {
	parts := []string{string(kind), string(s.Platform), s.App, string(s.Lane), s.Job, s.Campaign}
	for i := range parts {
		parts[i] = cmp.Or(parts[i], orderBlank)
	}
	return strings.Join(parts, ".")
}

// Give stores an order and returns it as it is stored. Giving it again moves a cancel to the present. Errors are ErrUnavailable (it
// may be stored or not), ErrFull and ErrTopology.
func (c *Conn) Give(ctx context.Context, kind pipeline.OrderKind, scope pipeline.Scope) (pipeline.Order, error) {
	order := pipeline.Order{Kind: kind, Scope: scope}
	if scope == (pipeline.Scope{}) {
		return order, errors.New("an order for everything is refused: name a platform, an app, a lane, a campaign or a job")
	}
	value, err := json.Marshal(orderRecord{V: orderVersion, Order: order})
	if err != nil {
		return order, fmt.Errorf("writing the order: %w", err)
	}
	subject := bucketSubject(jobs.BucketControl, orderKey(kind, scope))
	if _, err := c.publish(ctx, &nats.Msg{Subject: subject, Data: value}); err != nil {
		return order, c.explainOrder("storing the order", err)
	}
	found, err := c.lastOn(ctx, bucketStream(jobs.BucketControl), subject)
	if err != nil {
		return order, fmt.Errorf("the order is stored, but can't be read again: %w", err)
	}
	order.At = found.Time
	return order, nil
}

// Withdraw takes back every pause within the scope and returns those that were in force. A cancel can't be withdrawn: what it reached is
// told already.
func (c *Conn) Withdraw(ctx context.Context, scope pipeline.Scope) ([]pipeline.Order, error) {
	all, err := c.Given(ctx)
	if err != nil {
		return nil, err
	}
	var gone []pipeline.Order
	for _, order := range all {
		if order.Kind != pipeline.OrderPause || !scope.Covers(order.Scope) {
			continue
		}
		msg := &nats.Msg{Subject: bucketSubject(jobs.BucketControl, orderKey(order.Kind, order.Scope)), Header: nats.Header{headerKV: {kvDelete}}}
		if _, err := c.publish(ctx, msg); err != nil {
			return gone, c.explainOrder("withdrawing the order", err)
		}
		gone = append(gone, order)
	}
	return gone, nil
}

// Given returns the orders in force. On the way it forgets those that are too old to mean anything.
func (c *Conn) Given(ctx context.Context) ([]pipeline.Order, error) {
	book := newOrderBook()
	for {
		found, err := c.nextOn(ctx, bucketStream(jobs.BucketControl), bucketSubject(jobs.BucketControl, anyOrder), book.next)
		if errors.Is(err, errAbsent) {
			return book.list(), nil
		}
		if err != nil {
			return nil, c.explainOrder("reading the orders", err)
		}
		if err := book.take(found); err != nil {
			return nil, err
		}
		if outdated(found, c.Now()) {
			book.drop(found.Subject)
			if err := c.forget(ctx, found.Sequence); err != nil {
				c.log.Debug().Err(err).Msg("an old order is not forgotten yet")
			}
		}
	}
}

// outdated says whether a record is too old to mean anything.
func outdated(found *stored, now time.Time) bool {
	order, alive, err := readOrder(found)
	switch age := now.Sub(found.Time); {
	case err != nil:
		return false
	case !alive:
		return age > markRetention
	default:
		return order.Kind == pipeline.OrderCancel && age > cancelRetention
	}
}

func (c *Conn) forget(ctx context.Context, sequence uint64) error {
	return c.call(ctx, func(ctx context.Context) error {
		stream, err := c.js.Stream(ctx, bucketStream(jobs.BucketControl))
		if err == nil {
			err = stream.DeleteMsg(ctx, sequence)
		}
		return err
	})
}

// explainOrder is the sentence for an order that could not be stored or read.
func (c *Conn) explainOrder(doing string, err error) error {
	err = explain(doing, err)
	switch {
	case errors.Is(err, nats.ErrNoResponders), answered(err) == codeStreamNotFound:
		return c.noStream(bucketStream(jobs.BucketControl))
	case errors.Is(err, ErrFull):
		return fmt.Errorf("%s is full of orders, nothing was stored: withdraw pauses that are over with \"enqueue resume\": %w", jobs.BucketControl, err)
	}
	return err
}

// orderBook is what was read of PUSH_CONTROL so far.
type orderBook struct {
	orders map[string]pipeline.Order
	// next is the sequence from which reading goes on.
	next uint64
}

func newOrderBook() *orderBook { return &orderBook{orders: make(map[string]pipeline.Order), next: 1} }

// take enters one record. An error means that it says something that this version can't obey.
func (b *orderBook) take(found *stored) error {
	order, alive, err := readOrder(found)
	if err != nil {
		return err
	}
	b.next = found.Sequence + 1
	if alive {
		b.orders[found.Subject] = order
	} else {
		delete(b.orders, found.Subject)
	}
	return nil
}

func (b *orderBook) drop(subject string) { delete(b.orders, subject) }

func (b *orderBook) list() []pipeline.Order {
	all := make([]pipeline.Order, 0, len(b.orders))
	for _, order := range b.orders {
		all = append(all, order)
	}
	return all
}

// readOrder reads one record; alive is false if it says that the order was withdrawn.
func readOrder(found *stored) (order pipeline.Order, alive bool, err error) {
	if len(found.Headers) > 0 {
		header, err := nats.DecodeHeadersMsg(found.Headers)
		if err != nil {
			return order, false, fmt.Errorf("the order %s has headers that can't be read: %w", found.Subject, err)
		}
		if operation := header.Get(headerKV); operation == kvDelete || operation == kvPurge {
			return order, false, nil
		}
	}
	var r orderRecord
	if err := json.Unmarshal(found.Data, &r); err != nil {
		return order, false, fmt.Errorf("the order %s can't be read, and so can't be obeyed: delete that key of %s: %w", found.Subject, jobs.BucketControl, err)
	}
	if r.V > orderVersion || r.Kind != pipeline.OrderPause && r.Kind != pipeline.OrderCancel {
		return order, false, fmt.Errorf("the order %s was given by a newer version of Volley: update this one, or withdraw the order with that version", found.Subject)
	}
	r.At = found.Time
	return r.Order, true, nil
}
