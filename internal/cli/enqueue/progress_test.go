package enqueue

import (
	"bytes"
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
	if got := screen.String(); !strings.Contains(got, "results ") || !strings.Contains(got, "30 / 40") {
		t.Errorf("the last line is not there: %q", got)
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
	var none *progress
	none.set(1)
	none.stop()
}
