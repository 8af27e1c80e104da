package dash

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/volleypush/volley/jobs"
)

const (
	// oldWork is how old the oldest waiting message may be before the front page speaks of it.
	oldWork = time.Minute
	// soonExpired is how long before its end a credential is spoken of.
	soonExpired = 30 * 24 * time.Hour
	// manyBad is the share of recipients that may fail lately before the front page speaks of it, from someBad of them each second on.
	manyBad = 0.2
	someBad = 1.0
)

// concern is something that a person should look at, with what to do.
type concern struct {
	// Grave says that pushes do not flow because of it.
	Grave      bool
	What, Then string
	// To is the page that says more; "" for none.
	To string
}

// figure is one number of the front page.
type figure struct {
	Name, Value, Unit, Note string
	To                      string
	Bad                     bool
}

// overview is the front page: whether pushes flow, and what to do if not.
func (s *Server) overview(*http.Request) (*page, error) {
	now := s.Now()
	workers, lately, hour := s.Fleet.Workers(), s.Fleet.Lately(), s.Fleet.Hour()
	load, known := s.Broker.Backlog()
	apps := appsOf(workers, hour, now)
	concerns := concernsOf(workers, apps, lately, load, known, now)
	verdict := struct {
		Says     string
		Good     bool
		Concerns []concern
	}{Concerns: concerns, Good: !slices.ContainsFunc(concerns, func(c concern) bool { return c.Grave })}
	switch {
	case !verdict.Good:
		verdict.Says = "Something needs you"
	case lately.Sent+lately.Bad > 0:
		verdict.Says = "Pushes flow"
	case load.waiting() > 0:
		verdict.Says = "Jobs wait"
	default:
		verdict.Says = "Ready, nothing to send"
	}
	return &page{
		Title: "Overview", Here: "/",
		Parts: []part{
			{ID: "verdict", Template: "verdict", Data: verdict},
			{ID: "figures", Template: "figures", Data: figuresOf(workers, lately, hour, load, known)},
			{ID: "charts", Template: "charts", Data: []chart{throughput(hour, lately, now), latency(hour)}},
			{ID: "queues", Template: "queues", Data: struct {
				Known bool
				Rows  []Queue
				All   int
				App   bool
			}{known, busy(load.Queues), len(load.Queues), true}},
			{ID: "workers", Template: "workers", Data: workers},
		},
	}, nil
}

// waiting is how many messages wait or are under way.
func (b Backlog) waiting() (n int) {
	for _, q := range b.Queues {
		n += q.Waiting + q.InFlight
	}
	return n
}

// busy are the queues that have something, the lanes of published jobs always.
func busy(all []Queue) (rows []Queue) {
	for _, q := range all {
		if q.App == "" || q.Waiting+q.InFlight > 0 {
			rows = append(rows, q)
		}
	}
	slices.SortFunc(rows, func(a, b Queue) int {
		return cmp.Or(cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.App, b.App), cmp.Compare(slices.Index(jobs.Lanes(), a.Lane), slices.Index(jobs.Lanes(), b.Lane)))
	})
	return rows
}

func figuresOf(workers []Worker, lately Lately, hour []bucket, load Backlog, known bool) []figure {
	var all Counts
	var took Histogram
	for i := range hour {
		all.Add(hour[i].Counts)
		took.add(hour[i].Latency)
	}
	living := 0
	for i := range workers {
		if !workers[i].Lost && !workers[i].Gone {
			living++
		}
	}
	bad := figure{Name: "Not sent", Value: rateText(lately.Bad), Unit: "/s", Note: "none in the last hour", To: "/events?kind=segment&bad=yes"}
	if all.Bad() > 0 {
		bad.Note = grouped(fmt.Sprint(all.Bad())) + " in the last hour, " + share(all.Bad(), all.All())
	}
	answers := figure{Name: "Latency", Value: quantileText(lately.Latency, 0.99), Note: "99 of 100 calls of a provider; median " + quantileText(lately.Latency, 0.5)}
	if _, now := lately.Latency.quantile(0.5); !now {
		answers.Note = "no call of a provider just now"
		if _, known := took.quantile(0.5); known {
			answers.Note += "; in the last hour " + quantileText(took, 0.99) + ", median " + quantileText(took, 0.5)
		}
	}
	waiting := figure{Name: "Waiting", Value: "–", Note: "the broker does not say"}
	letters := figure{Name: "Dead letters", Value: "–", Note: "the broker does not say", To: "/dead"}
	if known {
		oldest := time.Duration(0)
		for _, q := range load.Queues {
			oldest = max(oldest, q.Age)
		}
		waiting.Value, waiting.Note = grouped(fmt.Sprint(load.waiting())), "messages; the oldest is "+spanText(oldest)+" old"
		if load.waiting() == 0 {
			waiting.Note = "the queues are empty"
		}
		letters.Value, letters.Note = grouped(fmt.Sprint(load.Letters)), "none wait for a decision"
		if load.Letters > 0 {
			letters.Note, letters.Bad = "requeue or drop them", true
		}
	}
	return []figure{
		{Name: "Sent", Value: rateText(lately.Sent), Unit: "/s", Note: grouped(fmt.Sprint(all.Sent)) + " in the last hour"},
		bad, answers, waiting, letters,
		{Name: "Workers", Value: fmt.Sprint(living), Note: roll(workers)},
	}
}

