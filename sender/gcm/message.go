package gcm

import (
	"encoding/json"
	"time"
)

// Protocol is how a Client speaks to Google.
type Protocol string

const (
	// V1 is FCM HTTP v1, Google's live service. It is the default.
	V1 Protocol = "v1"
	// Legacy is GCM's JSON protocol. Google's own endpoint is retired; gateways and simulators speak it.
	Legacy Protocol = "legacy"
)

// Limits of the providers.
const (
	// MaxPayload is the most bytes the keys and values of data and notification may have together (FCM, "About FCM messages").
	MaxPayload = 4096
	// MaxTopicPayload is the same for a message to a topic or condition.
	MaxTopicPayload = 2048
	// MaxChunk is the most registration IDs one legacy request carries.
	MaxChunk = 1000
	// MaxTopicName is the longest topic, without its "/topics/".
	MaxTopicName = 900
	// maxCollapseID is the longest apns-collapse-id; a longer collapse_key isn't passed on to iOS.
	maxCollapseID = 64
	// maxWebTopic is the longest Topic header of web push (RFC 8030 §5.4).
	maxWebTopic = 32
)

// Message is what a job says, beside its recipients. Pointers and any-typed fields that are nil say nothing. Every any-typed
// field takes what encoding/json can encode; a json.RawMessage is taken as it is. Names and meanings: reference API §2.2
// and §5.1 for the options of GCM, Google's own for those of FCM v1. A Message is not changed by Prepare or Send.
type Message struct {
	// Data is the reference's "message". A JSON object is the data itself, and its key "notification" overrides Notification (null
	// there removes it). Any other value, null too, becomes {"message": value}.
	Data any
	// Notification is an object of notification keys.
	Notification any
	// CollapseKey lets a later message replace an earlier one that was not delivered yet.
	CollapseKey *string
	// DelayWhileIdle has had no effect at Google since 2016. Legacy sends it, V1 has no such field: see Prepared.Notices.
	DelayWhileIdle *bool
	// TimeToLive is how long Google keeps trying, in seconds, 0 to 2,419,200; 0 is now or never. Default: four weeks, Google's own.
	TimeToLive *int64
	// LowPriority true is priority "normal" (NORMAL, apns-priority 5); otherwise "high".
	LowPriority *bool
	// RestrictedPackageName is the Android package that the app must have.
	RestrictedPackageName *string
	// DryRun has the provider check the message without delivering it.
	DryRun *bool

	// FID says that the registration IDs are Firebase installation IDs. V1 only.
	FID *bool
	// Topic and Condition are targets instead of registration IDs; a topic with or without "/topics/".
	Topic     *string
	Condition *string
	// Android, APNS, Webpush and FCMOptions are objects that are merged into the blocks of the same name. V1 only. A key given here
	// wins over what is derived from the options above; one that an option sets as well is a fault.
	Android    any
	APNS       any
	Webpush    any
	FCMOptions any
	// Payload is sent as it is: the "message" object of V1, or the body of Legacy, without its target. It stands alone:
	// only FID, Topic, Condition and (V1) DryRun may stand beside it.
	Payload any
}

// Prepared is a message rendered once, to which each request only adds its recipients. It is read-only and safe for concurrent use.
type Prepared struct {
	protocol Protocol
	// target is the topic or condition, "" for a message to registration IDs; fixed is then the whole body.
	target string
	fixed  []byte
	// one and many surround a single registration ID and, for Legacy, a list of them.
	one, many frame
	size      int
	notices   []string
}

// frame is the body before and after the recipients.
type frame struct{ before, after []byte }

// Protocol is what the message was prepared for.
func (p *Prepared) Protocol() Protocol { return p.protocol }

// Target is the topic ("/topics/" in front for Legacy) or condition; "" for a message to registration IDs.
func (p *Prepared) Target() string { return p.target }

// Size is what counts towards MaxPayload, in bytes.
func (p *Prepared) Size() int { return p.size }

// Notices are sentences about options that have no effect, for the caller to log once. Usually none.
func (p *Prepared) Notices() []string { return p.notices }

// Body is the request body as it would be sent to one registration ID, or to the message's target (id is then ignored).
func (p *Prepared) Body(id string) []byte {
	if p.fixed != nil {
		return p.fixed
	}
	return p.appendBody(make([]byte, 0, len(p.one.before)+len(id)+8+len(p.one.after)), id)
}

