package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	digest "github.com/opencontainers/go-digest"

	"github.com/burrow-run/burrow/engine/image/chunked"
)

// TestStoredFilesHaveChanged: what is not as it was is fetched, or costs that the layer is
// fetched whole.
func TestStoredFilesHaveChanged(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(path string) error
		said  string
	}{
		"altered": {func(p string) error { return os.WriteFile(p, []byte(noise(8, 900<<10)), 0o755) }, saidAgain},
		"shorter": {func(p string) error { return os.Truncate(p, 1000) }, saidParts},
		"longer":  {func(p string) error { return os.Truncate(p, 1<<20) }, saidParts},
		"gone":    {os.Remove, saidParts},
		"a link": {func(p string) error {
			return errors.Join(os.Rename(p, p+".moved"), os.Symlink(p+".moved", p))
		}, saidParts},
		"a directory": {func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) }, saidParts},
		"a pipe":      {func(p string) error { return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o755)) }, saidParts},
		"a link on the way": {func(p string) error {
			dir := filepath.Dir(p)
			return errors.Join(os.Rename(dir, dir+".moved"), os.Symlink(dir+".moved", dir))
		}, saidWhole},
		"the layer": {func(p string) error { return os.RemoveAll(filepath.Dir(filepath.Dir(filepath.Dir(p)))) }, saidWhole},
	} {
		t.Run(name, func(t *testing.T) {
			s, log := partsStore(t)
			layer := sound(t, s, sendingRegistry(t, newOCIDir(t).chunkedLayer(release(t, "1"))), "1")
			if err := tt.spoil(filepath.Join(s.layerDir(layer), "usr/lib/b")); err != nil {
				t.Fatal(err)
			}
			l := newOCIDir(t).chunkedLayer(release(t, "2"))
			r := sendingRegistry(t, l)
			sound(t, s, r, "2")
			if !log.said(tt.said) || tt.said == saidParts && log.said(saidAgain) {
				t.Error(log.b.String())
			}
			if n := r.bytes.Load(); tt.said == saidParts && (n < 900<<10 || n > 1<<20) {
				t.Errorf("%d bytes sent", n)
			}
		})
	}
}

// TestOthersAreKept: a layer that has to be fetched again costs no other layer, not even
// itself where it is there twice.
func TestOthersAreKept(t *testing.T) {
	s, log := partsStore(t)
	layer := sound(t, s, sendingRegistry(t, newOCIDir(t).chunkedLayer(release(t, "1"))), "1")
	two := newOCIDir(t).layer(tarOf(t, ent{name: "below", data: "x"})).chunkedLayer(release(t, "2")).chunkedLayer(release(t, "2"))
	r := sendingRegistry(t, two)
	below := 0
	counted := r.hook
	r.hook = func(w http.ResponseWriter, q *http.Request) bool {
		if strings.HasSuffix(q.URL.Path, two.layers[0].Digest.String()) {
			below++
		}
		return counted(w, q)
	}
	sound(t, s, r, "2")
	if _, err := s.Remove(t.Context(), r.image(), RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if !log.said(saidParts) || log.said(saidAgain) || below != 1 {
		t.Error(below, log.b.String())
	}
	if err := os.WriteFile(filepath.Join(s.layerDir(layer), "usr/lib/b"), []byte(noise(8, 900<<10)), 0o755); err != nil {
		t.Fatal(err)
	}
	sound(t, s, r, "2")
	if !log.said(saidAgain) || below != 2 {
		t.Error(below, log.b.String())
	}
}

// retold is a blob whose table says something else, and which unpacks as before.
func retold(t testing.TB, plain []byte, table func(string) string, split func(string) string) ([]byte, map[string]string) {
	t.Helper()
	blob, notes := chunkedBlob(t, plain)
	at := chunked.Find(notes, int64(len(blob)))
	packer, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	unpacker, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	out := blob[:at.Table.Offset-8]
	frame := func(p chunked.Place, change func(string) string) ([]byte, string) {
		b, err := unpacker.DecodeAll(blob[p.Offset:p.Offset+p.Length], nil)
		if err != nil {
			t.Fatal(err)
		}
		told := []byte(change(string(b)))
		z := packer.EncodeAll(told, nil)
		out = append(bytes.Clone(out), 0x50, 0x2a, 0x4d, 0x18)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(z)))
		place := fmt.Sprintf("%d:%d:%d", len(out), len(z), len(told))
		out = append(out, z...)
		return z, place
	}
	const key = "io.github.containers.zstd-chunked."
	z, place := frame(at.Table, table)
	notes[key+"manifest-checksum"], notes[key+"manifest-position"] = digest.FromBytes(z).String(), place+":1"
	_, notes[key+"tarsplit-position"] = frame(at.Split, split)
	return out, notes
}

