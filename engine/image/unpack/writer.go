package unpack

import (
	"archive/tar"
	"errors"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Content and metadata of files are written by another thread than the one that
// reads the stream and makes the names. So much is under way at most.
const (
	batchSize  = 256 << 10
	batchCount = 4
	batchFiles = 64 // descriptors are open until they are written
	otherFiles = 32 // that may be open besides
)

// batch is what is to be written at once: pieces of files, one after another.
type batch struct {
	buf    []byte
	used   int
	pieces []piece
}

// piece is a part of a file.
type piece struct {
	fd   int
	size int    // its bytes in the batch
	name string // what errors call the file
	last bool   // nothing follows: the descriptor is closed
	// hdr is what the metadata are set from after the last piece; nil for none.
	hdr *tar.Header
}

// writer writes files in the order in which it gets them. Names are made before, by
// the unpacker, who drains the writer where it matters what is in a file.
type writer struct {
	u      *unpacker
	most   int // pieces of a batch
	cur    *batch
	free   chan *batch // all of them: nothing is under way
	todo   chan *batch
	ended  chan struct{}
	failed atomic.Pointer[failure]
}

// failure is what went wrong with which entry.
type failure struct {
	name string
	err  error
}

func newWriter(u *unpacker) *writer {
	w := &writer{u: u, most: piecesAtOnce(), free: make(chan *batch, batchCount), todo: make(chan *batch, batchCount), ended: make(chan struct{})}
	for range batchCount {
		w.free <- &batch{}
	}
	go w.run()
	return w
}

// piecesAtOnce is how many pieces a batch may have with the files that may be open.
func piecesAtOnce() int {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil || files.Cur <= otherFiles {
		return 1
	}
	return int(max(1, min(batchFiles, (files.Cur-otherFiles)/batchCount)))
}

// room returns where the next content is to be read to, at least a byte.
func (w *writer) room() []byte {
	if w.cur == nil {
		w.cur = <-w.free
		if w.cur.buf == nil {
			w.cur.buf = make([]byte, batchSize)
		}
	}
	return w.cur.buf[w.cur.used:]
}

// add says that what stands in room is a piece of a file. It must be told of the last
// one of each, for from the first one on the descriptor is the writer's.
func (w *writer) add(p piece) error {
	w.room()
	b := w.cur
	b.used += p.size
	b.pieces = append(b.pieces, p)
	if b.used == len(b.buf) || len(b.pieces) >= w.most {
		w.send()
	}
	return w.err()
}

func (w *writer) send() {
	if w.cur != nil {
		w.todo <- w.cur
		w.cur = nil
	}
}

// err is why not everything was written.
func (w *writer) err() error {
	if f := w.failed.Load(); f != nil {
		return f
	}
	return nil
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// drain returns when all that was added is written: before something is looked at
// or replaced that an earlier entry has made.
func (w *writer) drain() error {
	w.send()
	var all [batchCount]*batch
	for i := range all {
		all[i] = <-w.free
	}
	for _, b := range all {
		w.free <- b
	}
	return w.err()
}

// stop ends the writer. No descriptor that it was given is open then.
func (w *writer) stop() {
	w.send()
	close(w.todo)
	<-w.ended
}

func (w *writer) run() {
	defer close(w.ended)
	for b := range w.todo {
		at := 0
		for i := range b.pieces {
			p := &b.pieces[i]
			if err := w.write(p, b.buf[at:at+p.size]); err != nil {
				w.failed.CompareAndSwap(nil, &failure{p.name, err})
			}
			at += p.size
		}
		clear(b.pieces)
		b.pieces, b.used = b.pieces[:0], 0
		w.free <- b
	}
}

// write writes a piece, unless an earlier one could not be.
func (w *writer) write(p *piece, content []byte) (err error) {
	if w.failed.Load() == nil {
		err = os.NewSyscallError("write", writeAll(p.fd, content))
		if err == nil && p.hdr != nil {
			err = w.u.metadataFD(p.fd, p.hdr)
		}
	}
	if p.last {
		err = errors.Join(err, unix.Close(p.fd))
	}
	return err
}
