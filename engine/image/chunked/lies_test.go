package chunked

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	digest "github.com/opencontainers/go-digest"
)

// TestNotTheLayer: what has changed meanwhile makes an error or another tar, which
// a digest finds.
func TestNotTheLayer(t *testing.T) {
	young := sample(t, "as it is now")
	p, before := pack(t, young), pack(t, sample(t, "as it was"))
	index := before.table.Index(digest.FromBytes(before.blob))
	for name, spoil := range map[string]func(f tree, p *packed){
		"file gone":    func(f tree, _ *packed) { delete(f, "big") },
		"file shorter": func(f tree, _ *packed) { f["big"] = f["big"][:100] },
		"file changed": func(f tree, _ *packed) { f["big"] = bytes.ToUpper(f["big"]) },
		"blob changed": func(_ tree, p *packed) { copy(p.blob, bytes.Repeat([]byte("x"), 40000)) },
		"split of another": func(_ tree, p *packed) {
			p.split = bytes.Replace(p.split, []byte("etc/changed"), []byte("etc/chained"), 1)
		},
		"split reversed":        func(_ tree, p *packed) { p.split = reversed(p.split) },
		"split no JSON":         func(_ tree, p *packed) { p.split = append([]byte("{{"), p.split...) },
		"split a long line":     func(_ tree, p *packed) { p.split = bytes.Repeat([]byte(" "), maxLine+1) },
		"split of another kind": func(_ tree, p *packed) { p.split = []byte(`{"type":3}`) },
		"split too large":       func(_ tree, p *packed) { p.split = bytes.Replace(p.split, []byte(`"size":7`), []byte(`"size":8`), 1) },
		"nothing sent":          func(_ tree, p *packed) { p.blob = make([]byte, len(p.blob)) },
	} {
		t.Run(name, func(t *testing.T) {
			files, p := unpacked(t, sample(t, "as it was")), pack(t, young)
			plan := p.table.Plan(search1(t, index, p.table.Wanted()), 0)
			spoil(files, p)
			got, err := made(p, plan, files)
			t.Log(err)
			if err == nil {
				z, zerr := zstd.NewReader(bytes.NewReader(got))
				if zerr != nil {
					t.Fatal(zerr)
				}
				defer z.Close()
				out, err := io.ReadAll(z)
				if err == nil && bytes.Equal(out, young) {
					t.Error("it is the layer all the same")
				}
			}
		})
	}
	t.Run("parts break off", func(t *testing.T) {
		plan := p.table.Plan(nil, 0)
		err := plan.Write(io.Discard, bytes.NewReader(p.split), bytes.NewReader(p.blob[:50]), nil)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	})
	t.Run("one file again and again", func(t *testing.T) {
		plan := p.table.Plan(search1(t, index, p.table.Wanted()), 0)
		plan.most = 1 << 20
		line := fmt.Sprintf(`{"type":1,"name":"./big","size":%d}`+"\n", 600<<10)
		err := plan.Write(io.Discard, strings.NewReader(strings.Repeat(line, 100)), nil, unpacked(t, young).open)
		if !errors.Is(err, ErrForm) {
			t.Error(err)
		}
	})
}

func reversed(split []byte) []byte {
	lines := bytes.SplitAfter(split, []byte("\n"))
	var out []byte
	for i := range lines {
		out = append(out, lines[len(lines)-1-i]...)
	}
	return out
}

