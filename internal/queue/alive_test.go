package queue

import (
	"testing"
	"time"
)

func TestAlive(t *testing.T) {
	t.Parallel()
	start := time.Now()
	now := start
	l := newLeases(nil, func() time.Time { return now }, 0)
	if err := l.alive(start.Add(time.Hour)); err != nil {
		t.Errorf("before it began: %v", err)
	}
	l.turn()
	latest := start.Add(stuckAfter*DefaultAckWait/beatsPerWait + time.Second)
	if err := l.alive(latest); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if err := l.alive(latest.Add(1)); err == nil {
		t.Error("past the limit it is still alive")
	}
	now = latest
	l.turn()
	if err := l.alive(latest.Add(1)); err != nil {
		t.Errorf("after another turn: %v", err)
	}
}

// TestAliveRuns has the ticker itself say that it comes round.
func TestAliveRuns(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := newLeases(nil, func() time.Time { return now }, time.Millisecond)
	l.every = time.Millisecond
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		l.run(done)
	}()
	late := time.After(20 * time.Second)
	for l.turned.Load() == nil {
		select {
		case <-late:
			t.Fatal("it does not come round")
		case <-time.After(time.Millisecond):
		}
	}
	close(done)
	<-ended
}
