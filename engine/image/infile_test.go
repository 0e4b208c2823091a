package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"testing"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// dockerArchive writes one by hand: layers by the diff IDs that its configuration
// names, and the entries that hold them.
func dockerArchive(t *testing.T, diffIDs []digest.Digest, names []string, ents ...ent) string {
	t.Helper()
	c := imgspec.Image{RootFS: imgspec.RootFS{Type: "layers", DiffIDs: diffIDs}}
	c.OS, c.Architecture = "linux", "amd64"
	list := []map[string]any{{"Config": "config.json", "RepoTags": []string{"localhost/archived:1"}, "Layers": names}}
	ents = append(ents, ent{name: "config.json", data: string(mustJSON(t, c))}, ent{name: "manifest.json", data: string(mustJSON(t, list))})
	path := filepath.Join(t.TempDir(), "archive.tar")
	if err := os.WriteFile(path, tarOf(t, ents...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLayersInFile(t *testing.T) {
	a := tarOf(t, ent{name: "a", data: "first"})
	b := tarOf(t, ent{name: "b", data: "second"})
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write(b)
	_ = w.Close()
	ids := []digest.Digest{digest.FromBytes(a), digest.FromBytes(b)}
	names := []string{"a/layer.tar", "b/layer.tar"}
	for name, tt := range map[string]struct {
		ents  []ent
		found int // layers that are a piece of the file
		wrong bool
	}{
		"plain":        {[]ent{{name: names[0], data: string(a)}, {name: names[1], data: string(b)}}, 2, false},
		"compressed":   {[]ent{{name: names[0], data: string(a)}, {name: names[1], data: z.String()}}, 2, false},
		"other path":   {[]ent{{name: "./" + names[0], data: string(a)}, {name: "b//layer.tar", data: string(b)}}, 2, false},
		"other layer":  {[]ent{{name: names[0], data: string(b)}, {name: names[1], data: string(a)}}, 2, true},
		"twice":        {[]ent{{name: names[0], data: string(a)}, {name: names[1], data: string(b)}, {name: names[0], data: string(b)}}, 0, false},
		"no tar":       {[]ent{{name: names[0], data: "nothing"}, {name: names[1], data: string(b)}}, 2, true},
		"empty":        {[]ent{{name: names[0]}, {name: names[1], data: string(b)}}, 2, true},
		"link":         {[]ent{{name: names[0], data: string(a)}, {name: names[1], link: "../a/layer.tar", kind: tar.TypeSymlink}}, 1, true},
		"missing":      {[]ent{{name: names[0], data: string(a)}}, 1, true},
		"half a layer": {[]ent{{name: names[0], data: string(a[:700])}, {name: names[1], data: string(b)}}, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, Options{})
			path := dockerArchive(t, ids, names, tt.ents...)
			found := 0
			if in := layersIn(path); in != nil {
				found = len(in.layers)
			}
			if found != tt.found {
				t.Errorf("%d layers are pieces of the file, want %d", found, tt.found)
			}
			loaded, err := s.Load(t.Context(), path)
			if tt.wrong {
				if err == nil {
					t.Fatal("it was loaded")
				}
				empty(t, s)
				return
			}
			if err != nil || len(loaded) != 1 || loaded[0].Names[0] != "localhost/archived:1" {
				t.Fatalf("%+v %v", loaded, err)
			}
			out := filepath.Join(t.TempDir(), "out")
			if err := s.Save(t.Context(), []string{loaded[0].ID}, out, SaveOptions{}); err != nil {
				t.Fatal(err)
			}
			saved, _ := os.ReadFile(out)
			for _, layer := range [][]byte{a, b} {
				if !bytes.Contains(saved, layer) {
					t.Error("saved without a layer as it came")
				}
			}
		})
	}
}

func TestLayersNotInFile(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"empty": {}, "text": []byte("no tar"), "no list": tarOf(t, ent{name: "a", data: "x"}),
		"bad list":  tarOf(t, ent{name: "manifest.json", data: `[{"Config":"c","Layers":["l"]}]`}, ent{name: "c", data: "{}"}, ent{name: "l"}),
		"long list": tarOf(t, ent{name: "manifest.json", data: string(make([]byte, maxListed+1))}),
	} {
		path := filepath.Join(dir, "x")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if in := layersIn(path); in != nil && len(in.layers) > 0 {
			t.Errorf("%s: %v", name, in.layers)
		}
	}
	if layersIn(dir) != nil || layersIn(filepath.Join(dir, "none")) != nil {
		t.Error("a directory, or nothing at all, has layers")
	}
	s := openStore(t, Options{})
	if _, err := s.Load(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
