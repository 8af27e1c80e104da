//go:build chaosrun

package integration

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
)

// The three networks. Each is a bridge, whose own end belongs to this process.
const (
	toClients   = 0 // workers and this process to the brokers
	toBrokers   = 1 // the brokers among themselves
	toProviders = 2 // workers and this process to the providers
	networks    = 3
)

// address is one of a machine's on a network.
func address(network, machine int) string { return fmt.Sprintf("10.90.%d.%d", network, machine) }

// machine is a network namespace with a link into each of some networks.
type machine struct {
	name   string
	number int
}

// cable is the end of a machine's link that is plugged into the bridge: what is done to it is done from outside.
func (m machine) cable(network int) string { return fmt.Sprintf("%s-%d", m.name, network) }

// The machines: three brokers, two workers, and the providers on one of their own.
var ( //nolint:gochecknoglobals // constants
	brokerMachines  = []machine{{"n0", 10}, {"n1", 11}, {"n2", 12}}
	workerMachines  = []machine{{"w0", 20}, {"w1", 21}}
	providerMachine = machine{"sim", 30}
)

// tell gives the system an order.
func tell(t *testing.T, tool, args string) {
	t.Helper()
	if out, err := exec.Command(tool, strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", tool, args, err, out)
	}
}

// ownNetwork demands that this process has a network to itself, because it is about to make links and namespaces.
func ownNetwork(t *testing.T) {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(all, func(i net.Interface) bool { return i.Flags&net.FlagLoopback == 0 }) {
		t.Fatal("this test makes links and network namespaces, and wants a namespace of its own for that: start it with bash .ci/netns, which says what it needs")
	}
}

// plug makes the machine and its links.
func (m machine) plug(t *testing.T, networks ...int) {
	t.Helper()
	tell(t, "ip", "netns add "+m.name)
	tell(t, "ip", "-n "+m.name+" link set lo up")
	for _, n := range networks {
		tell(t, "ip", fmt.Sprintf("link add %s type veth peer name eth%d netns %s", m.cable(n), n, m.name))
		tell(t, "ip", fmt.Sprintf("link set %s master net%d up", m.cable(n), n))
		tell(t, "ip", fmt.Sprintf("-n %s address add %s/24 dev eth%d", m.name, address(n, m.number), n))
		tell(t, "ip", fmt.Sprintf("-n %s link set eth%d up", m.name, n))
	}
}

// pull takes the machine's cables out of networks, plugIn puts them back.
func (m machine) pull(t *testing.T, networks ...int) {
	t.Helper()
	for _, n := range networks {
		tell(t, "ip", "link set "+m.cable(n)+" down")
	}
}

func (m machine) plugIn(t *testing.T, networks ...int) {
	t.Helper()
	for _, n := range networks {
		tell(t, "ip", "link set "+m.cable(n)+" up")
	}
}

// narrow lets no more than rate through the machine's link, in either direction; widen lets everything through again.
func (m machine) narrow(t *testing.T, network int, rate string) {
	t.Helper()
	const shape = " root tbf burst 32kbit latency 400ms rate "
	tell(t, "tc", "qdisc add dev "+m.cable(network)+shape+rate)
	tell(t, "tc", fmt.Sprintf("-n %s qdisc add dev eth%d%s%s", m.name, network, shape, rate))
}

func (m machine) widen(t *testing.T, network int) {
	t.Helper()
	tell(t, "tc", "qdisc del dev "+m.cable(network)+" root")
	tell(t, "tc", fmt.Sprintf("-n %s qdisc del dev eth%d root", m.name, network))
}

// start runs a program on the machine.
func (m machine) start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	return startCommand(t, name+" on "+m.name, nil, exec.Command("ip", slices.Concat([]string{"netns", "exec", m.name, filepath.Join(bin, name)}, args)...))
}

// installation is the whole of it: a cluster and the providers, each server on a machine of its own.
type installation struct {
	*providers
	nodes []*node
}

// wire lays the cables and starts everything but the workers.
func wire(t *testing.T) *installation {
	t.Helper()
	ownNetwork(t)
	for n := range networks {
		tell(t, "ip", fmt.Sprintf("link add net%d type bridge", n))
		tell(t, "ip", fmt.Sprintf("link set net%d up", n))
		tell(t, "ip", fmt.Sprintf("address add %s/24 dev net%d", address(n, 1), n))
	}
	var routes []string
	for _, m := range brokerMachines {
		m.plug(t, toClients, toBrokers)
		routes = append(routes, fmt.Sprintf("%q", "nats-route://"+address(toBrokers, m.number)+":6222"))
	}
	for _, m := range workerMachines {
		m.plug(t, toClients, toProviders)
	}
	providerMachine.plug(t, toProviders)
	w := &installation{}
	for _, m := range brokerMachines {
		n := &node{server: server{addr: address(toClients, m.number) + ":4222"}, monitor: address(toClients, m.number) + ":8222"}
		// A node without a cable is noticed by a write to it that ends: by default after ten seconds, in which the other one waits too.
		text := fmt.Sprintf("write_deadline: 2s\nserver_name: %s\nlisten: %q\nhttp: %q\njetstream: {store_dir: %q}\ncluster: {name: volley, ping_interval: 2s, listen: \"%s:6222\", routes: [%s]}\n",
			m.name, n.addr, n.monitor, t.TempDir(), address(toBrokers, m.number), strings.Join(routes, ", "))
		file := filepath.Join(t.TempDir(), "nats.conf")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		n.process = m.start(t, "nats-server", "-c", file)
		n.waitFor("Server is ready")
		w.nodes = append(w.nodes, n)
	}
	for _, n := range w.nodes {
		n.healthy(t)
	}
	keys, at := t.TempDir(), address(toProviders, providerMachine.number)
	w.providers = &providers{control: at + ":8089", config: filepath.Join(keys, "volley.yaml")}
	providerMachine.start(t, "worker", "simulate", "--apns-binary", at+":2195", "--apns-feedback", at+":2196", "--apns", at+":2197", "--google", at+":8443",
		"--control", w.control, "--keys-out", keys).waitFor("(ready;")
	return w
}

// theatre is one with a publisher who is at the second and third broker, so that it sees what the first one misses.
func (w *installation) theatre(t *testing.T, script string) *theatre {
	t.Helper()
	setScript(t, w.control, script)
	s := openTheatre(t, w.providers, urls(w.nodes[1:]), "--nats-url", urls(w.nodes))
	s.skip()
	return s
}

// worker starts one on a machine. more may lead it to a broker of its own.
func (w *installation) worker(s *theatre, m machine, more ...string) *process {
	s.t.Helper()
	p := m.start(s.t, "worker", s.args(m.name, append([]string{"--http", ""}, more...))...)
	p.waitFor("is ready")
	return p
}

// lead has a broker lead the streams.
func (w *installation) lead(s *theatre, m machine) {
	s.t.Helper()
	for _, stream := range []string{jobs.StreamJobs, jobs.StreamWork, jobs.StreamResults} {
		until(s.t, m.name+" leads "+stream, func() bool {
			leader := ""
			s.ask(stream, func(_ context.Context, stream jetstream.Stream) error {
				leader = stream.CachedInfo().Cluster.Leader
				return nil
			})
			if leader == m.name {
				return true
			}
			// Without an answer it may have happened all the same: the next look tells.
			_, _ = s.nc.Request("$JS.API.STREAM.LEADER.STEPDOWN."+stream, []byte(`{"placement":{"preferred":"`+m.name+`"}}`), 5*time.Second)
			return false
		})
	}
}
