package chunked

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	tarsplit "github.com/vbatts/tar-split/tar/storage"
)

// Write writes the layer to w, as a zstd stream. split is the decompressed
// tar-split, blob delivers the plan's ranges one after another, and open opens a
// file of a stored layer; what it returns is closed.
func (p *Plan) Write(w io.Writer, split, blob io.Reader, open func(Source) (File, error)) error {
	a := &assembly{plan: p, out: newFrames(w), blob: blob, left: p.Ranges, open: open}
	defer a.closeLast()
	if len(a.left) > 0 {
		a.at = a.left[0].From
	}
	lines := bufio.NewScanner(split)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		var e tarsplit.Entry
		err := json.Unmarshal(lines.Bytes(), &e)
		switch {
		case err != nil:
			err = fmt.Errorf("%w: tar-split: %w", ErrForm, err)
		case e.Type == tarsplit.SegmentType:
			_, err = a.out.Write(e.Payload)
		case e.Type != tarsplit.FileType:
			err = fmt.Errorf("%w: tar-split: unknown entry", ErrForm)
		case e.Size != 0:
			err = a.file(e.GetName(), e.Size)
		}
		if err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: tar-split: %w", ErrForm, err)
	}
	return a.out.flush()
}

// maxLine bounds an entry of tar-split, of which those of padding are the largest:
// a megabyte, in base64.
const maxLine = 4 << 20

// File is a file of a stored layer.
type File interface {
	io.ReaderAt
	io.Closer
}

// assembly is one run of Write.
type assembly struct {
	plan *Plan
	out  *frames
	blob io.Reader
	left []Range // of the blob; the first is being read
	at   int64   // in the blob
	open func(Source) (File, error)

	copied int64 // bytes of stored layers, so far

	last     File // that was opened
	lastFrom Source
}

func (a *assembly) file(name string, size int64) error {
	f := a.plan.files[name]
	if f == nil || f.size != size {
		return fmt.Errorf("%w: it lacks a file that tar-split has", ErrForm)
	}
	for _, x := range f.pieces {
		from, here := a.plan.find(f, x)
		var err error
		switch {
		case x.zeros:
			err = a.out.zeros(x.size)
		case here:
			err = a.local(from)
		default:
			err = a.remote(x.blob)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *assembly) local(from Source) error {
	if a.copied += from.Size; a.copied > a.plan.most {
		return fmt.Errorf("%w: the same content is there too often", ErrForm)
	}
	if a.last == nil || a.lastFrom.Layer != from.Layer || a.lastFrom.Path != from.Path {
		a.closeLast()
		f, err := a.open(from)
		if err != nil {
			return err
		}
		a.last, a.lastFrom = f, from
	}
	n, err := a.out.ReadFrom(io.NewSectionReader(a.last, from.At, from.Size))
	if err == nil && n != from.Size {
		err = fmt.Errorf("read %q of a stored layer: %w", from.Path, io.ErrUnexpectedEOF)
	}
	return err
}

func (a *assembly) closeLast() {
	if a.last != nil {
		_ = a.last.Close() // it was only read
		a.last = nil
	}
}

// remote passes frames of the blob on. The ranges come in the blob's order, and
// so must the files.
func (a *assembly) remote(r Range) error {
	for len(a.left) > 0 && a.left[0].To <= r.From {
		if err := a.skip(a.left[0].To - a.at); err != nil {
			return err
		}
		if a.left = a.left[1:]; len(a.left) > 0 {
			a.at = a.left[0].From
		}
	}
	if len(a.left) == 0 || r.From < a.at || r.To > a.left[0].To {
		return fmt.Errorf("%w: tar-split has another order", ErrForm)
	}
	if err := a.skip(r.From - a.at); err != nil {
		return err
	}
	if err := a.out.block(); err != nil {
		return err
	}
	a.at = r.To
	return short(io.CopyN(a.out.w, a.blob, r.Len()))
}

func (a *assembly) skip(n int64) error {
	a.at += n
	return short(io.CopyN(io.Discard, a.blob, n))
}

func short(_ int64, err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// frames writes what is not compressed as zstd frames (RFC 8878, 3.1.1): each of
// one raw block, which is as large as the window, or of blocks that repeat a byte.
type frames struct {
	w   *bufio.Writer
	buf []byte
}

const blockSize = 128 << 10

// Magic, a descriptor without any option, a window of 128 KiB.
const frameStart = "\x28\xb5\x2f\xfd\x00\x38"

const (
	blockRaw    = 0
	blockRepeat = 1
)

func newFrames(w io.Writer) *frames {
	return &frames{w: bufio.NewWriterSize(w, 256<<10), buf: make([]byte, 0, blockSize)}
}

// Write holds back what fits into a block.
func (f *frames) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		m := min(blockSize-len(f.buf), len(p))
		f.buf, p = append(f.buf, p[:m]...), p[m:]
		if len(f.buf) == blockSize {
			if err := f.block(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

// ReadFrom is Write of all that r has.
func (f *frames) ReadFrom(r io.Reader) (n int64, err error) {
	for {
		m, err := r.Read(f.buf[len(f.buf):blockSize])
		f.buf = f.buf[:len(f.buf)+m]
		n += int64(m)
		if len(f.buf) == blockSize {
			if err := f.block(); err != nil {
				return n, err
			}
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// block writes what is held back as a frame.
func (f *frames) block() error {
	if len(f.buf) == 0 {
		return nil
	}
	_, _ = f.w.WriteString(frameStart)
	f.header(blockRaw, len(f.buf), true)
	_, err := f.w.Write(f.buf) // the writer keeps its first error
	f.buf = f.buf[:0]
	return err
}

func (f *frames) header(kind, size int, last bool) {
	h := size<<3 | kind<<1
	if last {
		h |= 1
	}
	_, _ = f.w.Write([]byte{byte(h), byte(h >> 8), byte(h >> 16)})
}

// zeros writes n bytes that are zero.
func (f *frames) zeros(n int64) error {
	if err := f.block(); err != nil {
		return err
	}
	_, err := f.w.WriteString(frameStart)
	for n > 0 && err == nil {
		m := min(n, blockSize)
		n -= m
		f.header(blockRepeat, int(m), n == 0)
		err = f.w.WriteByte(0)
	}
	return err
}

// flush writes all that is held back, to the writer below too.
func (f *frames) flush() error {
	if err := f.block(); err != nil {
		return err
	}
	return f.w.Flush()
}
