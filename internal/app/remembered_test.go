package app

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/queue"
)

// asked is a broker that counts how often it is asked. It is set up while nobody asks.
type asked struct {
	count atomic.Int64
	fails bool
	takes time.Duration
}

func (a *asked) times() int { return int(a.count.Load()) }

func (a *asked) ask(ctx context.Context) (queue.Load, error) {
	n := int(a.count.Add(1))
	select {
	case <-time.After(a.takes):
	case <-ctx.Done():
		return queue.Load{}, ctx.Err()
	}
	if a.fails {
		return queue.Load{}, errors.New("no answer")
	}
	return queue.Load{Streams: []queue.StreamLoad{{Messages: n}}}, nil
}

func TestRememberedAskNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := &asked{takes: time.Millisecond}
		l := &remembered[queue.Load]{ask: broker.ask, now: time.Now, log: zerolog.Nop()}
		defer l.close()
		for range 10 {
			if load, ok := l.get(); !ok || load.Streams[0].Messages != 1 {
				t.Fatalf("%+v %v", load, ok)
			}
		}
		if broker.times() != 1 {
			t.Errorf("ten who ask at once made %d questions", broker.times())
		}
		<-time.After(loadEvery)
		if load, _ := l.get(); broker.times() != 2 || load.Streams[0].Messages != 2 {
			t.Errorf("after %v: %+v, %d questions", loadEvery, load, broker.times())
		}
	})
}

// A broker that does not answer costs nobody more than loadPatience, however many ask, and there is one question under way.
func TestRememberedWaitForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := &asked{}
		l := &remembered[queue.Load]{ask: broker.ask, now: time.Now, log: zerolog.Nop()}
		defer l.close()
		if _, ok := l.get(); !ok {
			t.Fatal("no first answer")
		}
		broker.takes = time.Hour
		<-time.After(loadEvery)
		begun := time.Now()
		for range 3 {
			if load, ok := l.get(); !ok || load.Streams[0].Messages != 1 {
				t.Errorf("the last answer is not told: %+v %v", load, ok)
			}
		}
		if took := time.Since(begun); took > 3*loadPatience || broker.times() != 2 {
			t.Errorf("three took %v and made %d questions", took, broker.times()-1)
		}
		<-time.After(loadMaxAge)
		if _, ok := l.get(); ok {
			t.Errorf("an answer older than %v is told", loadMaxAge)
		}
	})
}

func TestRememberedAfterAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := &asked{fails: true}
		l := &remembered[queue.Load]{ask: broker.ask, now: time.Now, log: zerolog.Nop()}
		if _, ok := l.get(); ok {
			t.Error("a fault is told as an answer")
		}
		l.get()
		if broker.times() != 1 {
			t.Error("a broker in trouble is asked without pause")
		}
		broker.fails = false
		<-time.After(loadEvery)
		if _, ok := l.get(); !ok {
			t.Error("nothing is told after the trouble")
		}
		l.close()
		<-time.After(loadEvery)
		if l.get(); broker.times() != 2 {
			t.Error("asked after the end")
		}
	})
}
