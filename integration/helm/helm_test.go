// Package helm lints the chart and renders it as helm does, and holds what comes out to Kubernetes' own types and to the worker. It is
// a module of its own, so that Helm's libraries stay out of the product's go.mod. No cluster is needed, and none is asked.
package helm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/jobs"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

const chartDir = "../../deploy/helm/volley"

// values reads a file of values, with changes on top.
func values(t *testing.T, file string, change map[string]any) map[string]any {
	t.Helper()
	read, err := chartutil.ReadValuesFile(filepath.Join(chartDir, "ci", file))
	if err != nil {
		t.Fatal(err)
	}
	return chartutil.CoalesceTables(change, read)
}

// render is "helm template push deploy/helm/volley": the manifests by kind. The error is the schema's or a template's.
func render(t *testing.T, given map[string]any) (map[string]string, error) {
	t.Helper()
	chart, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	all, err := chartutil.ToRenderValues(chart, given, chartutil.ReleaseOptions{Name: "push", Namespace: "push", IsInstall: true}, nil)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(chart, all)
	if err != nil {
		return nil, err
	}
	manifests := map[string]string{}
	for name, text := range files {
		if strings.TrimSpace(text) == "" || strings.HasSuffix(name, ".txt") {
			continue
		}
		var head struct {
			Kind string `json:"kind"`
		}
		if err := yaml.Unmarshal([]byte(text), &head); err != nil {
			t.Fatalf("%s is not YAML: %v\n%s", name, err, text)
		}
		manifests[head.Kind] = text
	}
	return manifests, nil
}

func mustRender(t *testing.T, given map[string]any) map[string]string {
	t.Helper()
	manifests, err := render(t, given)
	if err != nil {
		t.Fatal(err)
	}
	return manifests
}

// read decodes a manifest strictly: a misspelt key, or one in the wrong place, is a fault.
func read[T any](t *testing.T, manifests map[string]string, kind string) *T {
	t.Helper()
	text, ok := manifests[kind]
	if !ok {
		t.Fatalf("there is no %s", kind)
	}
	var object T
	if err := yaml.UnmarshalStrict([]byte(text), &object); err != nil {
		t.Fatalf("%s: %v\n%s", kind, err, text)
	}
	return &object
}

func TestLint(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"small.yaml", "full.yaml"} {
		report := lint.AllWithKubeVersion(chartDir, values(t, file, nil), "push", nil)
		for _, message := range report.Messages {
			// An icon is the only thing that it may miss.
			if message.Severity > support.InfoSev {
				t.Errorf("%s: %v", file, message)
			}
		}
	}
}

func TestManifestsAreKubernetes(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"small.yaml", "full.yaml"} {
		manifests := mustRender(t, values(t, file, nil))
		read[corev1.ConfigMap](t, manifests, "ConfigMap")
		read[corev1.ServiceAccount](t, manifests, "ServiceAccount")
		budget := read[policyv1.PodDisruptionBudget](t, manifests, "PodDisruptionBudget")
		if budget.Spec.MaxUnavailable.IntValue() != 1 {
			t.Errorf("%s: a node that is emptied takes %s workers", file, budget.Spec.MaxUnavailable)
		}
		deployment := read[appsv1.Deployment](t, manifests, "Deployment")
		for key, value := range deployment.Spec.Selector.MatchLabels {
			for what, labels := range map[string]map[string]string{"pods": deployment.Spec.Template.Labels, "budget": budget.Spec.Selector.MatchLabels} {
				if labels[key] != value {
					t.Errorf("%s: the %s have %s=%q, the deployment selects %q", file, what, key, labels[key], value)
				}
			}
		}
	}
}

func TestPod(t *testing.T) {
	t.Parallel()
	for _, drain := range []int{1, 30, 120} {
		deployment := read[appsv1.Deployment](t, mustRender(t, values(t, "small.yaml", map[string]any{"drainTimeoutSeconds": drain})), "Deployment")
		pod := deployment.Spec.Template.Spec
		if grace := *pod.TerminationGracePeriodSeconds; grace < int64(drain)+10 {
			t.Errorf("a pod is killed after %d s, a drain takes up to %d s", grace, drain)
		}
	}
	deployment := read[appsv1.Deployment](t, mustRender(t, values(t, "small.yaml", nil)), "Deployment")
	pod, worker := deployment.Spec.Template.Spec, deployment.Spec.Template.Spec.Containers[0]
	if !*pod.SecurityContext.RunAsNonRoot || *pod.SecurityContext.RunAsUser != 65532 || *pod.AutomountServiceAccountToken {
		t.Errorf("%+v", pod.SecurityContext)
	}
	if c := worker.SecurityContext; !*c.ReadOnlyRootFilesystem || *c.AllowPrivilegeEscalation || len(c.Capabilities.Drop) != 1 || c.Capabilities.Drop[0] != "ALL" {
		t.Errorf("%+v", c)
	}
	for name, probe := range map[string]*corev1.Probe{"/healthz": worker.LivenessProbe, "/readyz": worker.ReadinessProbe} {
		if probe.HTTPGet.Path != name || probe.HTTPGet.Port.StrVal != "http" {
			t.Errorf("%s: %+v", name, probe.HTTPGet)
		}
	}
	for _, volume := range pod.Volumes {
		if volume.Secret != nil && volume.Secret.SecretName != "volley-credentials" {
			t.Errorf("secret %q", volume.Secret.SecretName)
		}
	}
}

