package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestLayout(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: "./d/", Typeflag: tar.TypeDir, Mode: 0o755})
	_ = w.WriteHeader(&tar.Header{Name: "./d/f", Mode: 0o640, Size: 3})
	_, _ = w.Write([]byte("abc"))
	_ = w.Close()
	debian := filepath.Join(t.TempDir(), "debian.tar")
	if err := os.WriteFile(debian, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var indexes [2][]byte
	for i := range indexes {
		dir := filepath.Join(t.TempDir(), "layout")
		if err := layout(dir, debian); err != nil {
			t.Fatal(err)
		}
		indexes[i], _ = os.ReadFile(filepath.Join(dir, "index.json"))
		checkLayout(t, dir)
	}
	if len(indexes[0]) == 0 || !bytes.Equal(indexes[0], indexes[1]) {
		t.Error("not the same twice")
	}

	var part2 bytes.Buffer
	if err := part(&part2, bytes.NewReader(b.Bytes()), 2, 1000); err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(&part2)
	hdr, err := r.Next()
	if err != nil || hdr.Name != "opt/part2/d/f" || hdr.Mode != 0o640 {
		t.Fatal(hdr, err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "cde" {
		t.Errorf("%q %v", got, err)
	}
}

// checkLayout follows the index to the layers: "most" has one layer less.
func checkLayout(t *testing.T, dir string) {
	t.Helper()
	blob := func(d imgspec.Descriptor, v any) {
		b, err := os.ReadFile(filepath.Join(dir, "blobs", "sha256", d.Digest.Encoded()))
		if err != nil || digest.FromBytes(b) != d.Digest || int64(len(b)) != d.Size {
			t.Fatalf("%s: %v", d.Digest, err)
		}
		if v != nil && json.Unmarshal(b, v) != nil {
			t.Fatalf("%s", b)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, "index.json"))
	var index imgspec.Index
	if err != nil || json.Unmarshal(raw, &index) != nil || len(index.Manifests) != 2 {
		t.Fatalf("%v %s", err, raw)
	}
	for i, name := range []string{"most", "all"} {
		var m imgspec.Manifest
		var c imgspec.Image
		blob(index.Manifests[i], &m)
		blob(m.Config, &c)
		for _, l := range m.Layers {
			blob(l, nil)
		}
		if want := len(partSizes) + i; index.Manifests[i].Annotations[imgspec.AnnotationRefName] != name ||
			len(m.Layers) != want || len(c.RootFS.DiffIDs) != want {
			t.Errorf("%s: %d layers, %d diff IDs", name, len(m.Layers), len(c.RootFS.DiffIDs))
		}
	}
}
