package compose

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// scraping is the part of deploy/compose/prometheus.yml that depends on the other files.
type scraping struct {
	RuleFiles     []string `yaml:"rule_files"`
	ScrapeConfigs []struct {
		DNS []struct {
			Names []string `yaml:"names"`
			Type  string   `yaml:"type"`
			Port  string   `yaml:"port"`
		} `yaml:"dns_sd_configs"`
	} `yaml:"scrape_configs"`
}

func parse[T any](t *testing.T, file string) T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	var out T
	if err := yaml.Unmarshal(text, &out); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return out
}

// Prometheus finds the workers under the name and port that they have, and the rules where they are mounted.
func TestPrometheusFindsTheWorkers(t *testing.T) {
	project := load(t, []string{"monitoring"})
	c := parse[scraping](t, "deploy/compose/prometheus.yml")
	found := c.ScrapeConfigs[0].DNS[0]
	if !slices.Equal(found.Names, []string{"worker"}) || found.Type != "A" {
		t.Errorf("it looks for %v", found)
	}
	if command := strings.Join(project.Services["worker"].Command, " "); !strings.HasSuffix(command, "--http=0.0.0.0:"+found.Port) {
		t.Errorf("it asks port %s, the worker runs with %s", found.Port, command)
	}
	var mounted []string
	for _, volume := range project.Services["prometheus"].Volumes {
		mounted = append(mounted, volume.Target)
	}
	for _, file := range c.RuleFiles {
		if !slices.Contains(mounted, file) {
			t.Errorf("the rules %s are not mounted: %v", file, mounted)
		}
	}
}

// Grafana reads the Prometheus of the same file, and finds the dashboard where its provider looks.
func TestGrafanaHasTheDashboard(t *testing.T) {
	project := load(t, []string{"monitoring"})
	source := parse[struct {
		Datasources []struct {
			URL string `yaml:"url"`
		} `yaml:"datasources"`
	}](t, "deploy/compose/grafana/datasource.yml")
	if _, ok := project.Services["prometheus"]; !ok || source.Datasources[0].URL != "http://prometheus:9090" {
		t.Errorf("it reads %s", source.Datasources[0].URL)
	}
	provider := parse[struct {
		Providers []struct {
			Options struct {
				Path string `yaml:"path"`
			} `yaml:"options"`
		} `yaml:"providers"`
	}](t, "deploy/compose/grafana/dashboards.yml")
	grafana := project.Services["grafana"]
	home := grafana.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	if home == nil || filepath.Dir(*home) != provider.Providers[0].Options.Path {
		t.Errorf("the first page is not in %s", provider.Providers[0].Options.Path)
	}
	var mounted []string
	for _, volume := range grafana.Volumes {
		mounted = append(mounted, volume.Target)
	}
	if home == nil || !slices.Contains(mounted, *home) {
		t.Errorf("the dashboard is not mounted: %v", mounted)
	}
}

// What has no password stays on this machine.
func TestMonitoringStaysOnThisMachine(t *testing.T) {
	project := load(t, []string{"monitoring"})
	for _, name := range []string{"prometheus", "grafana"} {
		for _, port := range project.Services[name].Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s on %q", name, port.Published, port.HostIP)
			}
		}
	}
}
