package natsembed

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// greetWait is how long a server that holds our port has for its greeting. A NATS server sends it at once.
const greetWait = 500 * time.Millisecond

// greetMax is the most bytes of a greeting that are read.
const greetMax = 64 << 10

// inUse is the sentence for an address that is taken: who has it, and what to do.
func inUse(ctx context.Context, addr string) error {
	switch name, isNATS := greet(ctx, addr); {
	case isNATS && name == ServerName:
		return fmt.Errorf("%w: the NATS server of another Volley worker runs on %s: join it with --nats-url nats://%s", ErrInUse, addr, addr)
	case isNATS:
		return fmt.Errorf("%w: a NATS server that is not a Volley worker's runs on %s: use it with --nats-url nats://%s, or choose another --nats-listen HOST:PORT", ErrInUse, addr, addr)
	default:
		return fmt.Errorf("%w: another program, no NATS server and so no Volley worker, has %s: choose another --nats-listen HOST:PORT, or name a NATS server with --nats-url nats://HOST:PORT", ErrInUse, addr)
	}
}

// greet asks who listens on addr. A NATS server speaks first: "INFO {json}".
func greet(ctx context.Context, addr string) (name string, isNATS bool) {
	ctx, cancel := context.WithTimeout(ctx, greetWait)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", false
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetReadDeadline(deadline); err != nil {
			return "", false
		}
	}
	line, err := bufio.NewReader(io.LimitReader(conn, greetMax)).ReadString('\n')
	info, isInfo := strings.CutPrefix(line, "INFO ")
	if err != nil || !isInfo {
		return "", false
	}
	var greeting struct {
		ServerName string `json:"server_name"`
	}
	if json.Unmarshal([]byte(info), &greeting) != nil {
		return "", false
	}
	return greeting.ServerName, true
}
