package dash

import (
	"net/http"
	"strings"

	"github.com/volleypush/volley/jobs"
)

// maxSearch is the longest text that is searched for: the longest registration ID, and some.
const maxSearch = jobs.MaxRegistrationIDBytes + 100

// search looks for a job, a campaign or a recipient.
func (s *Server) search(r *http.Request) (*page, error) {
	text := cut(strings.TrimSpace(r.URL.Query().Get("q")), maxSearch)
	x, w := s.events.look(), s.waiting()
	found := struct {
		Text      string
		Campaigns []campaignRow
		Jobs      []jobRow
		Stored    []JobKey
		Token     string
		Marks     []Mark
		Cover     coverage
		Trouble   bool
	}{Text: text, Cover: covers(x).partly(w)}
	if text != "" {
		for _, c := range x.joinCampaigns(w) {
			if strings.Contains(c.Name, text) && len(found.Campaigns) < shownLoose {
				found.Campaigns = append(found.Campaigns, campaignRow{Campaign: c, Bar: barOf(c.Settled, c.Segments, c.Counts)})
			}
		}
		exactly := func(j *Job) bool { return j.Job == text }
		partly := func(j *Job) bool { return strings.Contains(j.Job, text) && !exactly(j) }
		list := append(x.joinJobs(x.Jobs(shownLoose, exactly), w, exactly), x.joinJobs(x.Jobs(shownLoose, partly), w, partly)...)
		list = list[:min(len(list), shownLoose)]
		found.Jobs = jobRows(list)
		if plainName(text) && len(text) <= maxName {
			keys, err := s.Broker.JobsByID(r.Context(), text)
			if err != nil {
				s.Log.Warn().Err(err).Msg("stored jobs can't be searched for")
				found.Trouble = true
			}
			for _, key := range keys {
				if !hasJob(list, key) {
					found.Stored = append(found.Stored, key)
				}
			}
		}
		found.Marks = x.Marks(text)
		found.Token = markKey(text)
		if strings.HasPrefix(text, "token:") {
			found.Token = text
		}
	}
	return &page{Title: "Search", Search: text, Still: true, Parts: []part{{ID: "found", Template: "found", Data: found}}}, nil
}

func hasJob(list []Job, key JobKey) bool {
	for i := range list {
		if list[i].JobKey == key {
			return true
		}
	}
	return false
}
