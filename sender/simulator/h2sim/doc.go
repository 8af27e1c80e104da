// Package h2sim is the server's side of HTTP/2 (RFC 9113) for simulators: a connection that can be told to misbehave,
// which the servers of net/http cannot, and that costs little per request, because it is the other end of benchmarks.
//
// It is built on the framer and the header compression of golang.org/x/net and knows no provider and no script. Per
// connection there is one reader, which answers on the spot, and one writer, which puts everything that was answered
// meanwhile into one write; answers that take time are timers.
//
// It is strict where a server may be: header blocks, stream ids, flow control and content-length are checked, and a
// client's mistake is answered with the error that RFC 9113 names and counted in Stats. It accepts CONTINUATION, padding,
// PRIORITY (which it ignores, as Apple says it does) and frames of unknown types. Not implemented: pushes, CONNECT,
// trailers of requests (they are read and dropped) and upgrades from HTTP/1.1.
package h2sim
