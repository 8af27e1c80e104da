package dash

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"
)

const (
	// shownCampaigns, shownJobs, shownLoose and shownEvents are how many rows a page has.
	shownCampaigns = 100
	shownJobs      = 100
	shownLoose     = 20
	shownEvents    = 100
)

// coverage says on a page what its figures are made of.
type coverage struct {
	Since  time.Time
	Events uint64
	Known  bool
	// Partial says that more lies in the queues than was looked at.
	Partial bool
}

// partly is the coverage with what the queues add.
func (c coverage) partly(w Waiting) coverage {
	c.Partial = w.Partial
	return c
}

func covers(x *Index) coverage {
	since, events, known := x.Since()
	return coverage{Since: since, Events: events, Known: known}
}

// reason is one row of why recipients did not get their push.
type reason struct {
	Text  string
	Count int
	Share string
}

func reasonRows(reasons map[string]int) []reason {
	all := 0
	rows := make([]reason, 0, len(reasons))
	for text, n := range reasons {
		rows = append(rows, reason{Text: text, Count: n})
		all += n
	}
	for i := range rows {
		rows[i].Share = share(rows[i].Count, all)
	}
	slices.SortFunc(rows, func(a, b reason) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Text, b.Text)) })
	return rows
}

// bar is a progress bar, in parts of a hundred.
type bar struct {
	Good, Bad float64
	Says      string
}

// barOf is the bar of so many settled segments out of all, and of what became of their recipients.
func barOf(settled, segments int, c Counts) bar {
	if segments == 0 || c.All() == 0 {
		return bar{Says: "nothing is done yet"}
	}
	done := 100 * min(float64(settled)/float64(segments), 1)
	good := done * float64(c.Sent) / float64(c.All())
	// Rounding may make the difference negative, which a browser complains of.
	return bar{Good: good, Bad: max(done-good, 0), Says: fmt.Sprintf("%.0f %% done, %s sent, %s not", done, grouped(fmt.Sprint(c.Sent)), grouped(fmt.Sprint(c.Bad())))}
}

// X is where the bad part begins.
func (b bar) X() float64 { return b.Good }

// campaignRow is a campaign in the list.
type campaignRow struct {
	Campaign
	Bar               bar
	Paused, Cancelled bool
}

// campaigns lists the campaigns that events were seen of, and those of which jobs wait.
func (s *Server) campaigns(r *http.Request) (*page, error) {
	x := s.events.look()
	w := s.waiting()
	all := x.joinCampaigns(w)
	orders, err := s.orders(r.Context())
	if err != nil {
		s.Log.Debug().Err(err).Msg("the orders can't be read for a page")
	}
	rows := make([]campaignRow, 0, min(len(all), shownCampaigns))
	for _, c := range all[:min(len(all), shownCampaigns)] {
		row := campaignRow{Campaign: c, Bar: barOf(c.Settled, c.Segments, c.Counts)}
		for _, o := range orders {
			if o.Campaign == c.Name && o.Job == "" {
				row.Paused, row.Cancelled = row.Paused || o.Kind == "pause", row.Cancelled || o.Kind == "cancel"
			}
		}
		rows = append(rows, row)
	}
	alone := func(j *Job) bool { return j.Campaign == "" }
	loose := x.joinJobs(x.Jobs(shownLoose, alone), w, alone)
	return &page{Title: "Campaigns", Here: "/campaigns", Parts: []part{
		{ID: "orders", Template: "orders", Data: orders},
		{ID: "campaigns", Template: "campaigns", Data: struct {
			Rows  []campaignRow
			All   int
			Cover coverage
		}{rows, len(all), covers(x).partly(w)}},
		{ID: "loose", Template: "loose", Data: jobRows(loose[:min(len(loose), shownLoose)])},
	}}, nil
}

// campaign is one campaign: its progress, why recipients failed, its jobs.
func (s *Server) campaign(r *http.Request) (*page, error) {
	name := r.URL.Query().Get("name")
	if name == "" || len(name) > maxName {
		return nil, fmt.Errorf("%w: name a campaign", ErrAbsent)
	}
	x, w := s.events.look(), s.waiting()
	_, list, _ := x.Campaign(name)
	list = x.joinJobs(list, w, func(j *Job) bool { return j.Campaign == name })
	c, seen := Campaign{Name: name}, false
	for _, one := range x.joinCampaigns(w) {
		if one.Name == name {
			c, seen = one, true
		}
	}
	return &page{Title: "Campaign " + name, Here: "/campaigns", Parts: []part{
		{ID: "campaign", Template: "campaign", Data: struct {
			Campaign
			Seen  bool
			Bar   bar
			Cover coverage
		}{c, seen, barOf(c.Settled, c.Segments, c.Counts), covers(x).partly(w)}},
		{ID: "control", Template: "control", Data: s.controls(r.Context(), Scope{Campaign: name}, link("/campaign", "name", name), seen && c.Done == c.Jobs)},
		{ID: "reasons", Template: "reasons", Data: reasonRows(c.Reasons)},
		{ID: "jobs", Template: "jobs", Data: struct {
			Rows []jobRow
			All  int
		}{jobRows(list[:min(len(list), shownJobs)]), len(list)}},
	}}, nil
}
