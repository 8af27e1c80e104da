// Package compose tests docker-compose.yml and the files it mounts without a container engine: the file is loaded as
// Compose itself loads it, and the cluster's configuration is started as three servers in this process. It is a module
// of its own, so that the Compose library stays out of the product's go.mod.
package compose

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
)

const root = "../.."

var nodes = []string{"nats-1", "nats-2", "nats-3"}

// load reads docker-compose.yml as `docker compose` does, with these profiles and this environment.
func load(t *testing.T, profiles []string, env ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")},
		cli.WithWorkingDirectory(root), cli.WithProfiles(profiles), cli.WithEnv(env), cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatalf("docker-compose.yml does not load: %v", err)
	}
	return project
}

func TestServices(t *testing.T) {
	cases := []struct {
		name     string
		profiles []string
		want     []string
	}{
		{"plain", nil, []string{"nats-1", "nats-2", "nats-3", "worker"}},
		{"with simulators", []string{"simulators"}, []string{"nats-1", "nats-2", "nats-3", "simulators", "worker"}},
		{"with monitoring", []string{"monitoring"}, []string{"grafana", "nats-1", "nats-2", "nats-3", "prometheus", "worker"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := load(t, c.profiles).ServiceNames()
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("services (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWorkerCanBeScaled(t *testing.T) {
	worker := load(t, nil).Services["worker"]
	if worker.ContainerName != "" {
		t.Errorf("container_name %q: a second replica could not start", worker.ContainerName)
	}
	if worker.Hostname != "" {
		t.Errorf("hostname %q: replicas could not be told apart in events", worker.Hostname)
	}
	if len(worker.Ports) > 0 {
		t.Errorf("ports %v: a second replica could not bind them", worker.Ports)
	}
	for _, volume := range worker.Volumes {
		if !volume.ReadOnly {
			t.Errorf("%s is writable: replicas would share a state", volume.Target)
		}
	}
	if worker.GetScale() != 1 {
		t.Errorf("scale %d: the number of workers belongs to --scale", worker.GetScale())
	}
}

func TestWorkerKnowsAllNodes(t *testing.T) {
	worker := load(t, nil).Services["worker"]
	url := worker.Environment["NATS_URL"]
	if url == nil {
		t.Fatal("NATS_URL is not set: the worker would start a server of its own")
	}
	var want []string
	for _, node := range nodes {
		want = append(want, "nats://"+node+":4222")
		if got := worker.DependsOn[node].Condition; got != types.ServiceConditionHealthy {
			t.Errorf("worker waits for %s to be %q, not %q", node, got, types.ServiceConditionHealthy)
		}
	}
	if diff := cmp.Diff(want, strings.Split(*url, ",")); diff != "" {
		t.Errorf("NATS_URL (-want +got):\n%s", diff)
	}
}

func TestNodes(t *testing.T) {
	project := load(t, nil)
	ports := map[string]string{}
	for _, name := range nodes {
		node := project.Services[name]
		if got := node.Environment["NATS_NAME"]; got == nil || *got != name {
			t.Errorf("%s: NATS_NAME is not the node's own name: JetStream needs unique server names", name)
		}
		if node.HealthCheck == nil || len(node.HealthCheck.Test) == 0 {
			t.Errorf("%s has no healthcheck, and the worker waits for it", name)
		}
		if !slices.ContainsFunc(node.Volumes, func(v types.ServiceVolumeConfig) bool {
			return v.Type == types.VolumeTypeVolume && v.Source == name && v.Target == "/data"
		}) {
			t.Errorf("%s does not keep /data on its own volume: a replaced container would lose the queue", name)
		}
		for _, port := range node.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s on %q: this cluster has no passwords and must stay on loopback", name, port.Published, port.HostIP)
			}
			if other, taken := ports[port.Published]; taken {
				t.Errorf("%s and %s publish the same port %s", name, other, port.Published)
			}
			ports[port.Published] = name
		}
	}
}

// The server in the containers and the one inside the worker must be the same, or the demo proves nothing about compose.
func TestImageVersionIsTheModules(t *testing.T) {
	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`github\.com/nats-io/nats-server/v2 v(\S+)`).FindSubmatch(module)
	if version == nil {
		t.Fatal("go.mod names no nats-server")
	}
	project := load(t, nil)
	for _, name := range nodes {
		if got, want := project.Services[name].Image, "nats:"+string(version[1])+"-alpine"; got != want {
			t.Errorf("%s runs %s, go.mod says %s", name, got, want)
		}
	}
}

func TestSimulators(t *testing.T) {
	project := load(t, []string{"simulators"})
	simulators := project.Services["simulators"]
	if diff := cmp.Diff([]string{"simulators"}, simulators.Profiles); diff != "" {
		t.Errorf("profiles (-want +got):\n%s", diff)
	}
	command := strings.Join(simulators.Command, " ")
	for _, want := range []string{"simulate", "--apns=0.0.0.0:2197", "--apns-binary=0.0.0.0:2195", "--apns-feedback=0.0.0.0:2196", "--google=0.0.0.0:8443", "--control=0.0.0.0:8089", "--host=simulators", "--keys-out=/credentials"} {
		if !strings.Contains(command, want) {
			t.Errorf("the command lacks %s: %s", want, command)
		}
	}
	if dependency := project.Services["worker"].DependsOn["simulators"]; dependency.Required {
		t.Error("the worker requires the simulators, so it could not start without their profile")
	}
	shared := project.Volumes["simulators"]
	if got := shared.DriverOpts["o"]; !strings.Contains(got, "uid=65532") {
		t.Errorf("the shared volume's options are %q: the image's user could not write to it", got)
	}
	for name, target := range map[string]string{"simulators": "/credentials", "worker": "/etc/volley/credentials"} {
		if !slices.ContainsFunc(project.Services[name].Volumes, func(v types.ServiceVolumeConfig) bool {
			return v.Source == "simulators" && v.Target == target
		}) {
			t.Errorf("%s does not see the simulators' credentials on %s", name, target)
		}
	}
}

func TestOwnConfigurationAndKeys(t *testing.T) {
	own := t.TempDir()
	worker := load(t, nil, "WORKER_CONFIG="+own+"/volley.yaml", "WORKER_CREDENTIALS="+own+"/keys").Services["worker"]
	want := map[string]string{"/etc/volley/volley.yaml": own + "/volley.yaml", "/etc/volley/credentials": own + "/keys"}
	for _, volume := range worker.Volumes {
		if volume.Type != types.VolumeTypeBind || volume.Source != want[volume.Target] {
			t.Errorf("%s comes from %s %s, not from %s", volume.Target, volume.Type, volume.Source, want[volume.Target])
		}
		delete(want, volume.Target)
	}
	if len(want) > 0 {
		t.Errorf("not mounted: %v", want)
	}
}

// Compose creates an empty folder where a mounted file is missing, and the container fails with a riddle.
func TestMountedFilesExist(t *testing.T) {
	for name, service := range load(t, []string{"simulators", "monitoring"}).Services {
		for _, volume := range service.Volumes {
			if volume.Type != types.VolumeTypeBind {
				continue
			}
			if info, err := os.Stat(volume.Source); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%s mounts %s, which is not a file of the checkout", name, volume.Source)
			}
		}
	}
}

