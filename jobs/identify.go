package jobs

import "encoding/json"

// Identify reads as much of a job's identity as it can from a body that Decode refused: id, app, campaign and ids, each
// only if it is well-formed by itself. It never fails; what can't be read is left empty. The result is for the dead
// letter's event and is never sent.
func Identify(p Platform, body []byte) *Job {
	job := &Job{Platform: p, OnUncertain: OnUncertainResend}
	if p == GCM {
		job.GCM = &GCMOptions{}
	} else {
		job.APNS = &APNSOptions{}
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return job
	}
	readable := func(name string, valid func(string) bool) string {
		var text string
		if json.Unmarshal(fields[name], &text) != nil || !valid(text) {
			return ""
		}
		return text
	}
	job.ID = readable("id", validID)
	job.Campaign = readable("campaign", validCampaign)
	job.App = readable("app", validApp)
	if _, given := fields["app"]; !given {
		job.App = DefaultApp
	}
	var one string
	var many []string
	switch {
	case json.Unmarshal(fields["ids"], &one) == nil:
		many = []string{one}
	case json.Unmarshal(fields["ids"], &many) != nil:
		many = nil
	}
	var recipients []struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(fields[fieldRecipients], &recipients) == nil {
		for _, r := range recipients {
			many = append(many, r.ID)
		}
	}
	for _, id := range many {
		job.IDs = append(job.IDs, NewToken(id))
	}
	return job
}
