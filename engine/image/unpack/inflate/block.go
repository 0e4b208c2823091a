package inflate

import (
	"encoding/binary"
	"io"
)

// What a turn of the loop below may take and give: it loads two words, the second
// up to seven bytes behind the first, and writes two literals and a match of 258
// bytes in whole words.
const (
	inSlack  = 16
	outSlack = 2 + 258 + 8
)

// tables are the codes of a block.
type tables struct {
	lit  [litSize]uint32
	dist [distSize]uint32
}

// symbols decodes until the block ends, there is no room for output, or the
// input has ended. It needs inSlack bytes of input after f.in[:f.have].
func (f *Reader) symbols(t *tables) error {
	// Arrays, not slices: the compiler knows how long they are.
	in, pos := (*[inSize + padding]byte)(f.in), f.pos
	out, op := (*[outSize]byte)(f.out), f.op
	acc, n := f.acc, f.n
	floor, lastIn := f.floor, f.have+f.pad-inSlack
	var err error
loop:
	for pos <= lastIn && op <= outSize-outSlack {
		acc |= binary.LittleEndian.Uint64(in[pos:pos+8]) << (n & 63)
		pos += int((63 - n) >> 3)
		n |= 56

		e := t.lit[acc&(1<<litBits-1)]
		if e&isLiteral != 0 { // of at most 11 bits, and so are the next two
			out[op] = byte(e >> valueShift)
			op++
			acc, n = acc>>(e&takeMask&63), n-uint(e&takeMask)
			e = t.lit[acc&(1<<litBits-1)]
			if e&isLiteral != 0 {
				out[op] = byte(e >> valueShift)
				op++
				acc, n = acc>>(e&takeMask&63), n-uint(e&takeMask)
				e = t.lit[acc&(1<<litBits-1)]
				if e&isLiteral != 0 {
					out[op] = byte(e >> valueShift)
					op++
					acc, n = acc>>(e&takeMask&63), n-uint(e&takeMask)
					continue
				}
			}
			// 34 bits are left, a length and a distance may take 48.
			acc |= binary.LittleEndian.Uint64(in[pos:pos+8]) << (n & 63)
			pos += int((63 - n) >> 3)
			n |= 56
		}
		if e&isSpecial != 0 {
			if e&isLink != 0 {
				acc, n = acc>>litBits, n-litBits
				e = t.lit[e>>valueShift&valueMask+uint32(acc)&(1<<(e>>codeShift&codeMask)-1)]
				if e&isLiteral != 0 {
					out[op] = byte(e >> valueShift)
					op++
					acc, n = acc>>(e&takeMask&63), n-uint(e&takeMask)
					continue
				}
			}
			if e&isSpecial != 0 {
				acc, n = acc>>(e&takeMask&63), n-uint(e&takeMask)
				if e&isEnd == 0 {
					err = ErrCorrupt
				}
				f.step = (*Reader).block
				break loop
			}
		}
		length := int(e>>valueShift&valueMask + uint32(acc&(1<<(e&takeMask&63)-1)>>(e>>codeShift&codeMask)))
		acc, n = acc>>(e&takeMask&63), n-uint(e&takeMask)

		e = t.dist[acc&(1<<distBits-1)]
		if e&isSpecial != 0 {
			if e&isLink != 0 {
				acc, n = acc>>distBits, n-distBits
				e = t.dist[e>>valueShift&valueMask+uint32(acc)&(1<<(e>>codeShift&codeMask)-1)]
			}
			if e&isSpecial != 0 {
				err = ErrCorrupt
				break loop
			}
		}
		dist := int(e>>valueShift&valueMask + uint32(acc&(1<<(e&takeMask&63)-1)>>(e>>codeShift&codeMask)))
		acc, n = acc>>(e&takeMask&63), n-uint(e&takeMask)

		from := op - dist
		if from < floor {
			err = ErrCorrupt
			break loop
		}
		end := op + length
		if dist >= 8 { // words may overlap what they have just written, bytes of one word may not
			binary.LittleEndian.PutUint64(out[op:op+8], binary.LittleEndian.Uint64(out[from:from+8]))
			binary.LittleEndian.PutUint64(out[op+8:op+16], binary.LittleEndian.Uint64(out[from+8:from+16]))
			for from, op = from+16, op+16; op < end; from, op = from+8, op+8 {
				binary.LittleEndian.PutUint64(out[op:op+8], binary.LittleEndian.Uint64(out[from:from+8]))
			}
			op = end
			continue
		}
		if dist == 1 { // mostly zeros, and many
			for same := uint64(out[from]) * 0x0101010101010101; op < end; op += 8 {
				binary.LittleEndian.PutUint64(out[op:op+8], same)
			}
			op = end
			continue
		}
		for ; op < end; from, op = from+1, op+1 {
			out[op] = out[from]
		}
	}
	f.pos, f.op, f.acc, f.n = pos, op, acc, n
	if f.consumed() > f.have {
		return io.ErrUnexpectedEOF
	}
	return err
}

// stored copies what is left of an uncompressed block.
func (f *Reader) stored() error {
	m := copy(f.out[f.op:len(f.out)-outSlack], f.in[f.pos:min(f.have, f.pos+f.left)])
	f.op, f.pos, f.left = f.op+m, f.pos+m, f.left-m
	if f.left == 0 {
		f.step = (*Reader).block
	} else if m == 0 && f.ended && f.pos == f.have {
		return io.ErrUnexpectedEOF
	}
	return nil
}
