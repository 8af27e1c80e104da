package integration

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every script of examples/faults can be given to the simulators, at their start and to their control port. What a client makes of
// each is the senders' own test.
func TestFaultScriptsRun(t *testing.T) {
	files, err := filepath.Glob("../examples/faults/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	control := freePort(t)
	start(t, "worker", nil, "simulate", "--apns", freePort(t), "--google", freePort(t), "--control", control, "--script", files[0]).waitFor("ready")
	force := func() string {
		response, err := http.Get("http://" + control + "/script")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if force() == `{"rules":null}`+"\n" {
		t.Error("the script of the start is not in force")
	}
	before := ""
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "# ") {
			t.Errorf("%s does not begin by saying what it is about", file)
		}
		setScript(t, control, string(text))
		now := force()
		if now == before {
			t.Errorf("%s changes nothing", file)
		}
		before = now
	}
}