func TestFind(t *testing.T) {
	p := pack(t, sample(t, "x"))
	size := int64(len(p.blob))
	for name, change := range map[string]func(m map[string]string){
		"none":            func(m map[string]string) { clear(m) },
		"no split":        func(m map[string]string) { delete(m, keySplit) },
		"no sum":          func(m map[string]string) { delete(m, keySum) },
		"sum no digest":   func(m map[string]string) { m[keySum] = "sha256:../../etc/passwd" },
		"other kind":      func(m map[string]string) { m[keyTable] = strings.TrimSuffix(m[keyTable], ":1") + ":2" },
		"three numbers":   func(m map[string]string) { m[keyTable] = "1000:20:30" },
		"negative":        func(m map[string]string) { m[keyTable] = "-1000:20:30:1" },
		"at the begin":    func(m map[string]string) { m[keyTable] = "0:20:30:1" },
		"hexadecimal":     func(m map[string]string) { m[keyTable] = "0x100:20:30:1" },
		"overflow":        func(m map[string]string) { m[keyTable] = "9223372036854775800:20:30:1" },
		"length overflow": func(m map[string]string) { m[keyTable] = "100:4611686018427387903:30:1" },
		"beyond the end":  func(m map[string]string) { m[keySplit] = fmt.Sprintf("%d:20:30", size-10) },
		"huge table":      func(m map[string]string) { m[keyTable] = fmt.Sprintf("100:20:%d:1", maxPlainTable+1) },
		"huge split":      func(m map[string]string) { m[keySplit] = fmt.Sprintf("%d:20:%d", size-30, maxPlainSplit+1) },
		"on each other":   func(m map[string]string) { m[keySplit] = fmt.Sprintf("%d:20:30", p.places.Table.Offset+1) },
		"split first":     func(m map[string]string) { m[keySplit] = "10:20:30" },
	} {
		notes := maps.Clone(p.notes)
		change(notes)
		if got := Find(notes, size); got != nil && !got.Whole() {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := Find(p.notes, size-100); got != nil && !got.Whole() || Find(p.notes, p.places.Table.end()-1) != nil {
		t.Error("found beyond the end of the blob")
	}
	if p.places.Check([]byte("other")) == nil {
		t.Error("another table passed")
	}
}

const someSum = `"sha256:` + "0000000000000000000000000000000000000000000000000000000000000000" + `"`

func tableOf(entries ...string) string {
	return `{"version":1,"entries":[` + strings.Join(entries, ",") + `]}`
}

// lies are tables that contradict themselves.
func lies() map[string]string {
	f := func(name, rest string) string {
		return `{"type":"reg","name":"` + name + `","digest":` + someSum + `,` + rest + `}`
	}
	chunk := func(name, rest string) string {
		return `{"type":"chunk","name":"` + name + `","chunkDigest":` + someSum + `,` + rest + `}`
	}
	return map[string]string{
		"no JSON":           `{"version":1,"entries":[`,
		"a list":            `[]`,
		"version 2":         `{"version":2,"entries":[]}`,
		"entries no list":   `{"version":1,"entries":{}}`,
		"a digest is none":  tableOf(strings.Replace(f("a", `"size":1,"offset":1,"endOffset":2`), "0000", "zz..", 1)),
		"no name":           tableOf(f("", `"size":1,"offset":1,"endOffset":2`)),
		"twice":             tableOf(f("a", `"size":1,"offset":1,"endOffset":2`), f("a", `"size":1,"offset":3,"endOffset":4`)),
		"on each other":     tableOf(f("a", `"size":1,"offset":1,"endOffset":5`), f("b", `"size":1,"offset":4,"endOffset":6`)),
		"negative size":     tableOf(f("a", `"size":-1,"offset":1,"endOffset":2`)),
		"huge size":         tableOf(f("a", `"size":9223372036854775807,"offset":1,"endOffset":2`)),
		"size too large":    tableOf(f("a", `"size":1e30,"offset":1,"endOffset":2`)),
		"beyond the end":    tableOf(f("a", `"size":1,"offset":1,"endOffset":101`)),
		"negative offset":   tableOf(f("a", `"size":1,"offset":-9223372036854775808,"endOffset":2`)),
		"no offset":         tableOf(f("a", `"size":1,"endOffset":2`)),
		"end before begin":  tableOf(f("a", `"size":1,"offset":3,"endOffset":2`)),
		"chunk of nothing":  tableOf(chunk("a", `"chunkOffset":1,"offset":3`)),
		"chunk of another":  tableOf(f("a", `"size":9,"offset":1,"endOffset":9,"chunkDigest":`+someSum), chunk("b", `"chunkOffset":1,"offset":3`)),
		"chunks backwards":  tableOf(f("a", `"size":9,"offset":5,"endOffset":9,"chunkDigest":`+someSum), chunk("a", `"chunkOffset":1,"offset":3`)),
		"chunk beyond":      tableOf(f("a", `"size":9,"offset":1,"endOffset":9,"chunkDigest":`+someSum), chunk("a", `"chunkOffset":10,"offset":3`)),
		"chunk before":      tableOf(f("a", `"size":9,"offset":1,"endOffset":9,"chunkDigest":`+someSum), chunk("a", `"chunkOffset":-9223372036854775808,"offset":3`), chunk("a", `"chunkOffset":-1,"offset":4`)),
		"first not first":   tableOf(f("a", `"size":9,"offset":1,"endOffset":9,"chunkOffset":1,"chunkDigest":`+someSum), chunk("a", `"chunkOffset":2,"offset":3`)),
		"chunk of no sum":   tableOf(f("a", `"size":9,"offset":1,"endOffset":9`), chunk("a", `"chunkOffset":2,"offset":3`)),
		"too many":          tableOf(strings.Split(strings.Repeat(`{"type":"dir"},`, 1000)+`{}`, ",")...),
		"more than a table": tableOf()[:10] + `}`,
	}
}

func TestLyingTables(t *testing.T) {
	for name, text := range lies() {
		if _, err := Parse(strings.NewReader(text), 100, 1000); !errors.Is(err, ErrForm) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := tableOf(`{"type":"reg","name":"../../etc/passwd","size":1,"offset":1,"endOffset":100,"digest":`+someSum+`}`, `{"type":"dir","name":"d","size":5}`)
	table, err := Parse(strings.NewReader(good), 100, 1000)
	if err != nil || len(table.files) != 1 {
		t.Error(table, err) // whoever opens files says no
	}
}

// FuzzTable: whatever a registry sends, it is refused or makes a plan within the
// blob, and an index that says the same.
func FuzzTable(f *testing.F) {
	for _, text := range lies() {
		f.Add([]byte(text), []byte(`{"type":1,"name":"a","size":9}`))
	}
	p := pack(f, sample(f, "x"))
	f.Add(p.plain, p.split)
	f.Fuzz(func(t *testing.T, table, split []byte) {
		const end = 1 << 20
		x, err := Parse(bytes.NewReader(table), end, 1000)
		if err != nil {
			return
		}
		for _, gap := range []int64{0, 1 << 40} {
			plan := x.Plan(nil, gap)
			last := int64(0)
			for _, r := range plan.Ranges {
				if r.From <= 0 || r.From < last || r.Len() <= 0 || r.To > end {
					t.Errorf("%v after %d", r, last)
				}
				last = r.To
			}
			_ = plan.Write(io.Discard, bytes.NewReader(split), bytes.NewReader(make([]byte, 1<<16)), tree{}.open)
		}
		wanted := x.Wanted()
		found := map[Sum]bool{}
		if err := Search(bytes.NewReader(x.Index(someDigest)), wanted, func(s Sum, from Source) {
			found[s] = true
			if from.At < 0 || from.Size < 0 || from.At+from.Size > from.File {
				t.Errorf("%+v", from)
			}
		}); err != nil {
			t.Error(err)
		}
		local := map[Sum]Source{}
		for s, size := range wanted {
			local[s] = Source{Path: "a", Size: size, File: size}
		}
		_ = x.Plan(local, 0).Write(io.Discard, bytes.NewReader(split), strings.NewReader(""), tree{"a": make([]byte, 1000)}.open)
	})
}

const someDigest = digest.Digest("sha256:0000000000000000000000000000000000000000000000000000000000000000")

// FuzzIndex: whatever lies beside a layer, what is found is within a file.
func FuzzIndex(f *testing.F) {
	p := pack(f, sample(f, "x"))
	index := p.table.Index(someDigest)
	f.Add(index)
	f.Add(index[:len(index)-5])
	f.Add([]byte(magic + "\n\xff\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = Blob(bytes.NewReader(b))
		_ = Search(bytes.NewReader(b), p.table.Wanted(), func(_ Sum, from Source) {
			if from.At < 0 || from.Size <= 0 || from.At+from.Size > from.File || len(from.Path) > maxPath {
				t.Errorf("%+v", from)
			}
		})
	})
}
