//go:build linux && !race

package main

import (
	"bufio"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/internal/queue"
)

// idsInList is how many recipients the lists of these tests have; make list asks for five million.
var idsInList = flag.Int("ids", 0, "recipients in the lists; 0 for short ones")

// mostMemory is the most memory that enqueue may ever have had, for a list of any length.
const mostMemory = 100 << 20

// size is how many ids a list has and what they may take: all runs of the tests use a short one, which held as a whole would take more.
func size(short, mostForShort int) (ids, most int) {
	if *idsInList > 0 {
		return *idsInList, mostMemory
	}
	return short, mostForShort
}

// TestListOfAnyLength gives the program a list that has every hundredth id twice, and looks at the most memory that its process
// ever had. It is looked at when the first word of the answer is there: then all work is done, and the rest of the answer is
// larger than the pipe, so that the process still lives.
func TestListOfAnyLength(t *testing.T) {
	ids, most := size(750_000, 72<<20)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program, "apns", "--dry-run", "--message=Hi", "--id=list", "--ids-file=-")
	command.Args[0] = "enqueue" // what testscript.Main goes by
	command.Stderr = os.Stderr
	list, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	answer, answerOfChild, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Close() }()
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, answer.Fd(), 1031 /* F_SETPIPE_SZ */, 4096); errno != 0 {
		t.Fatal(errno)
	}
	command.Stdout = answerOfChild
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	_ = answerOfChild.Close()
	written := make(chan error, 1)
	go func() { written <- writeList(list, ids) }()

	out := bufio.NewReaderSize(answer, 16)
	if _, err := out.ReadByte(); err != nil {
		t.Fatal(err)
	}
	memory := highWater(t, command.Process.Pid)
	rest, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d ids: at most %d kB", ids, memory>>10)
	if memory > most {
		t.Errorf("a list of %d ids took %d kB, more than %d kB", ids, memory>>10, most>>10)
	}
	if want := "\n" + thousands(ids/100) + " repeated ids removed"; !strings.Contains(string(rest), want) {
		t.Errorf("the answer does not say %q: …%s", want[1:], rest[max(0, len(rest)-300):])
	}
}

// TestListOfAnyLengthIsPublished publishes such a list. The program waits for results that nobody makes, so that it can be looked at
// when the broker has all jobs.
func TestListOfAnyLengthIsPublished(t *testing.T) {
	server, err := natsembed.Start(natsembed.Options{Listen: "127.0.0.1:0", StoreDir: t.TempDir(), MaxStore: 4 << 30, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	conn, err := queue.Connect(t.Context(), queue.Options{InProcess: server, Name: "worker", Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := conn.EnsureTopology(t.Context(), queue.Topology{}); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ids, most := size(250_000, 43<<20)
	command := exec.CommandContext(t.Context(), program, "apns", "--app=shop", "--message=Hi", "--id=list", "--ids-file=-", "--wait", "--nats-url="+server.ClientURL())
	command.Args[0] = "enqueue"
	command.Stderr = os.Stderr
	list, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	answer, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- writeList(list, ids) }()
	for out := bufio.NewScanner(answer); ; {
		if !out.Scan() {
			t.Fatal("the program ended before it had published the list")
		}
		if strings.HasSuffix(out.Text(), " repeated ids removed (--keep-duplicates sends them too)") {
			break // the last word before the results
		}
	}
	memory := highWater(t, command.Process.Pid)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	_ = command.Process.Kill()
	_ = command.Wait()
	waiting, err := conn.Backlog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d ids in %d jobs: at most %d kB", ids, waiting, memory>>10)
	if want := (ids*67 + 1<<20) >> 20; waiting < uint64(want) {
		t.Errorf("%d jobs are stored, less than %d", waiting, want)
	}
	if memory > most {
		t.Errorf("publishing %d ids took %d kB, more than %d kB", ids, memory>>10, most>>10)
	}
}

// thousands writes a number of at most six digits as the program does.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

// writeList writes a table of so many different ids, the hundredth of each hundred twice.
func writeList(to io.WriteCloser, ids int) error {
	out := bufio.NewWriterSize(to, 1<<16)
	_, err := out.WriteString("name,device token\n")
	for i := 0; i < ids && err == nil; i++ {
		id := sha256.Sum256(strconv.AppendInt(nil, int64(i), 10))
		line := fmt.Sprintf("n,%x\n", id)
		if _, err = out.WriteString(line); err == nil && i%100 == 0 {
			_, err = out.WriteString(line)
		}
	}
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = to.Close()
	}
	return err
}

// highWater is the most memory that a process ever had, in bytes.
func highWater(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	t.Fatalf("no VmHWM in %s", status)
	return 0
}
