package provider

import (
	"testing"

	"github.com/google/uuid"
)

// The ids are fixed for ever: another worker, or a later version, has to make the same ones.
func TestAPNSIDs(t *testing.T) {
	for _, tt := range []struct {
		app, job string
		index    int
		want     string
	}{
		{"default", "promo-7", 0, "78c11f89-df83-886f-913c-bda000000000"},
		{"default", "promo-7", 1, "78c11f89-df83-886f-913c-bda000000001"},
		{"default", "promo-7", 70_000, "78c11f89-df83-886f-913c-bda000011170"},
		{"default", "promo-8", 0, "e94038ee-255d-80aa-a866-e0bd00000000"},
		{"other", "promo-7", 0, "7bf7466e-8e5e-82e3-a279-6dc700000000"},
		{"otherpromo", "-7", 0, "32dd5086-d195-8222-ae83-ad7900000000"}, // not the same text in another place
	} {
		got := apnsIDs(tt.app, tt.job, []int{5, tt.index})[1]
		if got != tt.want {
			t.Errorf("recipient %d of %s/%s: %s, want %s", tt.index, tt.app, tt.job, got, tt.want)
		}
		if alone := apnsID(tt.app, tt.job, tt.index); alone != got {
			t.Errorf("alone it is %s, among others %s", alone, got)
		}
		if id, err := uuid.Parse(got); err != nil || id.String() != got || id.Version() != 8 || id.Variant() != uuid.RFC4122 {
			t.Errorf("%s: version %d, variant %d, %v", got, id.Version(), id.Variant(), err)
		}
	}
}

// BenchmarkAPNSIDs makes those of a segment of 1,000.
func BenchmarkAPNSIDs(b *testing.B) {
	positions := make([]int, 1000)
	for i := range positions {
		positions[i] = i
	}
	b.ReportAllocs()
	for b.Loop() {
		apnsIDs("default", "promo-7", positions)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(positions)), "ns/recipient")
}
