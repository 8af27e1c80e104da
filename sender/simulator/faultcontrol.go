package simulator

import (
	"fmt"
	"net/http"
	"time"
)

// postedFault is the body of POST /faults: a phase that begins now, or down for short.
type postedFault struct {
	Platform string   `json:"platform,omitempty"`
	For      Duration `json:"for,omitempty"`
	Answer   *Answer  `json:"answer,omitempty"`
	Fault    *Fault   `json:"fault,omitempty"`
	// Down is the same as a fault of the kind down, for that long.
	Down Duration `json:"down,omitempty"`
}

// phase is what is meant by it.
func (p *postedFault) phase() (Phase, error) {
	phase := Phase{Platform: p.Platform, For: p.For, Answer: p.Answer, Fault: p.Fault}
	switch {
	case p.Down != 0 && (p.For != 0 || p.Answer != nil || p.Fault != nil):
		return Phase{}, fmt.Errorf("down goes with platform only")
	case p.Down != 0:
		phase.For, phase.Fault = p.Down, &Fault{Kind: Down}
	case p.Answer == nil && p.Fault == nil:
		return Phase{}, fmt.Errorf("it needs down, fault or answer")
	}
	return phase, nil
}

func postFault(w http.ResponseWriter, r *http.Request, scripts *Scripts) {
	var body postedFault
	data, err := readScript(r.Body)
	if err == nil {
		err = decode(data, &body)
	}
	var phase Phase
	if err == nil {
		phase, err = body.phase()
	}
	if err == nil {
		err = scripts.Post(phase)
	}
	if err != nil {
		http.Error(w, "faults: "+err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, scripts.Faults())
}

// FaultReport is what GET /faults shows.
type FaultReport struct {
	// At is when it was made; Began is when the script came into force.
	At    time.Time `json:"at"`
	Began time.Time `json:"began"`
	// Faults are those of the script, its phases, and what was posted.
	Faults []FaultState `json:"faults"`
	// Servers are the endpoints that follow the scripts.
	Servers []ServerState `json:"servers"`
}

// FaultState is one fault or phase.
type FaultState struct {
	// Name is where it stands: "fault 2", "phase 1", "posted 1".
	Name     string `json:"name"`
	Platform string `json:"platform,omitempty"`
	// Active says whether it is its time. Faults that count requests always are.
	Active bool       `json:"active"`
	From   time.Time  `json:"from"`
	Until  *time.Time `json:"until,omitempty"`
	// Strikes is how often it has struck.
	Strikes int64   `json:"strikes"`
	Fault   *Fault  `json:"fault,omitempty"`
	Answer  *Answer `json:"answer,omitempty"`
}

// ServerState is one simulator in numbers.
type ServerState struct {
	Name     string `json:"name"`
	Platform string `json:"platform"`
	Addr     string `json:"addr"`
	// Listening is false while it is down.
	Listening bool `json:"listening"`
	// Accepted is how many connections there have been; Open how many there are.
	Accepted int64 `json:"accepted"`
	Open     int   `json:"open"`
	// Requests is how many arrived complete.
	Requests int64 `json:"requests"`
	// RefusedStreams were over the limit of streams; ExcessStreams of them over any limit the client can have known, which
	// is its mistake. Mistakes counts the other ones against HTTP/2.
	RefusedStreams int64 `json:"refused_streams"`
	ExcessStreams  int64 `json:"excess_streams"`
	Mistakes       int64 `json:"mistakes"`
}

// Faults reports on the faults in force and the endpoints they may strike.
func (s *Scripts) Faults() FaultReport {
	now, current := time.Now(), s.state()
	report := FaultReport{At: now, Began: current.began, Faults: []FaultState{}, Servers: []ServerState{}}
	for _, n := range current.entries {
		state := FaultState{
			Name: n.name, Platform: n.platform, Active: n.holds(n.platform, now), From: n.from, Strikes: n.strikes.Load(), Fault: n.fault, Answer: n.answer,
		}
		if !n.until.IsZero() {
			state.Until = &n.until
		}
		report.Faults = append(report.Faults, state)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.endpoints {
		report.Servers = append(report.Servers, e.State())
	}
	return report
}

// State is the endpoint in numbers.
func (e *Endpoint) State() ServerState {
	e.mu.Lock()
	defer e.mu.Unlock()
	return ServerState{
		Name: e.options.Name, Platform: e.options.Platform, Addr: e.Addr(), Listening: e.listener != nil, Accepted: e.accepted.Load(), Open: len(e.links),
		Requests: e.stats.Requests.Load(), RefusedStreams: e.stats.Refused.Load(), ExcessStreams: e.stats.Excess.Load(), Mistakes: e.stats.Mistakes.Load(),
	}
}
