package jobs

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
)

func readSchema(t *testing.T, p Platform) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("../api/job-" + string(p) + ".schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	return &schema
}

func resolvedSchemas(t *testing.T) map[Platform]*jsonschema.Resolved {
	t.Helper()
	all := make(map[Platform]*jsonschema.Resolved)
	for _, p := range Platforms() {
		resolved, err := readSchema(t, p).Resolve(nil)
		if err != nil {
			t.Fatal(err)
		}
		all[p] = resolved
	}
	return all
}

func propertyNames(s *jsonschema.Schema) []string {
	return slices.Sorted(maps.Keys(s.Properties))
}

func TestSchemaAndCodecKnowTheSameNames(t *testing.T) {
	for p, table := range map[Platform]*fieldTable{APNS: apnsFields, GCM: gcmFields} {
		schema := readSchema(t, p)
		if diff := cmp.Diff(slices.Sorted(slices.Values(table.names)), propertyNames(schema)); diff != "" {
			t.Errorf("fields of %s: %s", p, diff)
		}
		var shaping []string
		for _, f := range table.list {
			if f.inPayload() {
				shaping = append(shaping, f.name)
			}
		}
		slices.Sort(shaping)
		if diff := cmp.Diff(shaping, propertyNames(schema.AllOf[0].Then)); diff != "" {
			t.Errorf("fields of %s that a raw payload excludes: %s", p, diff)
		}
	}
	apns, gcm := readSchema(t, APNS), readSchema(t, GCM)
	for name, keys := range map[string]map[string]keyCheck{"alert": alertKeys, "aps": apsKeys} {
		if diff := cmp.Diff(slices.Sorted(maps.Keys(keys)), propertyNames(apns.Defs[name])); diff != "" {
			t.Errorf("keys of %s: %s", name, diff)
		}
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(payloadTargets)), propertyNames(gcm.Properties[fieldPayload])); diff != "" {
		t.Errorf("targets in a raw payload: %s", diff)
	}
}

// The forms of a message object are told apart by their keys, and every option sets a key that exists.
func TestAlertAndAPSKeysAreApartAndCoverTheOptions(t *testing.T) {
	for key := range alertKeys {
		if _, both := apsKeys[key]; both {
			t.Errorf("%q is a key of both", key)
		}
	}
	for _, f := range apnsFields.list {
		if _, ok := alertKeys[f.alert]; f.alert != "" && !ok {
			t.Errorf("%s sets the unknown alert key %q", f.name, f.alert)
		}
		if _, ok := apsKeys[f.aps]; f.aps != "" && !ok {
			t.Errorf("%s sets the unknown aps key %q", f.name, f.aps)
		}
	}
}

func TestSchemaAcceptsWhatTheCodecAccepts(t *testing.T) {
	schemas := resolvedSchemas(t)
	for _, c := range acceptedJobs() {
		if err := schemas[c.platform].Validate(parsed(t, c.body)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestSchemaRefusesWhatTheCodecRefuses(t *testing.T) {
	schemas := resolvedSchemas(t)
	for _, c := range refusedJobs() {
		if !c.schemaBlind && schemas[c.platform].Validate(parsed(t, c.body)) == nil {
			t.Errorf("the schema takes %s, which the codec refuses: %s", c.name, c.want)
		}
	}
}

// The nulls of every field but ids are accepted by both: null is what a client writes for an option it leaves out.
func TestNullIsAbsent(t *testing.T) {
	schemas := resolvedSchemas(t)
	for p, table := range map[Platform]*fieldTable{APNS: apnsFields, GCM: gcmFields} {
		for _, name := range table.names {
			body := `{"ids":"ab","message":"m","` + name + `":null}`
			switch name {
			case fieldIDs:
				continue
			case fieldMessage:
				body = `{"ids":"ab","message":null}`
			}
			job := mustDecode(t, p, body)
			if err := schemas[p].Validate(parsed(t, body)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if name != fieldMessage {
				if diff := cmp.Diff(mustDecode(t, p, `{"ids":"ab","message":"m"}`), job, cmpJob); diff != "" {
					t.Errorf("null %s: %s", name, diff)
				}
			}
		}
	}
}

func parsed(t *testing.T, body string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return v
}
