package dash

import (
	"cmp"
	"slices"
	"time"

	"github.com/volleypush/volley/jobs"
)

// What a job that lies in the queues is doing there: the words of the command line.
const (
	waitQueued    = "queued"
	waitScheduled = "scheduled"
	waitPaused    = "paused"
	waitCancelled = "cancelled"
	waitRunning   = "running"
)

// waitWords are these states in the order in which they are shown, with the look of each.
func waitWords() []struct{ State, Says, Class string } {
	return []struct{ State, Says, Class string }{
		{waitPaused, "paused", "warn"}, {waitCancelled, "cancelled", "bad"}, {waitScheduled, "for later", ""}, {waitQueued, "queued", ""}, {waitRunning, "under way", ""},
	}
}

// waits are how many jobs without an event are in which state.
type waits map[string]int

// waitMark is one of them for people.
type waitMark struct {
	Class, Says string
	Jobs        int
}

// Marks are the states that there are.
func (w waits) Marks() (marks []waitMark) {
	for _, word := range waitWords() {
		if n := w[word.State]; n > 0 {
			marks = append(marks, waitMark{word.Class, word.Says, n})
		}
	}
	return marks
}

// mark is the state of a job in the queues; nil for one that is not there, and for what goes without saying.
func (j *Job) mark() *waitMark {
	for _, word := range waitWords() {
		if word.State == j.Wait && word.State != waitRunning {
			return &waitMark{word.Class, word.Says, 1}
		}
	}
	return nil
}

// waiting is what was last said of the queues.
func (s *Server) waiting() Waiting {
	w, _ := s.Broker.Waiting() // a broker that is silent is told of on the front page
	return w
}

// job is a job of which nothing is known but that it waits.
func (w *WaitingJob) job() Job {
	return Job{JobKey: w.JobKey, Campaign: w.Campaign, Total: w.Recipients, Wait: w.State, Published: w.Published, DeliverAt: w.DeliverAt}
}

// segments is about how many segments it will have.
func (w *WaitingJob) segments() int {
	return max(1, (w.Recipients+jobs.MaxSegmentRecipients-1)/jobs.MaxSegmentRecipients)
}

// latest is when something was last heard of the job, or of the campaign.
func (j *Job) latest() time.Time { return later(j.Last, j.Published) }

func (c *Campaign) latest() time.Time { return later(c.Last, c.Published) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// joinCampaigns puts what lies in the queues to what the events tell of the campaigns: jobs without an event count, and so do campaigns that have no others.
func (x *Index) joinCampaigns(w Waiting) []Campaign {
	all := x.Campaigns()
	at := make(map[string]int, len(all))
	for i := range all {
		at[all[i].Name] = i
	}
	for i := range w.Jobs {
		j := &w.Jobs[i]
		if j.Campaign == "" || x.has(j.JobKey) {
			continue
		}
		n, ok := at[j.Campaign]
		if !ok {
			n = len(all)
			at[j.Campaign] = n
			all = append(all, Campaign{Name: j.Campaign})
		}
		all[n].expect(j)
	}
	slices.SortStableFunc(all, func(a, b Campaign) int { return cmp.Or(b.latest().Compare(a.latest()), cmp.Compare(a.Name, b.Name)) })
	return all
}

// expect counts a job of which no event has come.
func (c *Campaign) expect(j *WaitingJob) {
	c.Jobs++
	c.Segments += j.segments()
	c.Expected += j.Recipients
	c.Published = later(c.Published, j.Published)
	if c.Waits == nil {
		c.Waits = waits{}
	}
	c.Waits[j.State]++
	c.addApp(j.JobKey)
}

// addApp notes that the campaign has jobs of the app.
func (c *Campaign) addApp(key JobKey) {
	if app := string(key.Platform) + "/" + key.App; !slices.Contains(c.Apps, app) && len(c.Apps) < maxReasons {
		c.Apps = append(c.Apps, app)
		slices.Sort(c.Apps)
	}
}

// joinJobs puts the jobs in the queues that ok chooses to a list of jobs that the events tell of, and says of those in the list which wait for somebody. The
// list comes back in order.
func (x *Index) joinJobs(list []Job, w Waiting, ok func(*Job) bool) []Job {
	at := make(map[JobKey]int, len(list))
	for i := range list {
		at[list[i].JobKey] = i
	}
	for i := range w.Jobs {
		j := w.Jobs[i].job()
		n, told := at[j.JobKey]
		switch {
		case told && (j.Wait == waitPaused || j.Wait == waitCancelled):
			list[n].Wait = j.Wait
		case !told && ok(&j) && !x.has(j.JobKey):
			list = append(list, j)
		}
	}
	sortJobs(list)
	return list
}

// has says whether events of the job were seen.
func (x *Index) has(key JobKey) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.jobs.get(key) != nil
}
