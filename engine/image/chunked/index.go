package chunked

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	digest "github.com/opencontainers/go-digest"
)

// An index says which content a stored layer has, and where. It is made of the
// layer's table of contents and kept with the layer:
//
//	index   = magic, blob, LF, { file }
//	file    = string(path), size, sum, n, { at, size, sum } n times
//	string  = length, bytes
//
// sum is 32 bytes; every number is a varint. Nobody has compared it with the files,
// and whoever reads one must expect anything.
const magic = "burrow content 1 "

// maxPath is longer than any path that the kernel takes.
const maxPath = 4096

// Source is content in a stored layer.
type Source struct {
	Layer    int    // for the caller
	Path     string // below the layer's directory; anything, not even clean
	At, Size int64  // bytes of the file
	File     int64  // what size the file has
}

// Index is what a layer that t describes has. blob is the digest of the blob
// that it was made from.
func (t *Table) Index(blob digest.Digest) []byte {
	b := []byte(magic + blob.String() + "\n")
	for i := range t.files {
		f := &t.files[i]
		name := path.Clean(f.name)
		if len(name) > maxPath {
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(name)))
		b = append(b, name...)
		b = binary.AppendUvarint(b, uint64(f.size))
		b = append(b, f.sum[:]...)
		n := 0
		for _, x := range f.pieces {
			if !x.zeros {
				n++
			}
		}
		if len(f.pieces) == 1 {
			n = 0
		}
		b = binary.AppendUvarint(b, uint64(n))
		for _, x := range f.pieces {
			if n == 0 || x.zeros {
				continue
			}
			b = binary.AppendUvarint(b, uint64(x.at))
			b = binary.AppendUvarint(b, uint64(x.size))
			b = append(b, x.sum[:]...)
		}
	}
	return b
}

// Blob is the digest of the blob that an index begins with, "" for none.
func Blob(r io.Reader) digest.Digest {
	head := make([]byte, len(magic)+len("sha256:")+64+1)
	if _, err := io.ReadFull(r, head); err != nil {
		return ""
	}
	d := digest.Digest(strings.TrimSuffix(strings.TrimPrefix(string(head), magic), "\n"))
	if !bytes.HasPrefix(head, []byte(magic)) || d.Validate() != nil {
		return ""
	}
	return d
}

// Search calls found for what of wanted an index has. An index that breaks off
// or makes no sense is an error after what was found before.
func Search(r io.Reader, wanted map[Sum]int64, found func(Sum, Source)) error {
	s := &search{b: bufio.NewReaderSize(r, 64<<10), wanted: wanted, found: found}
	line, err := s.b.ReadSlice('\n')
	if err != nil || !bytes.HasPrefix(line, []byte(magic)) {
		return errIndex
	}
	for {
		if _, err := s.b.Peek(1); errors.Is(err, io.EOF) {
			return nil
		}
		if err := s.file(); err != nil {
			return fmt.Errorf("%w: %w", errIndex, err)
		}
	}
}

var errIndex = errors.New("the index of a layer is broken")

type search struct {
	b      *bufio.Reader
	wanted map[Sum]int64
	found  func(Sum, Source)
	name   []byte
}

func (s *search) file() error {
	n, err := s.number()
	if err != nil {
		return err
	}
	if n > maxPath {
		return errors.New("a path is too long")
	}
	s.name = append(s.name[:0], make([]byte, n)...)
	if _, err := io.ReadFull(s.b, s.name); err != nil {
		return err
	}
	size, err := s.number()
	if err != nil {
		return err
	}
	if err := s.piece(0, size, size); err != nil {
		return err
	}
	n, err = s.number()
	for ; err == nil && n > 0; n-- {
		var at, part int64
		if at, err = s.number(); err != nil {
			break
		}
		if part, err = s.number(); err != nil {
			break
		}
		if at > size-part {
			return errors.New("a part is not in its file")
		}
		err = s.piece(at, part, size)
	}
	return err
}

func (s *search) number() (int64, error) {
	n, err := binary.ReadUvarint(s.b)
	if err == nil && n > maxFile {
		err = errors.New("a number is too large")
	}
	return int64(n), err
}

func (s *search) piece(at, size, file int64) error {
	var sum Sum
	if _, err := io.ReadFull(s.b, sum[:]); err != nil {
		return err
	}
	if want, ok := s.wanted[sum]; ok && want == size {
		s.found(sum, Source{Path: string(s.name), At: at, Size: size, File: file})
	}
	return nil
}
