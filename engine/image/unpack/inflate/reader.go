package inflate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"sync"
)

var (
	// ErrCorrupt means that the data is not what gzip makes.
	ErrCorrupt = errors.New("corrupt input")
	// ErrHeader means that it is not gzip, or goes on with something else.
	ErrHeader = errors.New("invalid header")
	// ErrChecksum means that it has changed since it was compressed.
	ErrChecksum = errors.New("invalid checksum")
)

const (
	window  = 32 << 10 // how far matches reach back
	inSize  = 256 << 10
	outSize = window + 128<<10 + outSlack
	padding = 32 // zero bytes after the end of the input, for whole words to be read
)

// Reader decompresses gzip, all members of it. It is no use to two goroutines
// at once.
type Reader struct {
	src   io.Reader
	in    []byte
	pos   int // next byte of in
	have  int // end of in
	pad   int // bytes after have that may be looked at: padding, after the end of src
	ended bool

	acc uint64 // bits that have been taken from in; more than n may be set
	n   uint   // how many of them count

	out   []byte
	given int // out[given:op] is to be read
	op    int
	floor int // out[floor:op] is of this member, as far as it is still there
	sum   uint32
	size  uint32

	step    func(*Reader) error // what to do next
	last    bool                // no block follows
	left    int                 // of a stored block
	codes   tables
	lengths [maxLit + maxDist + 2]uint8
	err     error
}

// NewReader reads the first header of r.
func NewReader(r io.Reader) (*Reader, error) {
	f := &Reader{src: r, in: make([]byte, inSize+padding), out: make([]byte, outSize)}
	if err := f.header(); err != nil {
		return nil, err
	}
	return f, nil
}

// Read implements io.Reader.
func (f *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for f.given == f.op && f.err == nil {
		f.err = f.run()
	}
	if f.given < f.op {
		n := copy(p, f.out[f.given:f.op])
		f.given += n
		return n, nil
	}
	return 0, f.err
}

// run does the next step; its output is checksummed here.
func (f *Reader) run() error {
	f.slide()
	if err := f.more(); err != nil {
		return err
	}
	before := f.op
	err := f.step(f)
	made := f.out[before:f.op]
	f.sum = crc32.Update(f.sum, crc32.IEEETable, made)
	f.size += uint32(len(made))
	return err
}

// slide makes room for output, all of which has been read.
func (f *Reader) slide() {
	if f.op+outSlack < len(f.out) {
		return
	}
	moved := f.op - window
	copy(f.out, f.out[moved:f.op])
	f.op, f.given = window, window
	f.floor = max(0, f.floor-moved)
}

// more reads input until there is enough of it for any step but that of
// symbols, which comes again, or it has ended.
func (f *Reader) more() error {
	for !f.ended && f.have-f.pos < inSlack {
		f.unread()
		f.have = copy(f.in, f.in[f.pos:f.have])
		f.pos = 0
		n, err := f.src.Read(f.in[f.have:inSize])
		f.have += n
		if err != nil {
			f.ended = true
			if !errors.Is(err, io.EOF) {
				return err
			}
			clear(f.in[f.have : f.have+padding])
			f.pad = padding
		}
	}
	return nil
}

// consumed is where in the input we are: what acc holds is not consumed yet.
func (f *Reader) consumed() int { return f.pos - int(f.n>>3) }

// fill has at least want bits in acc, want being at most 32. Behind the end
// they are zero.
func (f *Reader) fill(want uint) error {
	for f.n < want {
		if f.pos >= f.have && !f.ended {
			if err := f.more(); err != nil {
				return err
			}
		}
		if f.pos >= f.have+f.pad {
			return io.ErrUnexpectedEOF
		}
		f.acc &= 1<<f.n - 1
		f.acc |= uint64(f.in[f.pos]) << f.n
		f.pos++
		f.n += 8
	}
	return nil
}

func (f *Reader) drop(n uint) { f.acc, f.n = f.acc>>n, f.n-n }

// take consumes n bits, 32 at most.
func (f *Reader) take(n uint) (uint32, error) {
	if err := f.fill(n); err != nil {
		return 0, err
	}
	v := uint32(f.acc & (1<<n - 1))
	f.drop(n)
	return v, f.short(nil)
}

// align drops bits up to the next byte.
func (f *Reader) align() { f.drop(f.n & 7) }

// unread gives whole bytes back to the input.
func (f *Reader) unread() {
	f.pos -= int(f.n >> 3)
	f.n &= 7
	f.acc &= 1<<f.n - 1
}

// The fields of a member's header (RFC 1952, 2.3.1).
const (
	flagHCRC    = 1 << 1
	flagExtra   = 1 << 2
	flagName    = 1 << 3
	flagComment = 1 << 4
)

// bytes consumes len(b) bytes.
func (f *Reader) bytes(b []byte, sum *uint32) error {
	for i := range b {
		v, err := f.take(8)
		if err != nil {
			return err
		}
		b[i] = byte(v)
	}
	*sum = crc32.Update(*sum, crc32.IEEETable, b)
	return nil
}

// header reads that of a member.
func (f *Reader) header() error {
	sum := uint32(0)
	var head [10]byte
	if err := f.bytes(head[:], &sum); err != nil {
		return err
	}
	if !bytes.Equal(head[:3], []byte{0x1f, 0x8b, 8}) {
		return ErrHeader
	}
	flags := head[3]
	if flags&flagExtra != 0 {
		var size [2]byte
		if err := f.bytes(size[:], &sum); err != nil {
			return err
		}
		if err := f.bytes(make([]byte, binary.LittleEndian.Uint16(size[:])), &sum); err != nil {
			return err
		}
	}
	for _, flag := range []byte{flagName, flagComment} {
		if flags&flag == 0 {
			continue
		}
		if err := f.text(&sum); err != nil {
			return err
		}
	}
	if flags&flagHCRC != 0 {
		want := uint16(sum)
		var got [2]byte
		if err := f.bytes(got[:], &sum); err != nil {
			return err
		}
		if binary.LittleEndian.Uint16(got[:]) != want {
			return ErrHeader
		}
	}
	f.sum, f.size, f.floor, f.last = 0, 0, f.op, false
	f.step = (*Reader).block
	return nil
}

// maxText is how long a name or comment may be.
const maxText = 512

func (f *Reader) text(sum *uint32) error {
	for range maxText {
		var b [1]byte
		if err := f.bytes(b[:], sum); err != nil {
			return err
		}
		if b[0] == 0 {
			return nil
		}
	}
	return ErrHeader
}

// trailer checks what a member was, and goes on with the next one.
func (f *Reader) trailer() error {
	f.align()
	sum, err := f.take(32)
	if err != nil {
		return err
	}
	size, err := f.take(32)
	if err != nil {
		return err
	}
	if sum != f.sum || size != f.size {
		return ErrChecksum
	}
	f.unread()
	if err := f.more(); err != nil {
		return err
	}
	if f.pos == f.have {
		return io.EOF
	}
	return f.header()
}

// fixed are the codes that need not be sent (RFC 1951, 3.2.6).
var fixed = sync.OnceValue(func() *tables {
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	t := &tables{}
	build(t.lit[:], litBits, lengths[:], litEntries[:])
	build(t.dist[:], distBits, []uint8{
		5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
		5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
	}, distEntries[:])
	return t
})
