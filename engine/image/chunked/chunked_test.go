package chunked

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	digest "github.com/opencontainers/go-digest"
	"go.podman.io/storage/pkg/chunked/compressor"
)

// sample is a tar with all that a table tells apart.
func sample(t testing.TB, changed string) []byte {
	t.Helper()
	noise := make([]byte, 600<<10)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	holes := append(append([]byte("start"), make([]byte, 300<<10)...), "end"...)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range []struct {
		name string
		kind byte
		data string
	}{
		{"./", tar.TypeDir, ""},
		{"./etc/", tar.TypeDir, ""},
		{"./etc/empty", tar.TypeReg, ""},
		{"./etc/a", tar.TypeReg, "one"},
		{"./etc/link", tar.TypeSymlink, "a"},
		{"./etc/hard", tar.TypeLink, "./etc/a"},
		{"./etc/same", tar.TypeReg, "one"},
		{"./etc/changed", tar.TypeReg, changed},
		{"./big", tar.TypeReg, string(noise)},
		{"./holes", tar.TypeReg, string(holes)},
		{"./" + strings.Repeat("long/", 60) + "name", tar.TypeReg, "pax"},
		{"./zeros", tar.TypeReg, string(make([]byte, 200<<10))},
		{"./last", tar.TypeReg, "the end"},
	} {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: 0o755, Size: int64(len(e.data))}
		if e.kind == tar.TypeSymlink || e.kind == tar.TypeLink {
			h.Linkname, h.Size, e.data = e.data, 0, ""
		}
		if err := errors.Join(w.WriteHeader(h), func() error { _, err := io.WriteString(w, e.data); return err }()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), make([]byte, 5000)...) // padding after the end mark
}

// packed is a blob and what was read of it.
type packed struct {
	blob   []byte
	notes  map[string]string
	places *Places
	plain  []byte // the table
	split  []byte
	table  *Table
}

func pack(t testing.TB, plain []byte) *packed {
	t.Helper()
	p := &packed{notes: map[string]string{}}
	var b bytes.Buffer
	w, err := compressor.ZstdCompressor(&b, p.notes, nil)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	p.blob = b.Bytes()
	if p.places = Find(p.notes, int64(len(p.blob))); p.places == nil {
		t.Fatalf("no tables: %v", p.notes)
	}
	cut := func(at Place) []byte { return unzstd(t, p.blob[at.Offset:at.Offset+at.Length]) }
	if err := p.places.Check(p.blob[p.places.Table.Offset:p.places.Table.end()]); err != nil {
		t.Fatal(err)
	}
	p.plain, p.split = cut(p.places.Table), cut(p.places.Split)
	if int64(len(p.plain)) != p.places.Table.Plain || int64(len(p.split)) != p.places.Split.Plain {
		t.Fatal("the tables have another size")
	}
	if p.table, err = Parse(bytes.NewReader(p.plain), p.places.Table.Offset, 1000); err != nil {
		t.Fatal(err)
	}
	return p
}

func unzstd(t testing.TB, b []byte) []byte {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tree has the files of a tar.
type tree map[string][]byte

func unpacked(t testing.TB, b []byte) tree {
	t.Helper()
	out := tree{}
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if out[strings.TrimPrefix(h.Name, "./")], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (f tree) open(s Source) (File, error) {
	b, ok := f[s.Path]
	if !ok {
		return nil, fmt.Errorf("%q is not there", s.Path)
	}
	return memory{bytes.NewReader(b)}, nil
}

type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

// search finds what of wanted an index has.
func search1(t testing.TB, index []byte, wanted map[Sum]int64) map[Sum]Source {
	t.Helper()
	local := map[Sum]Source{}
	if err := Search(bytes.NewReader(index), wanted, func(s Sum, from Source) { local[s] = from }); err != nil {
		t.Fatal(err)
	}
	return local
}

// made is what a plan makes of the blob's ranges and of files.
func made(p *packed, plan *Plan, files tree) ([]byte, error) {
	var parts, out bytes.Buffer
	for _, r := range plan.Ranges {
		parts.Write(p.blob[r.From:r.To])
	}
	err := plan.Write(&out, bytes.NewReader(p.split), &parts, files.open)
	if err == nil && parts.Len() > 0 {
		err = fmt.Errorf("%d bytes were fetched and not used", parts.Len())
	}
	return out.Bytes(), err
}

func TestLayerOfParts(t *testing.T) {
	old, young := sample(t, "as it was"), sample(t, "as it is now, and longer")
	p, before := pack(t, young), pack(t, old)
	index := before.table.Index(digest.FromBytes(before.blob))
	if Blob(bytes.NewReader(index)) != digest.FromBytes(before.blob) {
		t.Error("the index does not say of which blob it is")
	}
	files := unpacked(t, old)
	all := search1(t, index, p.table.Wanted())
	whole := maps.Clone(all) // files, no chunks
	maps.DeleteFunc(whole, func(_ Sum, from Source) bool { return from.Size != from.File })
	some := maps.Clone(all)
	noise := sha256.Sum256(files["big"])
	delete(some, noise) // its chunks are there
	for sum, from := range some {
		if from.Path == "big" && from.At > 200<<10 {
			delete(some, sum)
		}
	}
	for name, tt := range map[string]struct {
		local  map[Sum]Source
		gap    int64
		ranges int // 0 is any number
		most   int64
	}{
		"nothing is here":     {nil, 0, 0, 1 << 30},
		"nothing, one part":   {nil, 1 << 30, 1, 1 << 30},
		"one file is missing": {all, 0, 1, 1000},
		"files, no chunks":    {whole, 0, 1, 1000},
		"some chunks":         {some, 0, 0, 500 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			plan := p.table.Plan(tt.local, tt.gap)
			t.Log(plan.Ranges, plan.Reused)
			if n := len(plan.Ranges); n == 0 || tt.ranges != 0 && n != tt.ranges || plan.Fetched() > tt.most {
				t.Errorf("%d ranges, %d bytes", n, plan.Fetched())
			}
			got, err := made(p, plan, files)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(unzstd(t, got), young) {
				t.Error("it is another tar")
			}
		})
	}
	t.Run("all is here", func(t *testing.T) {
		plan := before.table.Plan(search1(t, index, before.table.Wanted()), 0)
		if len(plan.Ranges) != 0 || plan.Reused == 0 {
			t.Error(plan.Ranges)
		}
		if got, err := made(before, plan, files); err != nil || !bytes.Equal(unzstd(t, got), old) {
			t.Error(err)
		}
	})
}
