package integration

import (
	"strings"
	"testing"
)

// `worker demo` sends more than 40,000 notifications, balances its books and leaves nothing behind.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	code, output := runToEnd(t, "worker", []string{"TMPDIR=" + dir}, "demo")
	if code != 0 || !strings.Contains(output, "The books balance") || !strings.Contains(output, "0 lost, 0 sent twice") {
		t.Errorf("exit code %d:\n%s", code, output)
	}
	if strings.ContainsRune(output, '\r') || strings.Contains(output, "\x1b[") {
		t.Error("a progress bar was drawn although nobody watches")
	}
	if left := entries(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// The same under fire: workers are killed with -9 while they send; nothing is lost, and nobody has two final places.
func TestDemoUnderFire(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	code, output := runToEnd(t, "worker", []string{"TMPDIR=" + dir}, "demo", "--chaos")
	if code != 0 || !strings.Contains(output, "The books balance") || !strings.Contains(output, ": 0 lost, ") {
		t.Errorf("exit code %d:\n%s", code, output)
	}
	if strings.Contains(output, "killed with -9     0") {
		t.Errorf("nobody was killed:\n%s", output)
	}
	if left := entries(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
