package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/volleypush/volley/internal/bench/peer"
)

// Scenario is one thing that is measured.
type Scenario struct {
	Name, What string
	// Provider says what is at the other end.
	Provider provider
	// Engine is the sender's, "" for the default; Connections bounds its connections, 0 is the default.
	Engine      string
	Connections int
	// Count is how many notifications are sent; Calls how many calls of a sender are under way at once.
	Count, Calls int
	// Whole is a worker with its broker, instead of a sender alone.
	Whole *whole
	// Against names the scenario whose figure this one's is divided by with --compare.
	Against string
	// Baseline is measured with --compare only.
	Baseline bool
	// Foreign sends with a program that is not ours, h2load. Where that is not installed the scenario is left out.
	Foreign bool
}

// provider is the part of peer.Options that a process can be told.
type provider struct {
	Platform  string
	Latency   time.Duration
	Record    bool
	GoneEvery int
}

// whole is what a worker's scenario adds.
type whole struct {
	// PerJob is how many recipients a job has.
	PerJob int
	// Explicit gives each job an id of its publisher's.
	Explicit bool
	// Sync has the broker write through to the disk on every write.
	Sync bool
	// Every is the pause between two jobs; 0 publishes as fast as the broker takes them.
	Every time.Duration
	// App is the job's app.
	App string
	// Workers is how many worker processes there are; 0 is one.
	Workers int
}

// million is the usual size of a run of the sender alone.
const million = 1_000_000

// Scenarios are all there are, in the order in which they are shown.
func Scenarios() []Scenario {
	apns, fcm := provider{Platform: peer.APNS}, provider{Platform: peer.GCM}
	slow := provider{Platform: peer.APNS, Latency: 50 * time.Millisecond}
	return []Scenario{
		{Name: "apns", What: "sender alone, APNs, answers at once", Provider: apns, Count: 2 * million, Calls: 8},
		{Name: "apns-nethttp", What: "the same over net/http", Provider: apns, Engine: "nethttp", Count: million / 10, Calls: 8, Against: "apns", Baseline: true},
		{Name: "apns-h2load", What: "the same with h2load (C, nghttp2), one connection", Provider: apns, Count: million / 2, Against: "apns", Baseline: true, Foreign: true},
		{Name: "apns-record", What: "sender alone, APNs, one TLS record per answer", Provider: provider{Platform: peer.APNS, Record: true}, Count: million, Calls: 8},
		{
			Name: "apns-record-h2load", What: "the same with h2load (C, nghttp2), one connection", Provider: provider{Platform: peer.APNS, Record: true},
			Count: million / 2, Against: "apns-record", Baseline: true, Foreign: true,
		},
		{Name: "apns-50ms", What: "sender alone, APNs, answers after 50 ms, 20 connections", Provider: slow, Connections: 20, Count: 2 * million, Calls: 40},
		{Name: "fcm", What: "sender alone, FCM v1, answers at once", Provider: fcm, Count: million, Calls: 8},
		{Name: "fcm-nethttp", What: "the same over net/http", Provider: fcm, Engine: "nethttp", Count: million / 10, Calls: 8, Against: "fcm", Baseline: true},
		{Name: "legacy", What: "sender alone, GCM legacy, chunks of 1,000", Provider: provider{Platform: peer.Legacy}, Count: 2 * million, Calls: 8},
		{
			Name: "worker", What: "whole worker, APNs jobs of 1,000, 1 % gone", Provider: provider{Platform: peer.APNS, GoneEvery: 100},
			Count: million, Whole: &whole{PerJob: 1000},
		},
		{Name: "worker-single", What: "whole worker, jobs of one recipient", Provider: apns, Count: 100_000, Whole: &whole{PerJob: 1}},
		{Name: "worker-explicit", What: "the same with ids of the publisher's", Provider: apns, Count: 100_000, Whole: &whole{PerJob: 1, Explicit: true}},
		{Name: "worker-fsync", What: "the same without ids, fsync on every write", Provider: apns, Count: 20_000, Whole: &whole{PerJob: 1, Sync: true}},
		{Name: "latency", What: "whole worker, idle: from publishing to the provider", Provider: apns, Count: 10_000, Whole: &whole{PerJob: 1, Every: 2 * time.Millisecond}},
		{Name: "scale-1", What: "one worker, answers after 50 ms, one connection", Provider: slow, Connections: 1, Count: 100_000, Whole: &whole{PerJob: 1000, Workers: 1}},
		{Name: "scale-4", What: "four workers, the same", Provider: slow, Connections: 1, Count: 400_000, Whole: &whole{PerJob: 1000, Workers: 4}, Against: "scale-1"},
	}
}

// choose picks scenarios by name, all of them for none; baselines only if compare is set or they are named.
func choose(names []string, compare bool) ([]Scenario, error) {
	var chosen []Scenario
	all := Scenarios()
	if len(names) == 0 {
		for _, s := range all {
			if compare || !s.Baseline {
				chosen = append(chosen, s)
			}
		}
		return chosen, nil
	}
	var known, unknown []string
	for _, s := range all {
		known = append(known, s.Name)
	}
	for _, name := range names {
		i := slices.Index(known, name)
		if i < 0 {
			unknown = append(unknown, name)
			continue
		}
		chosen = append(chosen, all[i])
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("no scenario is called %s; there are %s", strings.Join(unknown, ", "), strings.Join(known, ", "))
	}
	return chosen, nil
}
