package inflate

import "io"

// block reads the header of a block, or what follows the last one.
func (f *Reader) block() error {
	if f.last {
		return f.trailer()
	}
	head, err := f.take(3)
	if err != nil {
		return err
	}
	f.last = head&1 != 0
	switch head >> 1 {
	case 0:
		return f.storedHeader()
	case 1:
		f.step = (*Reader).fixedSymbols
		return nil
	case 2:
		f.step = (*Reader).dynamicSymbols
		return f.dynamicHeader()
	}
	return ErrCorrupt
}

func (f *Reader) fixedSymbols() error   { return f.symbols(fixed()) }
func (f *Reader) dynamicSymbols() error { return f.symbols(&f.codes) }

func (f *Reader) storedHeader() error {
	f.align()
	length, err := f.take(16)
	if err != nil {
		return err
	}
	check, err := f.take(16)
	if err != nil {
		return err
	}
	if length != ^check&0xffff {
		return ErrCorrupt
	}
	f.unread()
	f.left = int(length)
	f.step = (*Reader).stored
	return nil
}

// clenOrder is in which order the lengths of the codes for lengths come.
var clenOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// dynamicHeader reads the codes of a block.
func (f *Reader) dynamicHeader() error {
	head, err := f.take(14)
	if err != nil {
		return err
	}
	nlit, ndist, nclen := int(head&31)+257, int(head>>5&31)+1, int(head>>10)+4
	if nlit > maxLit || ndist > maxDist {
		return ErrCorrupt
	}
	var lens [19]uint8
	for _, at := range clenOrder[:nclen] {
		v, err := f.take(3)
		if err != nil {
			return err
		}
		lens[at] = uint8(v)
	}
	var table [1 << 7]uint32
	if !build(table[:], 7, lens[:], clenEntries[:]) {
		return ErrCorrupt
	}
	lengths := f.lengths[:nlit+ndist]
	if err := f.readLengths(lengths, &table); err != nil {
		return err
	}
	if !build(f.codes.lit[:], litBits, lengths[:nlit], litEntries[:]) ||
		!build(f.codes.dist[:], distBits, lengths[nlit:], distEntries[:]) {
		return ErrCorrupt
	}
	return nil
}

// repeats are the codes that stand for several lengths.
var repeats = [3]struct{ bits, least uint }{{2, 3}, {3, 3}, {7, 11}}

func (f *Reader) readLengths(lengths []uint8, table *[1 << 7]uint32) error {
	for i := 0; i < len(lengths); {
		if err := f.fill(7); err != nil {
			return err
		}
		e := table[f.acc&(1<<7-1)]
		if e&isSpecial != 0 {
			return f.short(ErrCorrupt)
		}
		f.drop(uint(e & takeMask))
		sym := uint8(e >> valueShift)
		if sym < 16 {
			lengths[i] = sym
			i++
			continue
		}
		r := repeats[sym-16]
		v, err := f.take(r.bits)
		if err != nil {
			return err
		}
		times, value := int(v)+int(r.least), uint8(0)
		if sym == 16 {
			if i == 0 {
				return ErrCorrupt
			}
			value = lengths[i-1]
		}
		if i+times > len(lengths) {
			return ErrCorrupt
		}
		for range times {
			lengths[i] = value
			i++
		}
	}
	return f.short(nil)
}

// short says whether more has been consumed than there is.
func (f *Reader) short(err error) error {
	if f.consumed() > f.have {
		return io.ErrUnexpectedEOF
	}
	return err
}
