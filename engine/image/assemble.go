package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	digest "github.com/opencontainers/go-digest"

	"github.com/burrow-run/burrow/engine/image/chunked"
	"github.com/burrow-run/burrow/engine/image/unpack"
)

// partial is one layer that comes in parts.
type partial struct {
	*chunked.Plan
	diffID digest.Digest // that it must have
	token  string        // that the stream of its parts begins with
	parts  *parts
	files  *library
	split  *os.File // tar-split, decompressed
	index  []byte
	freed  sync.Once
}

// free lets go of the files. It may be called twice.
func (p *partial) free() {
	p.freed.Do(func() {
		p.files.close()
		_ = p.split.Close() // it has no name any more
	})
}

// assemble reads the parts from stream and makes the layer of them. What it
// returns must be closed, and stream is not read from then on.
func (p *partial) assemble(stream io.Reader) io.ReadCloser {
	r, w := io.Pipe()
	a := &assembled{PipeReader: r, from: p, ended: make(chan struct{})}
	go func() {
		defer close(a.ended)
		w.CloseWithError(p.Write(w, p.split, stream, p.files.open))
	}()
	return a
}

type assembled struct {
	*io.PipeReader
	from  *partial
	ended chan struct{}
}

func (a *assembled) Close() error {
	err := a.PipeReader.Close()
	a.from.parts.dog.stop() // a read that is under way
	<-a.ended
	a.from.free()
	return err
}

// tables fetches and reads what a blob says of itself. The file with tar-split is
// the caller's.
func (s *Store) tables(ctx context.Context, from *parts, places *chunked.Places) (*chunked.Table, *os.File, error) {
	b := make([]byte, places.Range().Len())
	_, err := io.ReadFull(from, b)
	if err = errors.Join(err, from.Close()); err != nil {
		return nil, nil, err
	}
	table, split := b[:places.Table.Length], b[places.Split.Offset-places.Table.Offset:]
	if err := places.Check(table); err != nil {
		return nil, nil, err
	}
	f, err := s.plain(ctx, slices.Concat(table, split), places.Table.Plain+places.Split.Plain)
	if err != nil {
		return nil, nil, err
	}
	t, err := chunked.Parse(io.NewSectionReader(f, 0, places.Table.Plain), places.Table.Offset, s.opts.Limits.Entries)
	if err == nil {
		_, err = f.Seek(places.Table.Plain, io.SeekStart)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return t, f, nil
}

// indexOf is what a layer has of which the table came along.
func (s *Store) indexOf(ctx context.Context, blob digest.Digest, places *chunked.Places, table []byte) ([]byte, error) {
	if err := places.Check(table); err != nil {
		return nil, err
	}
	f, err := s.plain(ctx, table, places.Table.Plain)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := chunked.Parse(io.NewSectionReader(f, 0, places.Table.Plain), places.Table.Offset, s.opts.Limits.Entries)
	if err != nil {
		return nil, err
	}
	return t.Index(blob), nil
}

// plain decompresses b to size bytes, where all is decompressed that strangers have
// compressed. The file has no name.
func (s *Store) plain(ctx context.Context, b []byte, size int64) (*os.File, error) {
	tmp, err := s.temp()
	if err != nil {
		return nil, err
	}
	dir, err := os.Open(tmp)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	out, err := os.CreateTemp(tmp, "tables-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(out.Name()); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	limits := unpack.Limits{Bytes: size}
	if s.opts.Worker == "" {
		err = unpack.Plain(ctx, out, bytes.NewReader(b), limits)
	} else {
		err = unpack.PlainInWorker(ctx, s.opts.Worker, dir, out, bytes.NewReader(b), limits)
	}
	var got os.FileInfo
	if err == nil {
		got, err = out.Stat()
	}
	if err == nil && got.Size() != size {
		err = fmt.Errorf("%w: it has %d bytes, not %d", chunked.ErrForm, got.Size(), size)
	}
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return out, nil
}
