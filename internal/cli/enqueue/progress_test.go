package enqueue

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/vbauerster/mpb/v8"
)

func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	var screen bytes.Buffer
	bar := newProgress(&screen, "results", 40, mpb.WithAutoRefresh())
	bar.set(10)
	bar.set(30)
	bar.stop()
	if got := screen.String(); !strings.Contains(got, "results ") || !strings.Contains(got, "30 / 40") || !strings.Contains(got, "/s ") || !strings.Contains(got, " left") {
		t.Errorf("the last line is not there: %q", got)
	}
}

func TestProgressOfReading(t *testing.T) {
	t.Parallel()
	var screen bytes.Buffer
	bar := newProgress(&screen, "reading, MiB", 3, mpb.WithAutoRefresh())
	text, err := io.ReadAll(&watched{strings.NewReader("12345"), bar, 0, 2})
	bar.stop()
	if got := screen.String(); err != nil || string(text) != "12345" || !strings.Contains(got, "2 / 3") {
		t.Errorf("%q, %v; the last line is not there: %q", text, err, got)
	}
}

func TestNoProgressInAPipe(t *testing.T) {
	t.Parallel()
	file, err := os.CreateTemp(t.TempDir(), "pipe")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for _, s := range []*session{{stderr: file, env: noEnv}, {stderr: new(bytes.Buffer), env: noEnv}} {
		if bar := s.startProgress("results", 40); bar != nil {
			t.Error("a bar where nobody looks")
			bar.stop()
		}
	}
	if source, bar := (&session{stderr: file, env: noEnv}).reading(file); source != io.Reader(file) || bar != nil {
		t.Error("a file is watched where nobody looks")
	}
	var none *progress
	none.set(1)
	none.stop()
}