// roll says how the workers are.
func roll(workers []Worker) string {
	lost, gone, trouble := 0, 0, 0
	for i := range workers {
		switch {
		case workers[i].Gone:
			gone++
		case workers[i].Lost:
			lost++
		case workers[i].Trouble != "":
			trouble++
		}
	}
	var says []string
	for _, one := range []struct {
		n    int
		what string
	}{{lost, "lost"}, {trouble, "in trouble"}, {gone, "ended lately"}} {
		if one.n > 0 {
			says = append(says, fmt.Sprintf("%d %s", one.n, one.what))
		}
	}
	if len(says) == 0 {
		return "all of them well"
	}
	return strings.Join(says, ", ")
}

// concernsOf is everything that a person should look at, the gravest first.
func concernsOf(workers []Worker, apps []app, lately Lately, load Backlog, known bool, now time.Time) (list []concern) {
	if !known {
		list = append(list, concern{true, "The broker does not answer", "Nothing is lost; workers go on when it is back. Look at the NATS server's log and disk.", ""})
	}
	for i := range workers {
		w := &workers[i]
		switch {
		case w.Lost:
			list = append(list, concern{false, "Worker " + w.Worker + " is lost", "It was heard " + spanText(now.Sub(w.Heard)) + " ago and did not say goodbye. What it had in flight goes to others after the ack wait; look at its log.", ""})
		case !w.Gone && w.Trouble != "":
			list = append(list, concern{true, "Worker " + w.Worker + ": " + w.Trouble, "Its log says more.", ""})
		}
	}
	for i := range apps {
		a := &apps[i]
		if a.Open {
			list = append(list, concern{true, "App " + a.App + " can't send to " + a.Provider(), a.Cause + ". Its jobs wait and lose no attempts; it is tried again " + momentOf(a.Until, now).Text + ".", "/apps"})
		}
		if left := a.Expires.Sub(now); !a.Expires.IsZero() && left < soonExpired {
			what := "The certificate of app " + a.App + " expires in " + spanText(left)
			if left <= 0 {
				what = "The certificate of app " + a.App + " has expired"
			}
			list = append(list, concern{left <= 0, what, "Make a new one and replace the file; it is taken without a restart.", "/apps"})
		}
	}
	for _, q := range load.Queues {
		if q.Age > oldWork && q.Waiting > 0 {
			of := "Jobs for " + string(q.Platform)
			if q.App != "" {
				of = "Work of app " + q.App + " (" + string(q.Platform) + ")"
			}
			then := "Start more workers, or see below whether its app can send."
			if q.App != "" && !slices.ContainsFunc(apps, func(a app) bool { return a.Platform == q.Platform && a.App == q.App }) {
				then = "No worker that is heard has this app: put its credentials into the configuration of one, or its jobs become dead letters."
			}
			list = append(list, concern{false, of + " in the " + string(q.Lane) + " lane waits since " + spanText(q.Age), then, ""})
		}
	}
	if lately.Bad >= someBad && lately.Bad > manyBad*(lately.Sent+lately.Bad) {
		list = append(list, concern{false, share(lately.Bad, lately.Sent+lately.Bad) + " of the recipients don't get their push", "The reasons stand with the events.", "/events?kind=segment&bad=yes"})
	}
	slices.SortStableFunc(list, func(a, b concern) int {
		switch {
		case a.Grave == b.Grave:
			return 0
		case a.Grave:
			return -1
		}
		return 1
	})
	return list
}
