// Package bench is `worker bench`: it measures what a notification costs, from the sender alone to the whole worker, with figures that
// anybody can repeat. Provider, broker, publisher and what is measured are processes of their own, all of this program, so that the
// processor time of one is not the others'. Ratios are measured in one run, because two runs on a shared machine are not alike.
//
//	scenario.go   what is measured
//	run.go        one run of one scenario: starts the processes, waits, collects
//	part.go       the processes: how they are started, asked and ended
//	send.go       the process that is a sender alone
//	h2load.go     a sender that is not ours, to compare with
//	work.go       the process that is a whole worker
//	supply.go     the processes that are a provider and a broker
//	table.go      what is printed
//	control.go    what is measured of people's orders, and rate.go of an app's rate
package bench
