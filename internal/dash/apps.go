package dash

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/volleypush/volley/jobs"
)

// app is one app on one platform, put together of what all workers say of it.
type app struct {
	AppState
	// Workers is how many have it, OpenAt in how many its breaker is open.
	Workers, OpenAt int
	// Differs says that workers have it with different credentials or endpoints.
	Differs bool
	// Counts are of the last hour; Spark is the path of its throughput.
	Hour  Counts
	Spark string
	// Left is how long its credential is good for; Soon says that this is not long.
	Left time.Duration
	Soon bool
	// Queues is what waits for it.
	Waiting int
	Age     time.Duration
}

// BacklogFull is how full the app's backlog is, in percent; 0 if that is not known or not worth a word.
func (a *app) BacklogFull() int64 {
	if a.BacklogLimit <= 0 || a.Backlog < a.BacklogLimit/10 {
		return 0
	}
	return min(a.Backlog/max(a.BacklogLimit/100, 1), 100)
}

// Provider is who is sent to.
func (a *app) Provider() string {
	if a.Platform == jobs.APNS {
		return "Apple"
	}
	return "Google"
}

// apps lists the apps of the whole fleet.
func (s *Server) apps(*http.Request) (*page, error) {
	list := appsOf(s.Fleet.Workers(), s.Fleet.Hour(), s.Now())
	load, _ := s.Broker.Backlog()
	for i := range list {
		for _, q := range load.Queues {
			if q.Platform == list[i].Platform && q.App == list[i].App {
				list[i].Waiting += q.Waiting + q.InFlight
				list[i].Age = max(list[i].Age, q.Age)
			}
		}
	}
	return &page{Title: "Apps", Here: "/apps", Parts: []part{{ID: "apps", Template: "apps", Data: list}}}, nil
}

// appsOf puts the apps together.
func appsOf(workers []Worker, hour []bucket, now time.Time) []app {
	found := make(map[string]*app)
	for i := range workers {
		if workers[i].Lost || workers[i].Gone {
			continue
		}
		for _, a := range workers[i].Apps {
			sum := found[a.key()]
			if sum == nil {
				found[a.key()] = &app{AppState: a, Workers: 1, OpenAt: btoi(a.Open)}
				continue
			}
			sum.join(&a)
		}
	}
	list := make([]app, 0, len(found))
	for key, a := range found {
		values := make([]float64, 0, len(hour)/6)
		for i := 0; i+6 <= len(hour); i += 6 { // a minute each
			var minute Counts
			for _, b := range hour[i : i+6] {
				minute.Add(b.Apps[key])
			}
			values = append(values, float64(minute.All()))
			a.Hour.Add(minute)
		}
		a.Spark = sparkline(values)
		if !a.Expires.IsZero() {
			a.Left = a.Expires.Sub(now)
			a.Soon = a.Left < soonExpired
		}
		list = append(list, *a)
	}
	slices.SortFunc(list, func(a, b app) int { return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Platform, b.Platform)) })
	return list
}

// join adds what another worker says of the app.
func (a *app) join(b *AppState) {
	a.Workers++
	if b.Open {
		a.OpenAt++
		if !a.Open || b.Until.Before(a.Until) {
			a.Open, a.Cause, a.Until = true, b.Cause, b.Until
		}
	}
	if b.Connections >= 0 {
		a.Connections = max(a.Connections, 0) + b.Connections
	}
	a.MaxConnections += b.MaxConnections
	a.Limit += b.Limit
	a.Backlog, a.BacklogLimit = max(a.Backlog, b.Backlog), max(a.BacklogLimit, b.BacklogLimit) // of the one queue that all put aside on
	a.Counts.Add(b.Counts)
	if !b.Expires.IsZero() && (a.Expires.IsZero() || b.Expires.Before(a.Expires)) {
		a.Expires = b.Expires
	}
	if b.Credential != a.Credential || b.Endpoint != a.Endpoint || b.Protocol != a.Protocol || b.Environment != a.Environment {
		a.Differs = true
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