func (p *Prepared) appendBody(b []byte, id string) []byte {
	if p.fixed != nil {
		return append(b, p.fixed...)
	}
	b = appendString(append(b, p.one.before...), id)
	return append(b, p.one.after...)
}

// appendForMany appends the legacy body for the registration IDs at those positions, of which there are several.
func (p *Prepared) appendForMany(b []byte, ids []string, positions []int) []byte {
	b = append(append(b, p.many.before...), '[')
	for i, at := range positions {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, ids[at])
	}
	return append(append(b, ']'), p.many.after...)
}

// Prepare renders a message for a protocol ("" is V1). now is the provider's present: V1's apns-expiration counts time_to_live from it. The
// error is a jobs.Faults that lists everything that is wrong, by the names of the job contract.
func Prepare(protocol Protocol, m *Message, now time.Time) (*Prepared, error) {
	return prepareAs(protocol, m, now, false)
}

func prepareAs(protocol Protocol, m *Message, now time.Time, personal bool) (*Prepared, error) {
	if protocol == "" {
		protocol = V1
	}
	r := rendering{Message: m, protocol: protocol, now: now, personal: personal}
	r.decode()
	r.checkTarget()
	out := &Prepared{protocol: protocol}
	var members map[string]any
	switch {
	case r.payload != nil:
		members = r.payload
		r.checkAlone()
	case protocol == Legacy:
		members = r.legacyBody()
	default:
		members = r.fcmMessage()
	}
	out.size = payloadSize(members)
	if limit := r.limit(); out.size > limit && !personal {
		r.faultf("message", "the payload has %d bytes, the limit is %d", out.size, limit)
	}
	if len(r.faults) > 0 {
		return nil, r.faults
	}
	r.assemble(out, members)
	out.notices = r.notices
	return out, nil
}

func (r *rendering) limit() int {
	if r.Topic != nil || r.Condition != nil {
		return MaxTopicPayload
	}
	return MaxPayload
}

// assemble joins the members around the place of the target, so that the keys stay sorted.
func (r *rendering) assemble(out *Prepared, members map[string]any) {
	at := func(key string) frame {
		if r.payload != nil {
			return r.wrap(aroundRaw(r.rawPayload, key))
		}
		return r.wrap(around(members, key))
	}
	key, target := r.target()
	switch {
	case key != "":
		f := at(key)
		out.target = target
		out.fixed = append(appendString(append([]byte{}, f.before...), target), f.after...)
	case r.protocol == Legacy:
		out.one, out.many = at("to"), at("registration_ids")
	case r.FID != nil && *r.FID:
		out.one = at("fid")
	default:
		out.one = at("token")
	}
}

// wrap puts the envelope of V1 around the message.
func (r *rendering) wrap(f frame) frame {
	if r.protocol == Legacy {
		return f
	}
	f.before = append([]byte(`{"message":`), f.before...)
	if r.DryRun != nil && *r.DryRun {
		f.after = append(f.after, `,"validate_only":true`...)
	}
	f.after = append(f.after, '}')
	return f
}

// around renders members and leaves room for the value of one more key at its sorted place.
func around(members map[string]any, key string) frame {
	less, more := map[string]any{}, map[string]any{}
	for k, v := range members {
		if k < key {
			less[k] = v
		} else {
			more[k] = v
		}
	}
	before := appendJSON(nil, less)
	before = before[:len(before)-1]
	if len(less) > 0 {
		before = append(before, ',')
	}
	after := appendJSON(nil, more)
	if len(more) > 0 {
		after[0] = ','
	} else {
		after = after[1:]
	}
	return frame{before: append(appendString(before, key), ':'), after: after}
}

// aroundRaw puts one more key in front of the members of a raw object and leaves their bytes as they are.
func aroundRaw(object json.RawMessage, key string) frame {
	inner := object[1:] // rawObject has trimmed it
	after := []byte{}
	if len(inner) > 1 && !isEmptyObject(object) {
		after = append(after, ',')
	}
	return frame{before: append(appendString([]byte{'{'}, key), ':'), after: append(after, inner...)}
}
