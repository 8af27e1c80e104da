package jobs

import "strings"

// fieldPayload is the raw payload of either platform.
const fieldPayload = "payload"

// What a job can be for: a list, or one target.
var (
	listFields  = []string{fieldIDs, fieldRecipients}
	apnsTargets = []string{"channel"}
	gcmTargets  = []string{"topic", "condition"}
)

// checkRecipients checks who the job goes to: ids, or exactly one target.
func (d *decoder) checkRecipients() {
	targets := gcmTargets
	if d.platform == APNS {
		targets = apnsTargets
	}
	given := make([]string, 0, 4)
	for _, name := range listFields {
		if d.has(name) {
			given = append(given, name)
		}
	}
	for _, name := range targets {
		if d.has(name) {
			given = append(given, name)
		}
	}
	list := fieldIDs
	if d.has(fieldRecipients) {
		list = fieldRecipients
		d.checkPlaceholders()
	}
	switch ids := d.values.ids; {
	case len(given) == 0:
		d.add(fieldIDs, "is required: one id or a list of ids")
	case len(given) > 1:
		for _, name := range given[1:] {
			d.add(name, "can't go with %q: a job has one kind of recipient", given[0])
		}
	case ids.kind == kindArray && len(d.job.IDs) == 0 && !d.faulty(list):
		d.add(list, "is empty: a job needs at least one id")
	}
}

// faulty says whether the field, or something in it, has a fault already.
func (d *decoder) faulty(name string) bool {
	for _, f := range d.faults {
		if strings.HasPrefix(f.Field, name) {
			return true
		}
	}
	return false
}

// checkRawPayload refuses everything that would shape a payload that is already there.
func (d *decoder) checkRawPayload() {
	if !d.has(fieldPayload) {
		return
	}
	for i := range d.table.list {
		if f := &d.table.list[i]; f.inPayload() && d.hasField(f) {
			d.add(f.name, `can't go with "payload", which is sent as it is`)
		}
	}
}
