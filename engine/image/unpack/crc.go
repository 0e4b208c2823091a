package unpack

import (
	"encoding/binary"
	"hash/crc64"
)

// tar-split keeps a CRC-64 (ISO 3309) of each file. The standard library's
// takes as long as SHA-256 here, and nothing of a layer is unpacked meanwhile;
// this one takes a quarter of that. Its polynomial is
//
//	P = x⁶⁴ + x⁴ + x³ + x + 1
//
// and as squares have no cross terms, what lies 64 bytes ahead is folded by
//
//	x⁵¹² ≡ (x⁴ + x³ + x + 1)⁸ = x³² + x²⁴ + x⁸ + 1  (mod P)
//
// that is by shifts, in eight words that do not depend on each other. Bit 63 of a word is its
// lowest power of x.

var crcTable = crc64.MakeTable(crc64.ISO)

// crcUpdate is crc64.Update(crc, crcTable, b).
func crcUpdate(crc uint64, b []byte) uint64 {
	const stride = 64
	if len(b) < 2*stride {
		return crc64.Update(crc, crcTable, b)
	}
	w0, w1, w2, w3 := word(b)^^crc, word(b[8:]), word(b[16:]), word(b[24:])
	w4, w5, w6, w7 := word(b[32:]), word(b[40:]), word(b[48:]), word(b[56:])
	for b = b[stride:]; len(b) >= stride; b = b[stride:] {
		next := (*[stride]byte)(b)
		w0 = fold(w0) ^ word(next[:])
		w1 = fold(w1) ^ word(next[8:])
		w2 = fold(w2) ^ word(next[16:])
		w3 = fold(w3) ^ word(next[24:])
		w4 = fold(w4) ^ word(next[32:])
		w5 = fold(w5) ^ word(next[40:])
		w6 = fold(w6) ^ word(next[48:])
		w7 = fold(w7) ^ word(next[56:])
	}
	// The eight words have the same CRC as all that has been read.
	var last [stride]byte
	for i, w := range [...]uint64{w0, w1, w2, w3, w4, w5, w6, w7} {
		binary.LittleEndian.PutUint64(last[8*i:], w)
	}
	crc = crc64.Update(^uint64(0), crcTable, last[:])
	return crc64.Update(crc, crcTable, b)
}

// word is a function because a method's value would be called each time.
func word(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// fold multiplies w by x⁵¹² ≡ (x²⁴ + 1)(x⁸ + 1). What that moves out at the
// right is a multiple of x⁶⁴ and comes back in by x⁶⁴ ≡ (x³ + 1)(x + 1).
func fold(w uint64) uint64 {
	over := w<<32 ^ w<<40 ^ w<<56
	over ^= over >> 1
	over ^= over >> 3
	w ^= w >> 8
	w ^= w >> 24
	return w ^ over
}
