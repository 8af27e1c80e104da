package worker

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// supervisor is systemd, where it has started the worker with Type=notify: it is told when the worker is ready and when it stops, and
// with WatchdogSec again and again that it goes on. A nil supervisor hears nothing. Source: sd_notify(3), sd_watchdog_enabled(3).
type supervisor struct {
	conn *net.UnixConn
	// every is the pause between two signs of life; 0 if none are expected.
	every time.Duration
}

// supervise connects to the socket that the environment names; nil if it names none.
func supervise(env func(string) (string, bool)) (*supervisor, error) {
	path, ok := env("NOTIFY_SOCKET")
	if !ok || path == "" {
		return nil, nil
	}
	if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "@") {
		return nil, fmt.Errorf("NOTIFY_SOCKET is %q, but a socket's address begins with / or @; unset it where systemd does not run the worker", path)
	}
	// Go writes an abstract address as systemd does, with an @ for the leading zero.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("systemd can't be told that the worker is ready: %w; unset NOTIFY_SOCKET where systemd does not run it", err)
	}
	return &supervisor{conn: conn, every: watchdogPause(env)}, nil
}

// watchdogPause is a third of the time after which systemd gives the worker up: two signs of life may be lost.
func watchdogPause(env func(string) (string, bool)) time.Duration {
	text, _ := env("WATCHDOG_USEC")
	micros, err := strconv.ParseInt(text, 10, 64)
	if pid, ok := env("WATCHDOG_PID"); ok && pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0 // meant for another process
	}
	if err != nil || micros <= 0 {
		return 0
	}
	return time.Duration(micros) * time.Microsecond / 3
}

func (v *supervisor) say(state string) {
	if v != nil {
		_, _ = v.conn.Write([]byte(state)) // who does not listen learns nothing
	}
}

// watch gives a sign of life for as long as alive says so, until ctx ends. An alive that never answers is a no: then there are no more
// signs, and systemd ends the worker.
func (v *supervisor) watch(ctx context.Context, alive func() error) {
	if v == nil || v.every == 0 {
		return
	}
	ticker := time.NewTicker(v.every)
	defer ticker.Stop()
	for {
		if err := alive(); err == nil {
			v.say("WATCHDOG=1")
		} else {
			v.say("STATUS=stuck: " + err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// begin says that the worker is ready, and gives signs of life until end is called. stopping says that it drains; signs of life go on
// meanwhile.
func (v *supervisor) begin(alive func() error) (stopping, end func()) {
	v.say("READY=1\nSTATUS=working")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		v.watch(ctx, alive)
	}()
	stopping = func() { v.say("STOPPING=1\nSTATUS=draining: what is in flight is finished first") }
	end = func() {
		cancel()
		if v == nil {
			return
		}
		select {
		case <-done:
		case <-time.After(time.Second): // alive does not answer; the process ends anyway
		}
		_ = v.conn.Close()
	}
	return stopping, end
}
