package results

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/volleypush/volley/jobs"
)

const schemaFile = "../api/result.schema.json"

func readSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	return &schema
}

// Every field of every struct is described, every described field exists, and what is always written is required.
func TestSchemaNamesTheFieldsOfTheEvent(t *testing.T) {
	schema := readSchema(t)
	for _, c := range []struct {
		name   string
		schema *jsonschema.Schema
		value  any
	}{
		{"event", schema, Event{}},
		{"failure", schema.Defs["failure"], Failure{}},
		{"expired_token", schema.Defs["expired_token"], ExpiredToken{}},
		{"canonical_id", schema.Defs["canonical_id"], CanonicalID{}},
		{"uncertain", schema.Defs["uncertain"], Uncertain{}},
		{"skipped", schema.Defs["skipped"], Skipped{}},
		{"accepted_id", schema.Defs["accepted_id"], AcceptedID{}},
		{"retry", schema.Defs["retry"], Retry{}},
		{"retry_group", schema.Defs["retry_group"], RetryGroup{}},
		{"dead", schema.Defs["dead"], Dead{}},
		{"fault", schema.Defs["fault"], jobs.Fault{}},
		{"totals", schema.Defs["totals"], Totals{}},
	} {
		if c.schema == nil {
			t.Errorf("%s has no %s", schemaFile, c.name)
			continue
		}
		var described []string
		for name := range c.schema.Properties {
			described = append(described, name)
		}
		fields, required := jsonFields(reflect.TypeOf(c.value))
		for _, list := range [][]string{described, fields, required, c.schema.Required} {
			slices.Sort(list)
		}
		if diff := cmp.Diff(fields, described); diff != "" {
			t.Errorf("properties of %s (-struct +schema):\n%s", c.name, diff)
		}
		if diff := cmp.Diff(required, c.schema.Required); diff != "" {
			t.Errorf("required of %s (-struct +schema):\n%s", c.name, diff)
		}
	}
}

// jsonFields lists the JSON names of a struct's fields, and those that are always written.
func jsonFields(typ reflect.Type) (all, always []string) {
	for field := range typ.Fields() {
		if field.Anonymous {
			embedded, required := jsonFields(field.Type)
			all, always = append(all, embedded...), append(always, required...)
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		all = append(all, name)
		if !strings.Contains(options, "omit") {
			always = append(always, name)
		}
	}
	return all, always
}

func TestSchemaHasTheClosedSets(t *testing.T) {
	schema := readSchema(t)
	for name, c := range map[string]struct {
		got  []any
		want []any
	}{
		"kind": {schema.Properties["kind"].Enum, []any{
			string(KindSegment), string(KindJobDone), string(KindDead), string(KindDuplicateJob), string(KindCredential), string(KindProvider),
			string(KindFeedback),
		}},
		"platform": {schema.Properties["platform"].Enum, []any{string(jobs.APNS), string(jobs.GCM)}},
		"action": {schema.Defs["action"].Enum, []any{
			string(ActionDeleteToken), string(ActionCheckEnvironment), string(ActionFixCredential), string(ActionFixPayload),
			string(ActionSlowDown), string(ActionRetry), string(ActionNone),
		}},
		"why": {schema.Defs["skipped"].Properties["why"].Enum, []any{string(SkippedExpired), string(SkippedCancelled), string(SkippedDead)}},
		"v":   {[]any{*schema.Properties["v"].Const}, []any{float64(Version)}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-constants +schema):\n%s", name, diff)
		}
	}
}

func TestSchemaValidates(t *testing.T) {
	resolved, err := readSchema(t).Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range examples(t) {
		var instance map[string]any
		if err := json.Unmarshal(text, &instance); err != nil {
			t.Fatal(err)
		}
		if err := resolved.Validate(instance); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		instance["later"] = true
		if err := resolved.Validate(instance); err != nil {
			t.Errorf("%s with an unknown field: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		from   string
		change func(map[string]any)
	}{
		"null for an empty list":       {"segment", func(e map[string]any) { e["canonical_ids"] = nil }},
		"no totals in a segment":       {"segment", func(e map[string]any) { delete(e, "totals") }},
		"an unknown kind":              {"segment", func(e map[string]any) { e["kind"] = "task" }},
		"an unknown action":            {"segment", func(e map[string]any) { e["failures"].([]any)[0].(map[string]any)["action"] = "panic" }},
		"a code that is a fraction":    {"segment", func(e map[string]any) { e["failures"].([]any)[0].(map[string]any)["code"] = 1.5 }},
		"a failure without an index":   {"segment", func(e map[string]any) { delete(e["failures"].([]any)[0].(map[string]any), "index") }},
		"indexes as a list":            {"segment", func(e map[string]any) { e["retry"].(map[string]any)["indexes"] = []any{1} }},
		"an id with too few parts":     {"segment", func(e map[string]any) { e["id"] = "apns.default.j.0" }},
		"newer":                        {"segment", func(e map[string]any) { e["v"] = 2 }},
		"a segment that is dead":       {"segment", func(e map[string]any) { e["dead"] = map[string]any{"reason": "invalid"} }},
		"dead without a reason":        {"dead", func(e map[string]any) { delete(e, "dead") }},
		"job_done that sent":           {"job_done", func(e map[string]any) { e["sent"] = 1 }},
		"an alarm without a state":     {"credential", func(e map[string]any) { delete(e, "state") }},
		"a list without a reading":     {"feedback", func(e map[string]any) { delete(e, "reading") }},
		"a list that was sent":         {"feedback", func(e map[string]any) { e["sent"] = 1 }},
		"a reading of a segment":       {"segment", func(e map[string]any) { e["reading"] = "r" }},
		"a duplicate of no job":        {"duplicate_job", func(e map[string]any) { delete(e, "job") }},
		"negative recipients":          {"segment", func(e map[string]any) { e["recipients"] = -1 }},
		"a leading zero in the ranges": {"segment", func(e map[string]any) { e["retry"].(map[string]any)["indexes"] = "01" }},
	} {
		var instance map[string]any
		if err := json.Unmarshal(examples(t)[c.from], &instance); err != nil {
			t.Fatal(err)
		}
		c.change(instance)
		if err := resolved.Validate(instance); err == nil {
			t.Errorf("%s is valid", name)
		}
	}
}

// TestSchemaNamesEveryDeadReason: a reason that the schema does not tell of is one that nobody handles.
func TestSchemaNamesEveryDeadReason(t *testing.T) {
	t.Parallel()
	told := readSchema(t).Defs["dead"].Properties["reason"].Description
	for _, reason := range DeadReasons() {
		if !strings.Contains(told, reason) {
			t.Errorf("%q does not name %s", told, reason)
		}
	}
}
