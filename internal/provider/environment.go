package provider

import (
	"fmt"
	"sync"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// Device tokens of the sandbox are refused in production one by one, with BadDeviceToken, and the other way round: a mistake in the
// configuration looks as if every recipient were bad (apns-http2 §11). Nobody must delete recipients because of it.

const (
	// suspectAnswers is how many answers it takes before a share says anything.
	suspectAnswers = 200
	// suspectShare is the share of refused tokens above which the environment is suspected: one in five.
	suspectShare = 5
	// clearShare is the share below which it is not any more: one in ten.
	clearShare = 10
	// rememberedAnswers is when older answers begin to count half.
	rememberedAnswers = 2000
)

// environment watches how many device tokens Apple does not know. Safe for concurrent use.
type environment struct {
	mu         sync.Mutex
	answers    int
	unknown    int
	suspected  bool
	suspicious map[string]*sender.Reason // rows that no longer ask for deletion, by name
}

func newEnvironment() *environment { return &environment{suspicious: map[string]*sender.Reason{}} }

// judge counts the answers of a call. While the environment is suspected, no answer asks for the deletion of a token, those of the
// call that raised the suspicion included.
func (a *apnsApp) judge(answers []sender.Outcome) {
	if detail := a.environment.judge(answers); detail != "" && a.WrongEnvironment != nil {
		a.WrongEnvironment(fmt.Sprintf("app %q: %s", a.Name, detail))
	}
}

// judge returns what to tell if the suspicion is new.
func (e *environment) judge(answers []sender.Outcome) (detail string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range answers {
		switch answers[i].Class {
		case sender.Accepted, sender.Rejected, sender.Expired:
			if answers[i].Class == sender.Accepted || answers[i].Status != 0 { // what we refused ourselves says nothing
				e.count(answers[i].Reason)
			}
		case sender.BadJob, sender.Credential, sender.Transient, sender.Throttled, sender.Unsent, sender.Uncertain, sender.Unset:
		}
	}
	switch {
	case !e.suspected && e.answers >= suspectAnswers && e.unknown*suspectShare > e.answers:
		e.suspected = true
		detail = fmt.Sprintf("Apple knew %d of the last %d device tokens not at all (BadDeviceToken): probably they are of the wrong environment; "+
			"compare the app's environment (production or sandbox) with the build that the tokens come from, and delete no recipients until then", e.unknown, e.answers)
	case e.suspected && e.unknown*clearShare < e.answers:
		e.suspected = false
	}
	if e.suspected {
		e.spare(answers)
	}
	return detail
}

func (e *environment) count(reason *sender.Reason) {
	if e.answers >= rememberedAnswers {
		e.answers, e.unknown = e.answers/2, e.unknown/2
	}
	e.answers++
	if reason != nil && (reason.Name == "BadDeviceToken" || reason.Name == "InvalidToken") {
		e.unknown++
	}
}

// spare replaces the rows that ask for deletion.
func (e *environment) spare(answers []sender.Outcome) {
	for i := range answers {
		reason := answers[i].Reason
		if reason == nil || reason.Action != results.ActionDeleteToken {
			continue
		}
		spared, ok := e.suspicious[reason.Name]
		if !ok {
			row := *reason
			row.Action = results.ActionCheckEnvironment
			spared = &row
			e.suspicious[reason.Name] = spared
		}
		answers[i].Reason = spared
	}
}
