package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
)

// Load returns the defaults with the file and the environment laid over them. file "" is no file; env is os.LookupEnv or
// a test's. All faults of the file, or else all of the environment, are in the error, each with its place; the lines of
// the file that it shows have no secrets in them. The caller lays the flags over the result and then calls Validate.
func Load(file string, env func(string) (string, bool)) (*Config, error) {
	tree := Default()
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("the configuration file can't be read: %w; check --config", err)
		}
		if err := readFile(tree, file, text); err != nil {
			return nil, fmt.Errorf("the configuration file is wrong:\n%w", err)
		}
	}
	e := environment{lookup: env, known: make(map[string]bool)}
	if err := e.apply(tree); err != nil {
		return nil, fmt.Errorf("the environment is wrong:\n%w", err)
	}
	if tree.NATS.StoreDir == "" {
		tree.NATS.StoreDir = e.storeDir()
	}
	return tree, nil
}

// storeDir is the folder for the embedded broker when nobody names one: where systemd or the user's desktop keeps state.
// It does not depend on the working directory, because the jobs of yesterday must be found again.
func (e *environment) storeDir() string {
	if given, ok := e.get(envStateFolder); ok {
		first, _, _ := strings.Cut(given, ":")
		return filepath.Join(first, storeFolderName)
	}
	if given, ok := e.get(envXDGState); ok {
		return filepath.Join(given, "volley", storeFolderName)
	}
	if home, ok := e.get(envHome); ok {
		return filepath.Join(home, ".local", "state", "volley", storeFolderName)
	}
	return ""
}

// Print writes the tree as YAML that Load reads again, except for its secrets.
func (c *Config) Print(w io.Writer) error {
	text, err := yaml.MarshalWithOptions(c, yaml.Indent(2))
	if err != nil {
		return fmt.Errorf("printing the configuration: %w", err)
	}
	_, err = w.Write(text)
	return err
}
