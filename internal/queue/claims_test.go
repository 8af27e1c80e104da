package queue

import (
	"sync"
	"testing"

	"github.com/volleypush/volley/internal/pipeline"
)

func TestClaimIsMadeOnceAndDropped(t *testing.T) {
	_, c := broker(t)
	ensure(t, c)
	const key = "apns.default.j.0.0"
	if claim, err := c.Claim(t.Context(), key); err != nil || claim != (pipeline.Claim{}) {
		t.Fatalf("%+v %v", claim, err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 8 {
		wg.Go(func() {
			_, stored, err := c.PutClaim(t.Context(), key, pipeline.Claim{Owner: "w"})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if stored {
				won++
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Fatalf("%d of 8 claims were stored", won)
	}
	claim, err := c.Claim(t.Context(), key)
	if err != nil || claim.Owner != "w" || claim.Revision == 0 {
		t.Fatalf("%+v %v", claim, err)
	}
	claim.Starts = 2
	written, stored, err := c.PutClaim(t.Context(), key, claim)
	if err != nil || !stored || written.Revision <= claim.Revision {
		t.Fatalf("%+v %v %v", written, stored, err)
	}
	if err := c.DropClaim(t.Context(), key, claim.Revision); err != nil {
		t.Errorf("dropping an old revision: %v", err)
	}
	if again, err := c.Claim(t.Context(), key); err != nil || again.Starts != 2 {
		t.Errorf("an old revision was dropped with the new one: %+v %v", again, err)
	}
	for range 2 {
		if err := c.DropClaim(t.Context(), key, written.Revision); err != nil {
			t.Error(err)
		}
	}
	if claim, err := c.Claim(t.Context(), key); err != nil || claim != (pipeline.Claim{}) {
		t.Errorf("%+v %v", claim, err)
	}
}
