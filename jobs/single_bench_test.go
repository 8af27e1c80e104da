package jobs

import (
	"testing"
	"time"
)

// BenchmarkSingle decodes a job of one recipient and makes its segment: what a whole job costs before it is rendered.
func BenchmarkSingle(b *testing.B) {
	body := []byte(`{"ids":"740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad","message":"Your order is on its way","badge":3,"sound":"default","extra":{"order":"A-1001"}}`)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		job, err := Decode(APNS, body)
		if err != nil {
			b.Fatal(err)
		}
		if seg := NewSegment(job, body, LaneNormal, "", uint64(i), time.Unix(1795430000, 0)); seg.JobID == "" {
			b.Fatal("no id")
		}
	}
}
