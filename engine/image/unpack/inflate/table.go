package inflate

import "math/bits"

// A table is indexed by the next bits of the input. Its entries say
//
//	bits 0-7    how many bits to consume, extra bits included
//	bits 8-11   how many of them are the code; of a link, how many bits index
//	            the further table
//	bits 16-30  literal, base of length or distance, start of the further table
//	bits 12-15, 31  what it is
//
// so that the value is base + (the consumed bits >> length of the code).
const (
	litBits  = 11
	distBits = 9

	isLiteral = 1 << 31
	isSpecial = 1 << 15 // none of those that are usual: see the next three
	isLink    = 1 << 14
	isEnd     = 1 << 13
	isInvalid = 1 << 12

	valueShift = 16
	valueMask  = 0x7fff
	codeShift  = 8
	codeMask   = 0xf
	takeMask   = 0xff
)

const (
	maxLit  = 286 // symbols that mean something
	maxDist = 30
	maxCode = 15 // bits

	// Room for a table and all its further tables: the worst cases that
	// zlib's enough.c finds for 288 symbols and 11 bits, 32 symbols and 9 bits.
	litSize  = 2342
	distSize = 594
)

// lenEntries and distEntries are what symbols mean, without their codes.
var (
	litEntries  = makeLitEntries()
	distEntries = makeDistEntries()
	clenEntries = makeClenEntries()
)

// symbol makes the entry of a symbol before its code is known.
func symbol(base, extra int) uint32 { return uint32(base)<<valueShift | uint32(extra) }

func makeLitEntries() (out [288]uint32) {
	for i := range 256 {
		out[i] = isLiteral | symbol(i, 0)
	}
	out[256] = isSpecial | isEnd
	base := 3
	for i := 257; i < maxLit-1; i++ {
		extra := max(0, (i-261)/4)
		out[i] = symbol(base, extra)
		base += 1 << extra
	}
	out[285] = symbol(258, 0)
	out[286], out[287] = isSpecial|isInvalid, isSpecial|isInvalid
	return out
}

func makeDistEntries() (out [32]uint32) {
	base := 1
	for i := range maxDist {
		extra := max(0, i/2-1)
		out[i] = symbol(base, extra)
		base += 1 << extra
	}
	out[30], out[31] = isSpecial|isInvalid, isSpecial|isInvalid
	return out
}

func makeClenEntries() (out [19]uint32) {
	for i := range out {
		out[i] = symbol(i, 0)
	}
	return out
}

// build fills table, which is indexed by width bits, for canonical codes of
// the given lengths. It returns false for lengths that make no code: too many
// codes, or too few, unless it is one of a single bit, or none at all.
func build(table []uint32, width int, lengths []uint8, entries []uint32) bool {
	var count [maxCode + 1]int
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	var start [maxCode + 2]int // where the codes of a length begin in order
	left, longest := 1, 0
	for n := 1; n <= maxCode; n++ {
		if count[n] > 0 {
			longest = n
		}
		start[n+1] = start[n] + count[n]
		left = left<<1 - count[n]
		if left < 0 {
			return false
		}
	}
	main := table[:1<<width]
	if left > 0 { // incomplete
		if longest > 1 {
			return false
		}
		for i := range main {
			main[i] = isSpecial | isInvalid
		}
	}
	var order [288]uint16
	next := start
	for sym, n := range lengths {
		if n != 0 {
			order[next[n]] = uint16(sym)
			next[n]++
		}
	}
	fill(table, width, longest, &count, order[:start[longest+1]], entries)
	return true
}

// fill assigns codes to the symbols in order of their lengths.
func fill(table []uint32, width, longest int, count *[maxCode + 1]int, order []uint16, entries []uint32) {
	code := 0 // most significant bit first
	free := 1 << width
	prefix, sub, subBits := -1, 0, 0
	for n := 1; n <= longest; n, code = n+1, code<<1 {
		for left := count[n]; left > 0; left-- {
			e := entries[order[0]]
			order = order[1:]
			e += uint32(n)<<codeShift | uint32(n)
			rev := int(bits.Reverse16(uint16(code)) >> (16 - n))
			code++
			if n <= width {
				for i := rev; i < 1<<width; i += 1 << n {
					table[i] = e
				}
				continue
			}
			if low := rev & (1<<width - 1); low != prefix {
				prefix, sub = low, free
				subBits = subWidth(n-width, left, n, longest, count)
				free += 1 << subBits
				table[low] = isSpecial | isLink | uint32(sub)<<valueShift | uint32(subBits)<<codeShift | uint32(width)
			}
			e -= uint32(width)<<codeShift | uint32(width) // the link has consumed those
			for i := rev >> width; i < 1<<subBits; i += 1 << (n - width) {
				table[sub+i] = e
			}
		}
	}
}

// subWidth is how many bits a further table needs to hold all codes that begin
// as the present one, of n bits, does: left of this length are to come, and
// those that are longer.
func subWidth(width, left, n, longest int, count *[maxCode + 1]int) int {
	space := 1<<width - left
	for space > 0 && n < longest {
		width, n = width+1, n+1
		space = space<<1 - count[n]
	}
	return width
}
