package unpack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

const (
	chunkSize  = 256 << 10
	chunkQueue = 8
	// chunkCount is how many chunks there are: a queue of them, and one in the hands of
	// each who fills, hashes and reads.
	chunkCount = chunkQueue + 3
)

// errRead marks an error of the source, as opposed to one in its data.
var errRead = errors.New("read layer")

// stream decompresses ahead of the consumer and hashes beside it. Each chunk
// has two readers and is free again after the second.
type stream struct {
	format     string
	compressed *atomic.Int64
	size       int64 // handed to the consumer so far

	chunks chan *chunk // to the consumer
	cur    *chunk
	rest   []byte
	err    error // of the producer; read after chunks is closed

	hashed chan string
	shares int32 // of a chunk: for the consumer, and for hash
	quit   chan struct{}
	once   sync.Once
	free   chan *chunk
	made   int // chunks
}

type chunk struct {
	buf  [chunkSize]byte
	n    int
	refs atomic.Int32
}

// newStream starts to decompress r. verified is the hash of r if somebody else
// computes that, or "".
func newStream(ctx context.Context, r io.Reader, verified string) (*stream, error) {
	s := &stream{
		compressed: new(atomic.Int64),
		chunks:     make(chan *chunk, chunkQueue),
		hashed:     make(chan string, 1),
		quit:       make(chan struct{}),
		free:       make(chan *chunk, chunkCount),
		shares:     2,
	}
	plain, format, closer, err := decompress(&source{ctx: ctx, r: r, n: s.compressed})
	if err != nil {
		return nil, err
	}
	s.format = format
	toHash := make(chan *chunk, chunkQueue)
	if format == "" && verified != "" {
		s.hashed <- verified
		s.shares, toHash = 1, nil
	} else {
		go s.hash(toHash)
	}
	go s.produce(plain, closer, toHash)
	return s, nil
}

// Plain writes r, decompressed, to w, within limits.
func Plain(ctx context.Context, w io.Writer, r io.Reader, limits Limits) error {
	s, err := newStream(ctx, r, "")
	if err != nil {
		return err
	}
	defer s.stop()
	m := &meter{limits: limits, in: s.compressed}
	buf := make([]byte, chunkSize)
	for {
		n, err := s.Read(buf)
		if err := m.add(n); err != nil {
			return err
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return streamError(err)
		}
	}
}

// Compressed says whether data that starts like head is in a compression format
// known here.
func Compressed(head []byte) bool { return sniff(head) != "" }

// source counts what it reads and marks its errors.
type source struct {
	ctx context.Context //nolint:containedctx // ends with the call that made it
	r   io.Reader
	n   *atomic.Int64
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(p)
	s.n.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", errRead, err)
	}
	return n, err
}

func (s *stream) produce(r io.Reader, closer func(), toHash chan<- *chunk) {
	defer close(s.chunks)
	if toHash != nil {
		defer close(toHash)
	}
	defer closer()
	for {
		c := s.empty()
		if c == nil {
			return
		}
		var err error
		c.n, err = fill(r, c.buf[:])
		c.refs.Store(s.shares)
		if c.n > 0 && !s.send(c, toHash) {
			return
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.err = err
			}
			return
		}
	}
}

// empty returns a chunk to fill, or nil when nobody wants it any more. A pool would
// lose them with each garbage collection.
func (s *stream) empty() *chunk {
	if s.made < chunkCount && len(s.free) == 0 {
		s.made++
		return new(chunk)
	}
	select {
	case c := <-s.free:
		return c
	case <-s.quit:
		return nil
	}
}

// send hands c out and returns false when nobody wants it any more.
func (s *stream) send(c *chunk, toHash chan<- *chunk) bool {
	for _, to := range []chan<- *chunk{toHash, s.chunks} {
		if to == nil {
			continue
		}
		select {
		case to <- c:
		case <-s.quit:
			return false
		}
	}
	return true
}

// fill reads until b is full or r ends. Unlike io.ReadFull it says EOF for a
// part, and passes ErrUnexpectedEOF, which only decompressors return.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
	}
	return n, err
}

func (s *stream) hash(in <-chan *chunk) {
	h := sha256.New()
	for c := range in {
		_, _ = h.Write(c.buf[:c.n])
		s.release(c)
	}
	s.hashed <- hex.EncodeToString(h.Sum(nil))
}

func (s *stream) release(c *chunk) {
	if c.refs.Add(-1) == 0 {
		s.free <- c // there is room for all
	}
}

// Read hands out the uncompressed bytes.
func (s *stream) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		if s.cur != nil {
			s.release(s.cur)
			s.cur = nil
		}
		c, ok := <-s.chunks
		if !ok {
			if s.err != nil {
				return 0, s.err
			}
			return 0, io.EOF
		}
		s.cur, s.rest = c, c.buf[:c.n]
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	s.size += int64(n)
	return n, nil
}

// sum is the hash of the whole stream. It must have been read to its end.
func (s *stream) sum() string { return <-s.hashed }

// stop ends the producer at its next chunk.
func (s *stream) stop() { s.once.Do(func() { close(s.quit) }) }