func TestOwnImageIsLockedDown(t *testing.T) {
	project := load(t, []string{"simulators"})
	for _, name := range []string{"worker", "simulators"} {
		service := project.Services[name]
		if service.Build == nil || service.Image == "" {
			t.Errorf("%s is not built from this checkout under a name", name)
		}
		if !service.ReadOnly || !slices.Contains(service.CapDrop, "ALL") || service.Privileged {
			t.Errorf("%s: read_only %t, cap_drop %v, privileged %t", name, service.ReadOnly, service.CapDrop, service.Privileged)
		}
	}
}

func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^FROM scratch$`).Match(text) {
		t.Error("the image has a base: the binaries are static and need none")
	}
	if !regexp.MustCompile(`(?m)^USER [1-9]\d*:[1-9]\d*$`).Match(text) {
		t.Error("the image does not name a numeric user other than root")
	}
	copied := regexp.MustCompile(`(?m)^COPY (.+) \S+$`).FindAllSubmatch(text, -1)
	if len(copied) == 0 {
		t.Fatal("the Dockerfile copies nothing")
	}
	for _, line := range copied {
		for source := range strings.FieldsSeq(string(line[1])) {
			if !regexp.MustCompile(`(?m)^!` + regexp.QuoteMeta(source) + `$`).Match(ignored) {
				t.Errorf("%s is copied into the image but hidden by .dockerignore", source)
			}
		}
	}
}
