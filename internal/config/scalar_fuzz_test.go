package config

import "testing"

// FuzzScalars: a size or a rate that is read is none that anybody could trip over, and is written in a form that says the same.
func FuzzScalars(f *testing.F) {
	for _, text := range []string{"", "0", "512MiB", "10GiB", "9223372036854775807", "8388608TiB", "5000/s", "300 / m", "-1/h", "1/", "99999999999999999999/s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if size, err := ParseSize(text); err == nil {
			again, err := ParseSize(size.String())
			if err != nil || again != size || size < 0 {
				t.Errorf("%q is %d, and %q is %d, %v", text, size, size.String(), again, err)
			}
		}
		if rate, err := ParseRate(text); err == nil {
			again, err := ParseRate(rate.String())
			if err != nil || again != rate || rate.Count < 0 {
				t.Errorf("%q is %+v, and %q is %+v, %v", text, rate, rate.String(), again, err)
			}
		}
	})
}
