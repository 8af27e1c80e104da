package dash

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// Limits of the index. What is beyond them is forgotten, the longest unseen first.
const (
	// maxEntries is how many events are remembered, in short.
	maxEntries = 5000
	// maxJobs and maxCampaigns are how many jobs and campaigns are.
	maxJobs      = 10_000
	maxCampaigns = 1000
	// maxReasons is how many reasons of failures are told apart in one campaign or job.
	maxReasons = 40
	// maxMarks is how many recipients that did not get their push are remembered, by fingerprint, for the search.
	maxMarks = 50_000
	// marksPerEvent bounds how many of them one event may take: a segment has a thousand.
	marksPerEvent = 1000
	// maxSegmentsSeen is how many segments of a job are told apart; a job has at most one for each recipient.
	maxSegmentsSeen = 1 << 14
)

// Index is what the events of a while add up to. It begins with the last events that were stored before it and is as
// complete as that: see Since. It is safe for concurrent use.
type Index struct {
	mu sync.Mutex
	// since is the time of the oldest event that was read, events how many were.
	since  time.Time
	events uint64
	ring   []Entry
	next   int
	ids    map[string]struct{}

	jobs      lru[JobKey, Job]
	campaigns lru[string, Campaign]
	marks     map[string][]Mark
	marked    []string
	oldest    int
}

// Entry is an event in short.
type Entry struct {
	ID                 string
	Kind               results.Kind
	Platform           jobs.Platform
	App, Job, Campaign string
	Segment, Segments  int
	Round, Attempt     int
	Recipients         int
	Counts             Counts
	// Reason is why a job is dead, or the most frequent reason of its failures; State and Detail are those of news.
	Reason        string
	State, Detail string
	Done          bool
	At            time.Time
	Worker        string
}

// Job is what the events of one job add up to.
type Job struct {
	JobKey
	Campaign string
	// Segments is how many it has, Settled how many of them have nobody left to send to.
	Segments, Settled int
	// Total is how many recipients it has, 0 while that is not known.
	Total  int
	Counts Counts
	// Done says that everybody has a final place; Dead that it, or a part of it, is a dead letter.
	Done, Dead  bool
	Reasons     map[string]int
	First, Last time.Time
	// Wait is what it does in the queues, "" for nothing that is known; Published and DeliverAt are of a job without an event.
	Wait                 string
	Published, DeliverAt time.Time

	settled map[int]struct{}
}

// Campaign is what the jobs of one campaign add up to.
type Campaign struct {
	Name string
	// Jobs is how many were seen, Done how many of them are done, Dead how many have a dead letter.
	Jobs, Done, Dead int
	// Segments and Settled are sums over its jobs.
	Segments, Settled int
	Counts            Counts
	Reasons           map[string]int
	Apps              []string
	First, Last       time.Time
	// Waits are its jobs without an event, which lie in the queues; Expected is how many recipients they have, Published when the last of
	// them was.
	Waits     waits
	Expected  int
	Published time.Time
}

// Mark says that an event names a recipient.
type Mark struct {
	Event string
	Index int
	What  string
	At    time.Time
}

// NewIndex makes an empty index.
func NewIndex() *Index {
	return &Index{
		ids: make(map[string]struct{}), jobs: newLRU[JobKey, Job](maxJobs), campaigns: newLRU[string, Campaign](maxCampaigns),
		marks: make(map[string][]Mark),
	}
}

// Since says from when on the index knows, and of how many events; false if it knows of none yet.
func (x *Index) Since() (since time.Time, events uint64, known bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.since, x.events, x.events > 0
}

