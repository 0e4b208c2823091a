package chunked

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Sum is a SHA-256 of content.
type Sum [32]byte

// piece is a file's content or one chunk of it.
type piece struct {
	sum   Sum
	at    int64 // where in the file it begins
	size  int64 // decompressed
	blob  Range // its frames
	zeros bool
}

// file is a regular file that is not empty.
type file struct {
	name   string // as the tar has it
	size   int64
	sum    Sum
	pieces []piece // all of it, in order
}

// Table is what a layer has, by the blob's own table of contents.
type Table struct {
	files []file // as they follow each other in the blob
}

// maxFile keeps sums of sizes far from overflow.
const maxFile = 1 << 48

// entry is one of the table's, as far as content goes.
type entry struct {
	Type        string `json:"type"`
	Name        string `json:"name"`
	Size        int64  `json:"size"`
	Digest      string `json:"digest"`
	Offset      int64  `json:"offset"`
	EndOffset   int64  `json:"endOffset"`
	ChunkOffset int64  `json:"chunkOffset"`
	ChunkDigest string `json:"chunkDigest"`
	ChunkType   string `json:"chunkType"`
}

// Parse reads a table of so many entries at most, 0 for any number. All that it says
// to be in the blob must be before end.
func Parse(r io.Reader, end, most int64) (*Table, error) {
	p := &parser{dec: json.NewDecoder(r), end: end, most: most}
	if err := p.table(); err != nil {
		if errors.Is(err, ErrForm) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	if p.version != 1 {
		return nil, fmt.Errorf("%w: version %d", ErrForm, p.version)
	}
	return p.finish()
}

type parser struct {
	dec     *json.Decoder
	end     int64
	most, n int64 // entries
	version int
	files   []file
	names   map[string]struct{}
	cur     *entry  // a file whose chunks may follow
	chunks  []entry // with it as the first
}

func (p *parser) table() error {
	if err := p.delim('{'); err != nil {
		return err
	}
	p.names = map[string]struct{}{}
	for p.dec.More() {
		key, err := p.dec.Token()
		if err != nil {
			return err
		}
		switch key {
		case "version":
			err = p.dec.Decode(&p.version)
		case "entries":
			err = p.entries()
		default:
			var skipped json.RawMessage
			err = p.dec.Decode(&skipped)
		}
		if err != nil {
			return err
		}
	}
	return p.delim('}')
}

func (p *parser) delim(want json.Delim) error {
	t, err := p.dec.Token()
	if err == nil && t != want {
		err = fmt.Errorf("%w: no %s", ErrForm, want)
	}
	return err
}

func (p *parser) entries() error {
	if err := p.delim('['); err != nil {
		return err
	}
	for p.dec.More() {
		if p.n++; p.most > 0 && p.n > p.most {
			return fmt.Errorf("%w: it has too many entries", ErrForm)
		}
		var e entry
		if err := p.dec.Decode(&e); err != nil {
			return err
		}
		if err := p.add(e); err != nil {
			return err
		}
	}
	if err := p.close(); err != nil {
		return err
	}
	return p.delim(']')
}

func (p *parser) add(e entry) error {
	if e.Type == "chunk" {
		if p.cur == nil || e.Name != p.cur.Name {
			return fmt.Errorf("%w: a chunk of no file", ErrForm)
		}
		p.chunks = append(p.chunks, e)
		return nil
	}
	if err := p.close(); err != nil {
		return err
	}
	if e.Type == "reg" && e.Size != 0 {
		p.cur, p.chunks = &e, append(p.chunks[:0], e)
	}
	return nil
}

// close makes a file of the entries that describe it.
func (p *parser) close() error {
	e := p.cur
	if e == nil {
		return nil
	}
	p.cur = nil
	if _, twice := p.names[e.Name]; twice || e.Name == "" {
		return fmt.Errorf("%w: a file is there twice, or has no name", ErrForm)
	}
	p.names[e.Name] = struct{}{}
	f := file{name: e.Name, size: e.Size}
	if err := parseSum(e.Digest, &f.sum); err != nil {
		return err
	}
	if e.Size < 0 || e.Size > maxFile || e.EndOffset > p.end {
		return fmt.Errorf("%w: a file is larger than the blob allows", ErrForm)
	}
	f.pieces = make([]piece, len(p.chunks))
	for i, c := range p.chunks {
		next, size := e.EndOffset, e.Size
		if i+1 < len(p.chunks) {
			next, size = p.chunks[i+1].Offset, p.chunks[i+1].ChunkOffset
		}
		if i == 0 && c.ChunkOffset != 0 || size <= c.ChunkOffset || c.Offset <= 0 || next <= c.Offset {
			return fmt.Errorf("%w: the parts of a file do not follow each other", ErrForm)
		}
		x := piece{sum: f.sum, at: c.ChunkOffset, size: size - c.ChunkOffset, blob: Range{c.Offset, next}, zeros: c.ChunkType == "zeros"}
		if len(p.chunks) > 1 && !x.zeros {
			if err := parseSum(c.ChunkDigest, &x.sum); err != nil {
				return err
			}
		}
		f.pieces[i] = x
	}
	p.files = append(p.files, f)
	return nil
}

func parseSum(text string, to *Sum) error {
	b, err := hex.DecodeString(strings.TrimPrefix(text, "sha256:"))
	if err != nil || len(b) != len(to) {
		return fmt.Errorf("%w: a digest is none", ErrForm)
	}
	copy(to[:], b)
	return nil
}

func (f *file) blob() Range {
	return Range{f.pieces[0].blob.From, f.pieces[len(f.pieces)-1].blob.To}
}

// finish puts the files in the order of the blob, where none may overlap another.
func (p *parser) finish() (*Table, error) {
	slices.SortFunc(p.files, func(a, b file) int { return cmp.Compare(a.blob().From, b.blob().From) })
	for i := 1; i < len(p.files); i++ {
		if p.files[i].blob().From < p.files[i-1].blob().To {
			return nil, fmt.Errorf("%w: files lie on each other", ErrForm)
		}
	}
	return &Table{p.files}, nil
}

// Wanted are the digests of all that the layer has, with sizes in bytes: of files,
// and of chunks.
func (t *Table) Wanted() map[Sum]int64 {
	out := map[Sum]int64{}
	for i := range t.files {
		f := &t.files[i]
		out[f.sum] = f.size
		for _, x := range f.pieces {
			if !x.zeros {
				out[x.sum] = x.size
			}
		}
	}
	return out
}
