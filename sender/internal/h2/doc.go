// Package h2 is one pipelined HTTP/2 connection of a client (RFC 9113) that costs almost nothing per request. It knows no
// provider, never dials and never sends anything twice: it says of each request exactly once what became of it, and what
// follows from that is its user's decision.
//
// A connection has one writer, which puts as many requests as it may into one large write, and one reader, which settles
// everything that one read brought before it tells the handler. Nothing is allocated and no goroutine is started per
// request: requests wait in a queue, open streams are slots of a preallocated table found by their id, the part of the
// header that requests share is encoded once, and the common answer (status 200, nothing to remember) is recognised
// without a decoder. Everything else goes through golang.org/x/net's Framer and its HPACK decoder.
//
// Where to look:
//
//	config.go    what can be set, and why a connection ends
//	conn.go      the connection: opening, queue, end
//	socket.go    what is below TLS: large reads and writes
//	template.go  what requests share, and their encoding
//	slots.go     the table of open streams
//	write.go     the writer
//	read.go      the reader and its quick path
//	block.go     the recogniser of common header blocks
//	frames.go    every other frame
//	header.go    every other header block
//	flow.go      windows, SETTINGS
//	health.go    PING, writes that hang
//	answer.go    what the handler is told
package h2
