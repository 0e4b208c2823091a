package chunked

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	digest "github.com/opencontainers/go-digest"
)

// Annotations of a layer (pkg/chunked of the storage library).
const (
	keyTable = "io.github.containers.zstd-chunked.manifest-position"
	keySum   = "io.github.containers.zstd-chunked.manifest-checksum"
	keySplit = "io.github.containers.zstd-chunked.tarsplit-position"
)

// Bounds in bytes: a file takes about 400 of the table and 1,100 of tar-split, so that
// layers of 150,000 files are below. What is beyond is pulled whole.
const (
	maxTable, maxPlainTable = 16 << 20, 64 << 20
	maxSplit, maxPlainSplit = 32 << 20, 256 << 20
)

// frameHeader is what stands before the content of a frame that decoders skip.
const frameHeader = 8

// ErrForm means that what describes a layer is not what it should be.
var ErrForm = errors.New("the table of contents makes no sense")

// Place is where in a blob a table is. All is in bytes.
type Place struct {
	Offset, Length int64
	Plain          int64 // decompressed
}

func (p Place) end() int64 { return p.Offset + p.Length }

// Places is where in a blob its tables are.
type Places struct {
	Table, Split Place         // the latter may be missing; see Whole
	Sum          digest.Digest // of the table as it is in the blob
}

// Find reads the annotations of a layer whose blob has size bytes. It returns
// nil where there is no table, or none that can be used.
func Find(annotations map[string]string, size int64) *Places {
	p := &Places{Sum: digest.Digest(annotations[keySum])}
	if p.Sum.Validate() != nil || p.Sum.Algorithm() != digest.SHA256 {
		return nil
	}
	table := numbers(annotations[keyTable], 4)
	if table == nil || table[3] != 1 {
		return nil
	}
	p.Table = Place{table[0], table[1], table[2]}
	if p.Table.Length > maxTable || p.Table.Plain > maxPlainTable || p.Table.Offset > size-p.Table.Length || p.Table.Offset < frameHeader {
		return nil
	}
	if split := numbers(annotations[keySplit], 3); split != nil {
		s := Place{split[0], split[1], split[2]}
		if s.Length <= maxSplit && s.Plain <= maxPlainSplit && s.Offset <= size-s.Length && s.Offset >= p.Table.end()+frameHeader {
			p.Split = s
		}
	}
	return p
}

// Whole says that there is no tar-split, as in blobs of older tools: such a layer
// cannot be put together, but be taken from.
func (p *Places) Whole() bool { return p.Split.Length == 0 }

// numbers reads n positive decimals with colons between them.
func numbers(text string, n int) []int64 {
	parts := strings.Split(text, ":")
	if len(parts) != n {
		return nil
	}
	out := make([]int64, n)
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 10, 62)
		if err != nil || v == 0 {
			return nil
		}
		out[i] = int64(v)
	}
	return out
}

// Range is a part of a blob, in bytes.
type Range struct{ From, To int64 }

// Len is how long the part is.
func (r Range) Len() int64 { return r.To - r.From }

// Range spans both tables, which follow each other.
func (p *Places) Range() Range { return Range{p.Table.Offset, p.Split.end()} }

// Check compares the digest of the table, as it is in the blob.
func (p *Places) Check(table []byte) error {
	if digest.FromBytes(table) != p.Sum {
		return fmt.Errorf("%w: its digest is not the one that the manifest says", ErrForm)
	}
	return nil
}
