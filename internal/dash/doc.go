// Package dash is the web page of a worker: the whole fleet, its apps, campaigns, events and dead letters, on any replica.
//
// Workers tell each other how they are (State) once a second on core NATS; every worker that serves a page keeps the fleet's last
// hour of it (Fleet) in rings of fixed size, and one that has just started asks another for what it missed. What became of jobs is
// read from the events (Index), but only while somebody looks. Pages are rendered here, with html/template, and work without
// JavaScript; with it, the parts that changed come by themselves (live.go). Nothing is fetched from another host.
//
// What the pages need of the broker and of the process stands in ports.go; internal/app brings it.
package dash
