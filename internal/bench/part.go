package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// A part is a process of this program that takes orders, a line of JSON each, and answers each with a line of JSON. It ends when its
// orders do.

// order is a line that a part is sent.
type order struct {
	Do string `json:"do"`
}

// The orders.
const (
	doReset  = "reset"
	doReport = "report"
	// doCount is a report of what costs nothing to report.
	doCount = "count"
)

// Part is what a part of a benchmark is started with, as JSON in one argument.
type Part struct {
	Role     string
	Dir      string
	Provider provider
	Broker   string
	Sync     bool
	Engine   string
	// Connections bounds the sender's connections.
	Connections int
	Count       int
	Calls       int
	Worker      string
	// Rate is the app's, "" for none, and Workers how many share it.
	Rate    string
	Workers int
	// Profile is the file that a sender or worker writes where its processor time goes to; "" for none.
	Profile string
}

// part is a running one.
type part struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	log  *tail
}

// launch starts a part and waits for its greeting, which it decodes into hello.
func launch(ctx context.Context, p Part, hello any) (*part, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("describing a part of the benchmark: %w", err)
	}
	started := &part{name: p.Role, cmd: exec.CommandContext(ctx, program, "bench-part", string(text)), log: &tail{}} //nolint:gosec // it is this program
	started.cmd.Stderr = started.log
	if started.in, err = started.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting the %s: %w", p.Role, err)
	}
	out, err := started.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the %s: %w", p.Role, err)
	}
	started.out = bufio.NewReader(out)
	if err := started.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the %s: %w", p.Role, err)
	}
	if err := started.answer(hello); err != nil {
		return nil, errors.Join(err, started.end())
	}
	return started, nil
}

// ask sends an order and decodes the answer.
func (p *part) ask(do string, into any) error {
	text, err := json.Marshal(order{do})
	if err != nil {
		return fmt.Errorf("ordering %q: %w", do, err)
	}
	if _, err := p.in.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("the %s has ended: %w\n%s", p.name, err, p.log)
	}
	return p.answer(into)
}

func (p *part) answer(into any) error {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the %s does not answer: %w\n%s", p.name, err, p.log)
	}
	if err := json.Unmarshal(line, into); err != nil {
		return fmt.Errorf("the %s answers %q: %w", p.name, line, err)
	}
	return nil
}

// end closes the orders and waits for the process.
func (p *part) end() error {
	_ = p.in.Close()
	timer := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("the %s: %w\n%s", p.name, err, p.log)
	}
	return nil
}

// tail keeps the end of what a part wrote to its standard error.
type tail struct{ text []byte }

const tailSize = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if len(t.text) > tailSize {
		t.text = t.text[len(t.text)-tailSize:]
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.text) }

// obey answers orders until there are no more. The greeting goes out first.
func obey(in io.Reader, out io.Writer, hello any, do func(string) (any, error)) error {
	encoder := json.NewEncoder(out)
	if err := encoder.Encode(hello); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	orders := json.NewDecoder(in)
	for {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading an order: %w", err)
		}
		answer, err := do(o.Do)
		if err != nil {
			return err
		}
		if err := encoder.Encode(answer); err != nil {
			return fmt.Errorf("answering %q: %w", o.Do, err)
		}
	}
}