// Note takes an event. One that is among those remembered already changes nothing.
func (x *Index) Note(e *results.Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, ok := x.ids[e.ID]; ok {
		return
	}
	if x.events++; x.since.IsZero() || e.At.Before(x.since) {
		x.since = e.At
	}
	reasons := reasonsOf(e)
	x.remember(entryOf(e, reasons))
	switch e.Kind {
	case results.KindSegment, results.KindDead:
		x.account(e, reasons)
	case results.KindJobDone:
		if j := x.job(e); e.Totals != nil {
			x.finish(j, e)
		}
	case results.KindDuplicateJob, results.KindCredential, results.KindProvider, results.KindFeedback:
	}
	x.mark(e)
}

// remember puts an entry into the ring.
func (x *Index) remember(e Entry) {
	if len(x.ring) < maxEntries {
		x.ring = append(x.ring, e)
	} else {
		delete(x.ids, x.ring[x.next].ID)
		x.ring[x.next] = e
		x.next = (x.next + 1) % maxEntries
	}
	x.ids[e.ID] = struct{}{}
}

// job is the record of the event's job.
func (x *Index) job(e *results.Event) *Job {
	key := JobKey{e.Platform, e.App, e.Job}
	j, made := x.jobs.at(key)
	if made {
		*j = Job{JobKey: key, Campaign: e.Campaign, First: e.At, Reasons: make(map[string]int), settled: make(map[int]struct{})}
		if c := x.campaign(e); c != nil {
			c.Jobs++
			c.addApp(key)
		}
	}
	if e.At.After(j.Last) {
		j.Last = e.At
	}
	return j
}

// campaign is the record of the event's campaign; nil if it has none.
func (x *Index) campaign(e *results.Event) *Campaign {
	if e.Campaign == "" {
		return nil
	}
	c, made := x.campaigns.at(e.Campaign)
	if made {
		*c = Campaign{Name: e.Campaign, First: e.At, Reasons: make(map[string]int)}
	}
	if e.At.After(c.Last) {
		c.Last = e.At
	}
	return c
}

// account adds what a segment's event says of its recipients.
func (x *Index) account(e *results.Event, reasons map[string]int) {
	j, c := x.job(e), x.campaign(e)
	counts := countsOf(e)
	j.Counts.Add(counts)
	addReasons(j.Reasons, reasons)
	if c == nil {
		c = &Campaign{Reasons: map[string]int{}} // counted for nobody
	}
	c.Counts.Add(counts)
	addReasons(c.Reasons, reasons)
	if e.Segments > j.Segments {
		c.Segments += e.Segments - j.Segments
		j.Segments = e.Segments
	}
	if e.Segments == 1 && e.Totals != nil {
		j.Total = e.Totals.Recipients
	}
	if e.Kind == results.KindDead && !j.Dead {
		j.Dead = true
		c.Dead++
	}
	if e.Requeued && e.Kind == results.KindSegment && j.Dead {
		j.Dead = false
		c.Dead--
	}
	if _, ok := j.settled[e.Segment]; !ok && e.Retry == nil && len(j.settled) < maxSegmentsSeen {
		j.settled[e.Segment] = struct{}{}
		j.Settled++
		c.Settled++
	}
	if (e.Done || j.Settled == j.Segments) && !j.Done {
		j.Done = true
		c.Done++
	}
}

// finish takes the totals of a job, which are right also where events of it were not seen.
func (x *Index) finish(j *Job, e *results.Event) {
	all := totalsOf(e.Totals)
	j.Total = e.Totals.Recipients
	c := x.campaign(e)
	if c == nil {
		c = &Campaign{}
	}
	c.Counts.Add(all.since(j.Counts))
	j.Counts = all
	segments := max(e.Segments, j.Segments, 1)
	c.Segments += segments - j.Segments
	c.Settled += segments - j.Settled
	j.Segments, j.Settled = segments, segments
	if !j.Done {
		j.Done = true
		c.Done++
	}
}

