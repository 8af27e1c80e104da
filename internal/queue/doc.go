// Package queue is Volley's side of NATS JetStream, and the only importer of its client: the streams, the pulls, the
// commits, the schedules and the dead letters. *Conn implements the ports that pipeline defines.
//
// What it relies on, and where it was measured, is written beside each rule. The three that carry the guarantees:
//
//   - An event is published with an expected last sequence of 0 on its own subject, so it is stored once, for as long as
//     results are kept. No duplicate window is involved.
//   - Everything put into PUSH_WORK expects the last sequence among all copies of its segment, so that one is alive.
//   - A delivery is heartbeated from the pull to the acknowledgement, and knows when its lease is over.
package queue
