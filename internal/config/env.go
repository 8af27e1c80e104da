package config

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// envPrefix begins every variable of ours.
const envPrefix = "VOLLEY_"

// Variables of other programs that are read too.
const (
	envNATSURL      = "NATS_URL"
	envNATSCreds    = "NATS_CREDS"
	envGoogle       = "GOOGLE_APPLICATION_CREDENTIALS"
	defaultAppName  = "default"
	envStateFolder  = "STATE_DIRECTORY"
	envXDGState     = "XDG_STATE_HOME"
	envHome         = "HOME"
	storeFolderName = "nats"
)

// environment lays variables over a tree.
type environment struct {
	lookup func(string) (string, bool)
	// known are the names of all variables that were looked up.
	known  map[string]bool
	faults []string
}

// get reads a variable. One that is empty counts as not set: that is what compose files make of a variable that nobody set.
func (e *environment) get(name string) (string, bool) {
	e.known[name] = true
	text, ok := e.lookup(name)
	return text, ok && text != ""
}

// apply lays the environment over the tree.
func (e *environment) apply(tree *Config) error {
	if url, ok := e.get(envNATSURL); ok {
		tree.NATS.URL = NewURL(url)
	}
	if creds, ok := e.get(envNATSCreds); ok {
		tree.NATS.Creds = creds
	}
	e.section(reflect.ValueOf(tree).Elem(), envPrefix)
	e.apps(tree)
	e.google(tree)
	return errors.Join(asErrors(e.faults)...)
}

// section reads the variables of a section and of those below it. It reports whether any was set.
func (e *environment) section(v reflect.Value, prefix string) (found bool) {
	for _, c := range children(v) {
		name := prefix + strings.ToUpper(c.key)
		switch {
		case c.value.Type() == reflect.TypeFor[map[string]*App]():
			// see apps
		case c.value.Kind() == reflect.Pointer:
			next := c.value
			if next.IsNil() {
				next = newSection(next.Type())
			}
			if e.section(next.Elem(), name+"_") {
				c.value.Set(next)
				found = true
			}
		case isSection(c.value):
			found = e.section(c.value, name+"_") || found
		default:
			found = e.scalar(c.value, name) || found
		}
	}
	return found
}

func (e *environment) scalar(v reflect.Value, name string) bool {
	text, ok := e.get(name)
	if !ok {
		return false
	}
	if err := set(v, text); err != nil {
		e.faults = append(e.faults, fmt.Sprintf("%s: %v", name, err))
	}
	return true
}

// apps reads the variables of the apps that the file names, and of the default app.
func (e *environment) apps(tree *Config) {
	taken := make(map[string]string)
	for _, name := range sortedKeys(tree.Apps) {
		prefix := appPrefix(name)
		before, ambiguous := taken[prefix]
		taken[prefix] = name
		if e.section(reflect.ValueOf(tree.Apps[name]).Elem(), prefix) && ambiguous {
			e.faults = append(e.faults, fmt.Sprintf("%s…: this may be app %s or app %s; set it in the file", prefix, before, name))
		}
	}
	if tree.Apps[defaultAppName] != nil {
		return
	}
	if app := DefaultApp(); e.section(reflect.ValueOf(app).Elem(), appPrefix(defaultAppName)) {
		tree.Apps[defaultAppName] = app
	}
}

// google gives the credential that Google's own programs use to every app that would otherwise have none.
func (e *environment) google(tree *Config) {
	file, ok := e.get(envGoogle)
	if !ok {
		return
	}
	if len(tree.Apps) == 0 {
		app := DefaultApp()
		app.GCM = DefaultGCM()
		tree.Apps[defaultAppName] = app
	}
	for _, app := range tree.Apps {
		if app.GCM != nil && app.GCM.Protocol == ProtocolV1 && !app.GCM.MetadataServer {
			app.GCM.ServiceAccount = cmp.Or(app.GCM.ServiceAccount, file)
		}
	}
}

func appPrefix(name string) string {
	return envPrefix + "APPS_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_"
}

// UnknownVariables lists the variables of an environment (as os.Environ gives it) that begin with VOLLEY_ and set
// nothing: misspelt ones, and those of apps that the tree does not have. Load itself can't see them.
func (c *Config) UnknownVariables(environ []string) []string {
	e := environment{lookup: func(string) (string, bool) { return "", false }, known: make(map[string]bool)}
	copied := *c
	_ = e.apply(&copied) // without values nothing is changed and nothing can be wrong
	var unknown []string
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, envPrefix) && !e.known[name] {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}

func asErrors(texts []string) []error {
	out := make([]error, len(texts))
	for i, text := range texts {
		out[i] = errors.New(text)
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