// TestSecretsByReference has no place for a secret: the chart makes none, and its configuration names files.
func TestSecretsByReference(t *testing.T) {
	t.Parallel()
	manifests := mustRender(t, values(t, "full.yaml", nil))
	if _, ok := manifests["Secret"]; ok {
		t.Error("the chart makes a Secret: its content would be in the release's history")
	}
	pod := read[appsv1.Deployment](t, manifests, "Deployment").Spec.Template.Spec
	names := map[string]bool{}
	for _, volume := range pod.Volumes {
		if volume.Secret != nil {
			names[volume.Secret.SecretName] = true
		}
	}
	if !names["volley-credentials"] || !names["volley-nats"] {
		t.Errorf("mounted: %v", names)
	}
	var creds string
	for _, variable := range pod.Containers[0].Env {
		if variable.Name == "NATS_CREDS" {
			creds = variable.Value
		}
	}
	if creds != "/etc/volley/nats/nats.creds" {
		t.Errorf("NATS_CREDS is %q", creds)
	}
}

// TestConfigurationIsTheWorkers gives what the chart renders to the worker's own reader.
func TestConfigurationIsTheWorkers(t *testing.T) {
	t.Parallel()
	for file, workers := range map[string]int{"small.yaml": 2, "full.yaml": 10} {
		text := read[corev1.ConfigMap](t, mustRender(t, values(t, file, nil)), "ConfigMap").Data["volley.yaml"]
		path := filepath.Join(t.TempDir(), "volley.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(path, func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatalf("%s: %v\n%s", file, err, text)
		}
		if c.Workers != workers || c.Apps["default"].APNS.Topic != "com.example.app" {
			t.Errorf("%s: %d workers, %+v", file, c.Workers, c.Apps["default"].APNS)
		}
	}
}

func TestNetworkPolicy(t *testing.T) {
	t.Parallel()
	policy := read[networkingv1.NetworkPolicy](t, mustRender(t, values(t, "small.yaml", nil)), "NetworkPolicy")
	open := map[int32]bool{}
	for _, rule := range policy.Spec.Egress {
		for _, port := range rule.Ports {
			open[port.Port.IntVal] = true
		}
	}
	for _, port := range []int32{53, 443, 2197, 4222} {
		if !open[port] {
			t.Errorf("port %d is closed", port)
		}
	}
	if len(open) != 4 {
		t.Errorf("open: %v", open)
	}
}

func TestScaling(t *testing.T) {
	t.Parallel()
	manifests := mustRender(t, values(t, "full.yaml", nil))
	if replicas := read[appsv1.Deployment](t, manifests, "Deployment").Spec.Replicas; replicas != nil {
		t.Errorf("the deployment says %d replicas beside KEDA", *replicas)
	}
	scaled := read[struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Metadata   map[string]any `json:"metadata"`
		Spec       struct {
			ScaleTargetRef                                                    map[string]string
			MinReplicaCount, MaxReplicaCount, PollingInterval, CooldownPeriod int
			Triggers                                                          []struct {
				Type     string            `json:"type"`
				Metadata map[string]string `json:"metadata"`
			}
		} `json:"spec"`
	}](t, manifests, "ScaledObject")
	want := map[string]bool{}
	for _, lane := range jobs.Lanes() {
		for _, platform := range jobs.Platforms() {
			want[jobs.StreamJobs+" "+jobs.IntakeDurable(platform, lane)] = true
			want[jobs.StreamWork+" "+jobs.WorkDurable(platform, "default", lane)] = true
		}
		want[jobs.StreamWork+" "+jobs.WorkDurable(jobs.GCM, "shop", lane)] = true
	}
	for _, trigger := range scaled.Spec.Triggers {
		key := trigger.Metadata["stream"] + " " + trigger.Metadata["consumer"]
		if trigger.Type != "nats-jetstream" || !want[key] {
			t.Errorf("a trigger of the type %s for %s", trigger.Type, key)
		}
		if trigger.Metadata["natsServerMonitoringEndpoint"] != "nats.nats.svc.cluster.local:8222" || trigger.Metadata["lagThreshold"] != "100" {
			t.Errorf("%s: %v", key, trigger.Metadata)
		}
		delete(want, key)
	}
	for key := range want {
		t.Errorf("nothing scales by %s", key)
	}
	if replicas := read[appsv1.Deployment](t, mustRender(t, values(t, "small.yaml", nil)), "Deployment").Spec.Replicas; replicas == nil || *replicas != 2 {
		t.Errorf("without KEDA: %v replicas", replicas)
	}
}

func TestValuesAreChecked(t *testing.T) {
	t.Parallel()
	app := map[string]any{"default": map[string]any{"apns": map[string]any{}}}
	for name, test := range map[string]struct {
		change map[string]any
		want   string
	}{
		"no server":              {map[string]any{"nats": map[string]any{"url": ""}}, "url"},
		"no app":                 {map[string]any{"config": nil}, "config"},
		"a name that is none":    {map[string]any{"config": map[string]any{"apps": map[string]any{"My App": app["default"]}}}, "My App"},
		"what the chart sets":    {map[string]any{"config": map[string]any{"http": ":1"}}, "config"},
		"a word that is unknown": {map[string]any{"replicas": 3}, "replicas"},
		"KEDA without a monitor": {map[string]any{"keda": map[string]any{"enabled": true}}, "monitoringEndpoint"},
		"no time to drain":       {map[string]any{"drainTimeoutSeconds": 0}, "drainTimeoutSeconds"},
	} {
		_, err := render(t, values(t, "small.yaml", test.change))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
