package inflate

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"
)

// BenchmarkReader compares with the standard library.
func BenchmarkReader(b *testing.B) {
	plain := samples()["mixed"]
	z := compress(b, plain, 6)
	for name, open := range map[string]func(io.Reader) (io.Reader, error){
		"ours":     func(r io.Reader) (io.Reader, error) { return NewReader(r) },
		"standard": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			for b.Loop() {
				r, err := open(bytes.NewReader(z))
				if err == nil {
					_, err = io.Copy(io.Discard, r)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
