package unpack

import (
	"hash/crc64"
	"math/rand/v2"
	"testing"
)

func TestCRC(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	buf := make([]byte, 5000)
	for n := range len(buf) {
		b := buf[:n]
		_, _ = random.Read(b)
		start := random.Uint64()
		if got, want := crcUpdate(start, b), crc64.Update(start, crcTable, b); got != want {
			t.Fatalf("%d bytes from %x: %x, want %x", n, start, got, want)
		}
	}
}

func BenchmarkCRC(b *testing.B) {
	buf := make([]byte, 256<<10)
	for name, f := range map[string]func(uint64, []byte) uint64{
		"ours": crcUpdate,
		"std":  func(c uint64, p []byte) uint64 { return crc64.Update(c, crcTable, p) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				f(0, buf)
			}
		})
	}
}
