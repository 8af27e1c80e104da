package jobs

import "encoding/base64"

// checkAPNS checks the rules of an APNs job that concern several fields.
func (d *decoder) checkAPNS() {
	o := d.job.APNS
	d.checkRawPayload()
	d.checkKeysOnce()
	if d.has("priority") && d.has("low_priority") {
		d.add("low_priority", `can't go with "priority": both set the same header`)
	}
	if o.PushType != nil && *o.PushType == pushTypeBackground {
		d.checkBackground()
	}
	if !d.job.DeliverAt.IsZero() {
		expiration := int64(DefaultExpiration)
		if o.Expiration != nil {
			expiration = *o.Expiration
		}
		if end := d.job.DeliverAt.Unix(); end > MaxEpochSeconds-expiration {
			d.add("deliver_at", "is so late that the expiration does not fit its 32 bits any more (the year 2106)")
		}
	}
	if o.Channel != nil {
		if _, err := base64.StdEncoding.DecodeString(*o.Channel); err != nil {
			d.add("channel", "must be the base64 text that the creation of the channel answered")
		}
		if o.PushType != nil && *o.PushType != pushTypeLiveActivity {
			d.add("push_type", "must be %q for a channel", pushTypeLiveActivity)
		}
		if o.CollapseID != nil {
			d.add("collapse_id", `can't go with "channel": a broadcast replaces nothing`)
		}
	}
}

// checkKeysOnce refuses options that set a key which the message object sets too.
func (d *decoder) checkKeysOnce() {
	m := d.job.Message
	if m.Object == nil {
		return
	}
	for i := range d.table.list {
		f := &d.table.list[i]
		if !d.hasField(f) {
			continue
		}
		key := ""
		switch {
		case m.Kind == MessageAlert && f.alert != "":
			key = f.alert
		case m.Kind == MessageAPS && f.alert != "":
			// The alert of the message, text or object, is complete; options don't reach into it.
			key = "alert"
		case m.Kind == MessageAPS:
			key = f.aps
		}
		if _, twice := m.Object[key]; twice && key != "" {
			d.add(f.name, "sets the key %q, which the message sets too", key)
		}
	}
}

// checkBackground holds Apple's rules for background pushes: priority 5, and nothing that the user would notice. APNs
// delays or drops what breaks the second one, silently.
func (d *decoder) checkBackground() {
	o, m := d.job.APNS, d.job.Message
	if o.Priority != nil && *o.Priority != 5 {
		d.add("priority", "must be 5 (or absent) for push_type %q", pushTypeBackground)
	}
	if o.LowPriority != nil && !*o.LowPriority {
		d.add("low_priority", "must be true (or absent) for push_type %q", pushTypeBackground)
	}
	shows := m.Kind == MessageText || m.Kind == MessageAlert
	for _, key := range []string{"alert", "badge", "sound"} {
		_, has := m.Object[key]
		shows = shows || has && m.Kind == MessageAPS
	}
	if shows {
		d.add(fieldMessage, "a push of type %q can't have an alert, badge or sound", pushTypeBackground)
	}
	for i := range d.table.list {
		f := &d.table.list[i]
		if d.hasField(f) && (f.alert != "" || f.aps == "badge" || f.aps == "sound") {
			d.add(f.name, "a push of type %q can't have an alert, badge or sound", pushTypeBackground)
		}
	}
}
