package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/volleypush/volley/internal/bench/peer"
)

// h2load is where nghttp2's load generator is, the fastest client that one finds; "" if it is not installed.
func h2load() string {
	path, err := exec.LookPath("h2load")
	if err != nil {
		return ""
	}
	return path
}

// foreign measures h2load with requests of the shape of ours: the same header fields, a bearer token of the usual length, the same
// payload. All go to one device, so nobody can say who was lost or doubled, only how many came.
func foreign(ctx context.Context, s Scenario, provider *part, address string) (f Figures, err error) {
	dir, err := os.MkdirTemp("", "volley-bench-")
	if err != nil {
		return f, fmt.Errorf("making a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	payload := filepath.Join(dir, "payload.json")
	if err := os.WriteFile(payload, []byte(applePayload), 0o600); err != nil {
		return f, fmt.Errorf("writing the payload: %w", err)
	}
	var report peer.Report
	if err := provider.ask(doReset, &report); err != nil {
		return f, err
	}
	command := exec.CommandContext(ctx, h2load(), //nolint:gosec // it was looked up by its name
		"-n", strconv.Itoa(s.Count), "-c", "1", "-t", "1", "-m", "1000", "-w", "30", "-W", "30", "-d", payload,
		"-H", ":method: POST", "-H", "authorization: bearer "+strings.Repeat("t", 200), "-H", "apns-topic: com.example.app", "-H", "apns-push-type: alert",
		"-H", "apns-priority: 10", "-H", "apns-expiration: 1795430000", "-H", "apns-id: "+uuids(1, 1)[0],
		address+"/3/device/"+tokens(1, 1, "")[0])
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	began := time.Now()
	if err := command.Run(); err != nil {
		return f, fmt.Errorf("h2load: %w\n%s", err, out.Bytes())
	}
	used := Usage{Wall: time.Since(began), CPU: command.ProcessState.UserTime() + command.ProcessState.SystemTime()}
	if err := provider.ask(doReport, &report); err != nil {
		return f, err
	}
	if good := fmt.Sprintf("status codes: %d 2xx", s.Count); !strings.Contains(out.String(), good) || report.Received != s.Count {
		return f, fmt.Errorf("h2load sent %d of %d requests, or not all were accepted:\n%s", report.Received, s.Count, out.Bytes())
	}
	f = figures(s, used, report)
	f.Lost, f.Doubled = 0, 0
	return f, nil
}