// TestLyingBlobs: the table of a blob, its tar-split and where the manifest says they are
// may say what they like: the image is the one that the configuration says.
func TestLyingBlobs(t *testing.T) {
	same := func(s string) string { return s }
	swap := func(old, young string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				t.Errorf("no %q in %.300q", old, s)
			}
			return strings.ReplaceAll(s, old, young)
		}
	}
	sumOf := func(data string) string { return digest.FromString(data).String() }
	note := func(key, value string) func(map[string]string) {
		return func(m map[string]string) { m["io.github.containers.zstd-chunked."+key] = value }
	}
	s, log := partsStore(t)
	sound(t, s, sendingRegistry(t, newOCIDir(t).chunkedLayer(release(t, "1"))), "1")
	for name, tt := range map[string]struct {
		table, split func(string) string
		notes        func(map[string]string)
		said         string
	}{
		"a digest of what is here": {swap(sumOf("2"), sumOf("1")), same, nil, saidAgain},
		"an offset of another file": {func(s string) string {
			return regexp.MustCompile(`("name":"usr/bin/new".*?"offset":)[0-9]+`).ReplaceAllString(s, "${1}100")
		}, same, nil, saidWhole},
		"sizes of another":        {swap(`"size":20480`, `"size":20481`), same, nil, saidAgain},
		"huge sizes":              {swap(`"size":20480`, `"size":4611686018427387904`), same, nil, saidWhole},
		"negative sizes":          {swap(`"size":20480`, `"size":-20480`), same, nil, saidWhole},
		"names that lead out":     {swap(`"name":"usr/bin/new"`, `"name":"../../../../../etc/passwd"`), same, nil, saidAgain},
		"nothing":                 {func(string) string { return `{"version":1,"entries":[]}` }, same, nil, saidAgain},
		"no JSON":                 {func(string) string { return noise(5, 2000) }, same, nil, saidWhole},
		"split of nothing":        {same, func(string) string { return "\n" }, nil, saidAgain},
		"split without a header":  {same, func(s string) string { return s[strings.Index(s, "\n")+1:] }, nil, saidAgain},
		"split says another size": {same, swap(`"size":20480`, `"size":20479`), nil, saidAgain},
		"split with more":         {same, func(s string) string { return s + s }, nil, saidAgain},
		"sum of another table":    {same, same, note("manifest-checksum", sumOf("x")), saidWhole},
		"places that overlap":     {same, same, note("manifest-position", "1000:20000:30000:1"), ""},
		"places in the files": {same, same, func(m map[string]string) {
			note("manifest-position", "1000:200:300:1")(m)
			note("tarsplit-position", "2000:200:300")(m)
		}, saidWhole},
		"a table that grows": {func(s string) string { return s + strings.Repeat(" ", 1<<20) }, same, func(m map[string]string) {
			k := "io.github.containers.zstd-chunked.manifest-position"
			parts := strings.Split(m[k], ":")
			m[k] = strings.Join([]string{parts[0], parts[1], "5000", "1"}, ":")
		}, saidWhole},
	} {
		t.Run(name, func(t *testing.T) {
			log.since()
			plain := release(t, "2")
			blob, notes := retold(t, plain, tt.table, tt.split)
			if tt.notes != nil {
				tt.notes(notes)
			}
			r := sendingRegistry(t, newOCIDir(t).blobLayer(plain, blob, notes))
			sound(t, s, r, "2")
			if !log.said(tt.said) {
				t.Error(log.b.String())
			}
			if _, err := s.Remove(t.Context(), r.image(), RemoveOptions{}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestNobodyElseIsLiedTo: a registry may send parts that are not the blob's. What it makes is
// what its own image says it is, and not taken for the blob where an honest image names that.
func TestNobodyElseIsLiedTo(t *testing.T) {
	s, log := partsStore(t)
	sound(t, s, sendingRegistry(t, newOCIDir(t).chunkedLayer(release(t, "1"))), "1")
	honest := newOCIDir(t).chunkedLayer(release(t, "2"))
	evil := newOCIDir(t).chunkedLayer(release(t, "3"))
	parts, err := os.ReadFile(filepath.Join(evil.dir, "blobs/sha256", evil.layers[0].Digest.Encoded()))
	if err != nil {
		t.Fatal(err)
	}
	evil.layers[0].Digest = honest.layers[0].Digest // and its parts are another's
	r := sendingRegistry(t, evil)
	r.answer = func(w http.ResponseWriter, q *http.Request) bool {
		http.ServeContent(w, q, "", time.Time{}, bytes.NewReader(parts))
		return true
	}
	sound(t, s, r, "3")
	if !log.said(saidParts) {
		t.Error(log.b.String())
	}
	sound(t, s, sendingRegistry(t, honest), "2")
}
