package transfer

import (
	"archive/tar"
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/hint"
)

// TarSink writes entries as a tar stream. Close ends the stream.
type TarSink struct {
	w    *tar.Writer
	Warn func(text string) // may be nil
}

// NewTarSink returns a sink that writes to w.
func NewTarSink(w io.Writer) *TarSink { return &TarSink{w: tar.NewWriter(w)} }

// Close ends the stream; it does not close what is below.
func (s *TarSink) Close() error { return s.w.Close() }

// Put writes one entry.
func (s *TarSink) Put(e *Entry) error {
	h := &tar.Header{
		Name: e.Name, Linkname: e.Link, Mode: int64(e.Mode & 0o7777),
		Uid: int(e.UID), Gid: int(e.GID), ModTime: e.Time,
	}
	switch e.kind() {
	case unix.S_IFDIR:
		h.Typeflag, h.Name = tar.TypeDir, e.Name+"/"
	case unix.S_IFREG:
		h.Typeflag, h.Size = tar.TypeReg, e.Size
	case unix.S_IFLNK:
		h.Typeflag = tar.TypeSymlink
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		h.Typeflag = tar.TypeChar
		if e.kind() == unix.S_IFBLK {
			h.Typeflag = tar.TypeBlock
		}
		h.Devmajor, h.Devminor = int64(unix.Major(e.Rdev)), int64(unix.Minor(e.Rdev))
	default:
		return fmt.Errorf("%s: %w", e.Name, ErrSpecial)
	}
	if e.Hard {
		h.Typeflag, h.Size = tar.TypeLink, 0
	}
	for k, v := range e.Xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[xattrRecord+k] = v
	}
	if err := s.w.WriteHeader(h); err != nil {
		return fmt.Errorf("write tar: %s: %w", e.Name, err)
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	return s.body(e)
}

// xattrRecord begins the name of a PAX record that holds an extended attribute.
const xattrRecord = "SCHILY.xattr."

// body writes as many bytes as the header says, whatever has become of the file.
func (s *TarSink) body(e *Entry) error {
	n, err := io.Copy(s.w, e.limited())
	if err != nil {
		return fmt.Errorf("write tar: %s: %w", e.Name, err)
	}
	if n == e.Size {
		return nil
	}
	if s.Warn != nil {
		s.Warn(e.Name + ": it has become shorter while it was read; the rest is zeros")
	}
	if _, err := io.CopyN(s.w, zeros{}, e.Size-n); err != nil {
		return fmt.Errorf("write tar: %s: %w", e.Name, err)
	}
	return nil
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// ReadTar sends the entries of a tar stream, plain or compressed with gzip or
// bzip2, to the sink.
func ReadTar(ctx context.Context, r io.Reader, to Sink) error {
	plain, err := decompress(r)
	if err != nil {
		return err
	}
	in := tar.NewReader(plain)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrArchive, err)
		}
		e, err := entryOf(h, in)
		if err != nil {
			return err
		}
		if e == nil {
			continue
		}
		if err := to.Put(e); err != nil {
			return err
		}
	}
}

func entryOf(h *tar.Header, body io.Reader) (*Entry, error) {
	name, err := cleanName(h.Name)
	if err != nil {
		return nil, err
	}
	e := &Entry{
		Name: name, Mode: uint32(h.Mode) & 0o7777, UID: uint32(h.Uid), GID: uint32(h.Gid), //nolint:gosec // checked below
		Time: h.ModTime, Size: h.Size, Link: h.Linkname,
	}
	if h.Uid < 0 || h.Gid < 0 || uint64(h.Uid) >= 1<<32-1 || uint64(h.Gid) >= 1<<32-1 {
		return nil, fmt.Errorf("%w: %s: no owner has such an ID", ErrArchive, name)
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, '\x00':
		e.Mode, e.Body = e.Mode|unix.S_IFREG, body
	case tar.TypeDir:
		e.Mode |= unix.S_IFDIR
	case tar.TypeSymlink:
		e.Mode |= unix.S_IFLNK
	case tar.TypeLink:
		e.Mode, e.Hard = e.Mode|unix.S_IFREG, true
		if e.Link, err = cleanName(h.Linkname); err != nil {
			return nil, err
		}
	case tar.TypeFifo:
		e.Mode |= unix.S_IFIFO
	case tar.TypeChar:
		e.Mode |= unix.S_IFCHR
	case tar.TypeBlock:
		e.Mode |= unix.S_IFBLK
	case tar.TypeXGlobalHeader:
		return nil, nil //nolint:nilnil // it says something about others
	default:
		return nil, fmt.Errorf("%w: %s: unknown kind %q", ErrArchive, name, h.Typeflag)
	}
	if name == "." && e.kind() != unix.S_IFDIR {
		return nil, fmt.Errorf("%w: the top is no directory", ErrArchive)
	}
	return e, nil
}

// decompress tells by the first bytes what the stream is.
func decompress(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %w", ErrArchive, err)
	}
	start := string(head)
	other := func(name, tool string) error {
		return hint.New(fmt.Errorf("%w: compressed with %s, which cp does not read", ErrArchive, name), tool+" -dc FILE | burrow cp - CONTAINER:DIRECTORY")
	}
	switch {
	case start == "":
		return nil, fmt.Errorf("%w: it is empty", ErrArchive)
	case strings.HasPrefix(start, "\x1f\x8b"):
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrArchive, err)
		}
		return z, nil
	case strings.HasPrefix(start, "BZh"):
		return bzip2.NewReader(b), nil
	case strings.HasPrefix(start, "\xfd7zXZ\x00"):
		return nil, other("xz", "xz")
	case strings.HasPrefix(start, "\x28\xb5\x2f\xfd"):
		return nil, other("zstd", "zstd")
	}
	return b, nil
}
