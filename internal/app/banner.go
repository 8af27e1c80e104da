package app

import (
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/volleypush/volley/jobs"
)

// Banner says that the worker is ready and how to try it: a publish from any client, one with enqueue, and the results.
func (w *Worker) Banner(out io.Writer, simulators *Simulators) {
	var apps []string
	for _, platform := range jobs.Platforms() {
		for _, name := range w.registry.Known(platform) {
			apps = append(apps, fmt.Sprintf("%s (%s)", name, platform))
		}
	}
	url := w.NATS()
	token := strings.Repeat("ab", 32)
	lines := []string{
		fmt.Sprintf("worker %q is ready: NATS %s, apps %s", w.options.Config.Worker, url, strings.Join(apps, ", ")),
		fmt.Sprintf(`  nats -s %s pub push.apns '{"message":"Hello","ids":["%s"]}' --jetstream`, url, token),
		fmt.Sprintf("  enqueue apns --nats-url %s --message Hello --to %s --wait", url, token),
		fmt.Sprintf("  enqueue results --nats-url %s --follow", url),
	}
	if addr := w.HTTP(); addr != "" {
		lines = append(lines, pageLine(addr, w.closed)+w.moved())
	}
	if simulators != nil && simulators.Control() != "" {
		lines = append(lines, "  what arrived at the simulated providers: http://"+simulators.Control()+"/ledger")
	}
	_, _ = fmt.Fprintln(out, strings.Join(lines, "\n"))
}

// pageLine says where the page is, with an address that a browser takes: a server that listens everywhere is on this machine, too.
func pageLine(addr string, closed bool) string {
	if at, err := netip.ParseAddrPort(addr); err == nil && at.Addr().IsUnspecified() {
		addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()).String()
	}
	if closed {
		return "  probes and metrics at http://" + addr + "/, no web page: others can reach it, so it needs http_token_file"
	}
	return "  see it at http://" + addr + "/"
}
