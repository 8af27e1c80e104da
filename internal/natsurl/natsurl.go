// Package natsurl reads the addresses of NATS servers as people give them: one, or several separated by commas, each with or
// without a scheme. A user's password or a token may be anywhere in them, so whoever shows an address shows it through here.
package natsurl

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// redacted stands for what is not shown.
const redacted = "[redacted]"

// schemes are those that a NATS client speaks. It takes any other for nats.
var schemes = []string{"nats", "tls", "ws", "wss"}

// Check says what is wrong with the first address that can't be used. The error reads on from "the address can't be used:"
// and does not show the address.
func Check(addresses string) error {
	for i, server := range strings.Split(addresses, ",") {
		parsed, err := parse(strings.TrimSpace(server))
		if err != nil {
			return fmt.Errorf("its server %d is %w", i+1, err)
		}
		if !slices.Contains(schemes, parsed.Scheme) {
			return fmt.Errorf("its server %d has the scheme %q instead of nats, tls, ws or wss", i+1, parsed.Scheme)
		}
	}
	return nil
}

// Readable is the addresses for people, with what is certainly no secret: scheme, host and port of each.
func Readable(addresses string) string {
	servers := strings.Split(addresses, ",")
	shown := make([]string, len(servers))
	for i, server := range servers {
		shown[i] = readable(strings.TrimSpace(server))
		// A comma in a password takes the address apart: what is before it looks like a host.
		if i > 0 && strings.Contains(server, "@") && !strings.Contains(server, "://") && !strings.Contains(servers[i-1], "@") {
			shown[i-1] = redacted
		}
	}
	return strings.Join(shown, ",")
}

func readable(server string) string {
	if server == "" {
		return ""
	}
	parsed, err := parse(server)
	if err != nil {
		return redacted
	}
	host := parsed.Host
	if parsed.User != nil {
		host = redacted + "@" + host
	}
	if !strings.Contains(server, "://") {
		return host
	}
	return parsed.Scheme + "://" + host
}

// parse reads one server's address; without a scheme it is nats://.
func parse(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "nats://" + text
	}
	server, err := url.Parse(text)
	if err != nil || server.Hostname() == "" || strings.HasSuffix(server.Host, ":") {
		return nil, errors.New("not an address like nats://host:4222") // err shows the address
	}
	if port := server.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return nil, errors.New("not an address like nats://host:4222")
		}
	}
	return server, nil
}
