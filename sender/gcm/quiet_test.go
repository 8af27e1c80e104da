package gcm

import (
	"io"
	"log"
)

// quiet keeps the servers of tests from printing what the tests provoke.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
