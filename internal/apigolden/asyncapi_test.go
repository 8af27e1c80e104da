package apigolden

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// reference is what stands for another part of the document.
type reference struct {
	Ref string `json:"$ref"`
}

// asyncapi is what the tests need of api/asyncapi.yaml. Whether it is good AsyncAPI is for bash .ci/asyncapi to say.
type asyncapi struct {
	Channels map[string]struct {
		Address     string               `json:"address"`
		Description string               `json:"description"`
		Messages    map[string]reference `json:"messages"`
		Parameters  map[string]struct {
			Enum []string `json:"enum"`
		} `json:"parameters"`
	} `json:"channels"`
	Operations map[string]struct {
		Action  string    `json:"action"`
		Channel reference `json:"channel"`
	} `json:"operations"`
	Components struct {
		Messages map[string]struct {
			Summary string     `json:"summary"`
			Headers *reference `json:"headers"`
			Payload struct {
				Schema reference `json:"schema"`
			} `json:"payload"`
			Examples []struct {
				Payload any `json:"payload"`
			} `json:"examples"`
		} `json:"messages"`
		Schemas map[string]struct {
			Properties map[string]struct {
				Const string `json:"const"`
			} `json:"properties"`
		} `json:"schemas"`
	} `json:"components"`
}

func readAsyncAPI(t *testing.T) *asyncapi {
	t.Helper()
	text, err := os.ReadFile("../../api/asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err = yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var document asyncapi
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	return &document
}

// TestAsyncAPIHasEverySubject: the document's channels are the subjects of the code, each with an operation and the schema of its platform.
func TestAsyncAPIHasEverySubject(t *testing.T) {
	document := readAsyncAPI(t)
	type channel struct{ action, schema string }
	key := results.Key{Platform: "{platform}", App: "{app}", Job: "{job}", Segment: "{segment}"}
	want := map[string]channel{
		jobs.SubjectResults: {"send", "./result.schema.json"},
		strings.TrimSuffix(key.Subject(), ".0") + ".{round}": {"send", "./result.schema.json"},
	}
	for _, platform := range jobs.Platforms() {
		for _, lane := range jobs.Lanes() {
			want[jobs.IntakeSubject(platform, lane)] = channel{"receive", "./job-" + string(platform) + ".schema.json"}
		}
	}
	got := map[string]channel{}
	for _, operation := range document.Operations {
		name := strings.TrimPrefix(operation.Channel.Ref, "#/channels/")
		c, ok := document.Channels[name]
		if !ok || len(c.Messages) != 1 {
			t.Fatalf("operation on %s", operation.Channel.Ref)
		}
		for _, message := range c.Messages {
			m, ok := document.Components.Messages[strings.TrimPrefix(message.Ref, "#/components/messages/")]
			if !ok {
				t.Fatalf("no message %s", message.Ref)
			}
			got[c.Address] = channel{operation.Action, m.Payload.Schema.Ref}
		}
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(channel{})); diff != "" {
		t.Error(diff)
	}
	if len(document.Operations) != len(document.Channels) {
		t.Errorf("%d channels, %d operations", len(document.Channels), len(document.Operations))
	}
	var platforms []string
	for _, platform := range jobs.Platforms() {
		platforms = append(platforms, string(platform))
	}
	if diff := cmp.Diff(platforms, document.Channels["resultsStored"].Parameters["platform"].Enum); diff != "" {
		t.Error(diff)
	}
}

// TestAsyncAPINamesWhatTheCodeNames: headers, streams, kinds and limits.
func TestAsyncAPINamesWhatTheCodeNames(t *testing.T) {
	document := readAsyncAPI(t)
	headers := func(schema string) []string {
		return slices.Sorted(maps.Keys(document.Components.Schemas[schema].Properties))
	}
	if diff := cmp.Diff([]string{nats.MsgIdHdr}, headers("jobHeaders")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{jetstream.SequenceHeader, jetstream.StreamHeader, jetstream.SubjectHeader}, headers("republishedHeaders")); diff != "" {
		t.Error(diff)
	}
	if stream := document.Components.Schemas["republishedHeaders"].Properties[jetstream.StreamHeader].Const; stream != jobs.StreamResults {
		t.Errorf("events are said to be in %s", stream)
	}
	kinds := []results.Kind{
		results.KindSegment, results.KindJobDone, results.KindDead, results.KindDuplicateJob, results.KindCredential, results.KindProvider, results.KindFeedback,
	}
	for _, message := range []string{"event", "republishedEvent"} {
		for _, kind := range kinds {
			if !strings.Contains(document.Components.Messages[message].Summary, string(kind)) {
				t.Errorf("%s does not name the kind %s", message, kind)
			}
		}
	}
	for _, word := range []string{jobs.StreamJobs, "64 KiB"} {
		if !strings.Contains(document.Channels["apns"].Description, word) || jobs.JobReserve != 64<<10 {
			t.Errorf("push.apns does not say %s", word)
		}
	}
}

// TestAsyncAPIExamples: each message has an example that its schema takes, and the codec.
func TestAsyncAPIExamples(t *testing.T) {
	for name, message := range readAsyncAPI(t).Components.Messages {
		text, err := os.ReadFile(filepath.Join("../../api", message.Payload.Schema.Ref))
		if err != nil {
			t.Fatal(err)
		}
		var schema jsonschema.Schema
		if err := json.Unmarshal(text, &schema); err != nil {
			t.Fatal(err)
		}
		resolved, err := schema.Resolve(nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(message.Examples) == 0 && name != "republishedEvent" {
			t.Errorf("%s has no example", name)
		}
		for _, example := range message.Examples {
			if err := resolved.Validate(example.Payload); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			body, err := json.Marshal(example.Payload)
			if err != nil {
				t.Fatal(err)
			}
			if name == "event" {
				event, err := results.Decode(body)
				if err != nil {
					t.Fatal(err)
				}
				if err := event.Balanced(); err != nil {
					t.Error(err)
				}
				if event.ID != event.Key().ID() {
					t.Errorf("the example has the id %s, not %s", event.ID, event.Key().ID())
				}
				continue
			}
			if _, err := jobs.Decode(jobs.Platform(strings.TrimSuffix(name, "Job")), body); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
