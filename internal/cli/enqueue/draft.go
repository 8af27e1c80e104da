package enqueue

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/volleypush/volley/jobs"
)

// draft is a job without its recipients, and how it is cut where one message can't hold them all.
type draft struct {
	platform jobs.Platform
	// id is the id of the job, and the beginning of the ids <id>-1, <id>-2, … if there are several.
	id     string
	fields fields
	// limit is the most bytes one job may have.
	limit int
	// personal says that the records are recipients with variables, as they stand in the job, and no ids.
	personal bool
}

// list begins the recipients.
func (d *draft) list() string {
	if d.personal {
		return `,"recipients":[`
	}
	return `,"ids":[`
}

func (d *draft) appendEntry(body, record []byte) []byte {
	if d.personal {
		return append(body, record...)
	}
	return appendQuoted(body, record)
}

func (d *draft) entryLen(record []byte) int {
	if d.personal {
		return len(record)
	}
	return quotedLen(record)
}

// planned is one job that has been checked and is about to be published.
type planned struct {
	// ID is the job's id as its events have it.
	ID string
	// HeaderID is the id to publish with, where that is not ID: a job that is given no id gets its own from the header.
	HeaderID    string
	App         string
	Recipients  int
	Bytes       int
	Fingerprint string
	// Several says that it is sent in several segments, by the measure of a server that is configured as usual.
	Several bool
	// Doubtful says that the broker took it for a repeat of a job that is not known.
	Doubtful bool
}

// planOf is the plan of a job. It keeps copies: the texts of a decoded job share the memory of its whole body, which may have a
// megabyte, and a plan may have hundreds of jobs.
func planOf(job *jobs.Job, body []byte) planned {
	return planned{
		ID: strings.Clone(job.ID), App: strings.Clone(job.App), Recipients: job.Recipients(), Bytes: len(body),
		Fingerprint: jobs.Fingerprint(body), Several: !jobs.FitsOne(job, defaultMaxPayload),
	}
}

func (p planned) publishID() string {
	if p.HeaderID != "" {
		return p.HeaderID
	}
	return p.ID
}

// bodies builds the jobs that carry all ids, one at a time, each as full as the limit allows: the same list makes the
// same jobs again. The body is valid until visit returns.
func (d *draft) bodies(ids *spool, visit func(id string, body []byte) error) error {
	whole := len(d.head(nil, d.id)) + len(d.list()) + len(`]}`) - 1
	if err := ids.each(func(id []byte) error {
		whole += d.entryLen(id) + 1
		return nil
	}); err != nil {
		return err
	}
	if whole <= d.limit {
		return d.cut(ids, visit, func(int) string { return d.id })
	}
	return d.cut(ids, visit, func(number int) string { return d.id + "-" + strconv.Itoa(number) })
}

func (d *draft) cut(ids *spool, visit func(id string, body []byte) error, name func(number int) string) error {
	number, held := 1, 0
	body := d.head(nil, name(number))
	flush := func() error {
		if held > 0 {
			body = append(body, ']')
		}
		body = append(body, '}')
		if len(body) > d.limit {
			return fmt.Errorf("the job has %s bytes with a single recipient; the server takes %s: make the message smaller",
				count(len(body)), count(d.limit))
		}
		return visit(name(number), body)
	}
	err := ids.each(func(id []byte) error {
		if held > 0 && len(body)+1+d.entryLen(id)+len(`]}`) > d.limit {
			if err := flush(); err != nil {
				return err
			}
			number, held = number+1, 0
			body = d.head(body[:0], name(number))
		}
		if held == 0 {
			body = append(body, d.list()...)
		} else {
			body = append(body, ',')
		}
		body = d.appendEntry(body, id)
		held++
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

// head is everything before the ids.
func (d *draft) head(body []byte, id string) []byte {
	body = append(body, `{"id":`...)
	body = appendQuoted(body, []byte(id))
	return append(body, d.fields.json...)
}

// sample decodes the job with at most one recipient: it finds every fault of the flags before the broker is asked.
func (d *draft) sample(ids *spool) (*jobs.Job, error) {
	body, err := d.sampleBody(ids)
	if err != nil {
		return nil, err
	}
	return jobs.Decode(d.platform, body)
}

func (d *draft) sampleBody(ids *spool) ([]byte, error) {
	body := d.head(nil, d.id)
	err := ids.each(func(id []byte) error {
		body = append(body, d.list()...)
		body = append(d.appendEntry(body, id), ']')
		return errEnough
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return append(body, '}'), nil
}

// errEnough ends a walk over a spool early.
var errEnough = errors.New("enough")

// plan builds and checks every job. Nothing is published before all of them are known to be valid.
func (d *draft) plan(ids *spool) ([]planned, error) {
	var plan []planned
	err := d.bodies(ids, func(id string, body []byte) error {
		job, err := jobs.Decode(d.platform, body)
		if err != nil {
			return err
		}
		next := planOf(job, body)
		next.ID = id
		plan = append(plan, next)
		return nil
	})
	return plan, err
}

// appendQuoted appends id as a JSON string. Nearly all ids are plain ASCII and need no encoder.
func appendQuoted(body, id []byte) []byte {
	if !isPlain(id) {
		return append(body, encodeJSON(string(id))...)
	}
	body = append(body, '"')
	body = append(body, id...)
	return append(body, '"')
}

func quotedLen(id []byte) int {
	if !isPlain(id) {
		return len(encodeJSON(string(id)))
	}
	return len(id) + 2
}

func isPlain(id []byte) bool {
	for _, c := range id {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