// mark remembers which recipients an event names, for the search.
func (x *Index) mark(e *results.Event) {
	left := marksPerEvent
	put := func(token string, index int, what string) {
		if left--; left < 0 || token == "" {
			return
		}
		key := markKey(token)
		if len(x.marked) < maxMarks {
			x.marked = append(x.marked, key)
		} else {
			gone := x.marked[x.oldest]
			if rest := x.marks[gone]; len(rest) > 1 {
				x.marks[gone] = rest[1:]
			} else {
				delete(x.marks, gone)
			}
			x.marked[x.oldest] = key
			x.oldest = (x.oldest + 1) % maxMarks
		}
		x.marks[key] = append(x.marks[key], Mark{Event: e.ID, Index: index, What: what, At: e.At})
	}
	for i := range e.Failures {
		put(e.Failures[i].Token, e.Failures[i].Index, e.Failures[i].Reason)
	}
	for i := range e.ExpiredTokens {
		put(e.ExpiredTokens[i].Token, e.ExpiredTokens[i].Index, e.ExpiredTokens[i].Reason)
	}
	for _, c := range e.CanonicalIDs {
		put(c.OldID, c.Index, "canonical ID")
		put(c.NewID, c.Index, "canonical ID")
	}
	for _, u := range e.Uncertain {
		put(u.Token, u.Index, "uncertain: "+u.Reason)
	}
}

// markKey is the fingerprint under which a recipient is searched for: the same that logs and pages show.
func markKey(token string) string { return jobs.NewToken(token).Fingerprint() }

// Marks are the events that name a recipient, newest first. The search is for a token or its fingerprint.
func (x *Index) Marks(text string) []Mark {
	x.mu.Lock()
	defer x.mu.Unlock()
	found := slices.Clone(x.marks[text])
	if len(found) == 0 {
		found = slices.Clone(x.marks[markKey(text)])
	}
	slices.Reverse(found)
	return found
}

// Events returns remembered events that ok chooses, newest first, n at most.
func (x *Index) Events(n int, ok func(*Entry) bool) []Entry {
	x.mu.Lock()
	defer x.mu.Unlock()
	var found []Entry
	for i := range x.ring {
		at := (x.next + len(x.ring) - 1 - i + len(x.ring)) % len(x.ring)
		if e := &x.ring[at]; ok(e) {
			if found = append(found, *e); len(found) == n {
				break
			}
		}
	}
	return found
}

// Campaigns lists the campaigns, those that something happened to last first.
func (x *Index) Campaigns() []Campaign {
	x.mu.Lock()
	defer x.mu.Unlock()
	var all []Campaign
	x.campaigns.each(func(c *Campaign) { all = append(all, c.copy()) })
	slices.SortFunc(all, func(a, b Campaign) int { return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Name, b.Name)) })
	return all
}

// Campaign returns one, and its jobs, those that something happened to last first.
func (x *Index) Campaign(name string) (c Campaign, list []Job, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	found := x.campaigns.get(name)
	if found == nil {
		return Campaign{}, nil, false
	}
	x.jobs.each(func(j *Job) {
		if j.Campaign == name {
			list = append(list, j.copy())
		}
	})
	sortJobs(list)
	return found.copy(), list, true
}

// Jobs returns the jobs that ok chooses, those that something happened to last first, n at most.
func (x *Index) Jobs(n int, ok func(*Job) bool) []Job {
	x.mu.Lock()
	defer x.mu.Unlock()
	var list []Job
	x.jobs.each(func(j *Job) {
		if ok(j) {
			list = append(list, j.copy())
		}
	})
	sortJobs(list)
	return list[:min(len(list), n)]
}

func sortJobs(list []Job) {
	slices.SortFunc(list, func(a, b Job) int { return cmp.Or(b.latest().Compare(a.latest()), cmp.Compare(a.Job, b.Job)) })
}

func (c *Campaign) copy() Campaign {
	d := *c
	d.Reasons = maps.Clone(c.Reasons)
	d.Apps = slices.Clone(c.Apps)
	return d
}

func (j *Job) copy() Job {
	d := *j
	d.Reasons, d.settled = maps.Clone(j.Reasons), nil
	return d
}
