package artifact

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/internal/paths"
)

const a64 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func TestMatch(t *testing.T) {
	b64, ab := strings.ReplaceAll(a64, "a", "b"), "ab"+a64[2:]
	entries := []Entry{
		{"localhost/model:latest", "sha256:" + b64},
		{"quay.io/me/model:v1", "sha256:" + a64},
		{"docker.io/library/model:v2", "sha256:" + ab},
	}
	for ref, want := range map[string]int{
		"model": 0, "localhost/model": 0, "model:latest": 0, "model@sha256:" + b64: 0, "sha256:" + b64: 0, "bbb": 0,
		"quay.io/me/model:v1": 1, "docker://quay.io/me/model:v1": 1, "quay.io/me/model@sha256:" + a64: 1, "aaa": 1,
		"quay.io/me/model:other@sha256:" + a64: 1, "model:v2": 2, "docker.io/model:v2": 2, "model@sha256:" + ab: 2, "sha256:aba": 2,
		"quay.io/me/model": -1, "me/model:v1": -1, "": -1, "UPPER": -1, "aa": -1, "ccc": -1, "sha256:": -1, "../x": -1,
	} {
		got, err := Match(entries, ref)
		if want < 0 && !errors.Is(err, ErrNotFound) || want >= 0 && (err != nil || got != want) {
			t.Errorf("%q: %d %v, want %d", ref, got, err, want)
		}
	}
	entries[2].Digest = "sha256:" + a64[:63] + "b"
	if _, err := Match(entries, "aaa"); err == nil || errors.Is(err, ErrNotFound) {
		t.Error("two that fit: ", err)
	}
}

func TestChoose(t *testing.T) {
	files := []File{{Digest: "sha256:1", Title: "x"}, {Digest: "sha256:2", Title: "y"}, {Digest: "sha256:3", Title: "y"}, {Digest: "sha256:3"}}
	for c, want := range map[Choice]int{
		{}: 4, {Title: "x"}: 1, {Digest: "sha256:2"}: 1, {Digest: "sha256:3"}: 1,
		{Title: "y"}: 0, {Title: "z"}: 0, {Digest: "sha256:4"}: 0, {Digest: "sha256:1", Title: "x"}: 0,
	} {
		got, err := c.Choose("a", files)
		if len(got) != want || (err == nil) != (want > 0) {
			t.Errorf("%v: %v %v", c, got, err)
		}
	}
	if _, err := (Choice{}).Choose("a", nil); err == nil {
		t.Error("no files are some")
	}
	if names, err := (Choice{}).Names(files[:2]); err != nil || strings.Join(names, " ") != "x y" {
		t.Error(names, err)
	}
	if names, err := (Choice{Digest: "sha256:1"}).Names(files[:1]); err != nil || names[0] != "sha256-1" {
		t.Error(names, err)
	}
	for _, bad := range [][]File{files[:3], {{Title: "a/b"}}, {{Title: ".."}}, {{Title: "a\x00"}}, {{Title: strings.Repeat("x", 256)}}} {
		if names, err := (Choice{}).Names(bad); err == nil {
			t.Errorf("%q", names)
		}
	}
}

// A manifest comes from strangers: what it names is a blob or nothing.
func TestReadTakesNoPaths(t *testing.T) {
	d := paths.Dirs{Data: t.TempDir()}
	blobs := filepath.Join(Dir(d), "blobs", "sha256")
	write := func(path, text string) {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if all, bad, err := List(d); err != nil || len(all)+len(bad) > 0 {
		t.Error("no store: ", all, bad, err)
	}
	index := func(digest string) string {
		return `{"manifests":[{"digest":"` + digest + `","annotations":{"org.opencontainers.image.ref.name":"localhost/x:1"}}]}`
	}
	write(filepath.Join(Dir(d), "index.json"), index("sha256:"+a64))
	write(filepath.Join(blobs, a64), `{"config":{"digest":"sha256:c","size":2},"annotations":{"org.opencontainers.image.created":"2026-01-02T03:04:05Z"},
		"layers":[{"digest":"sha256:../../index.json","size":5,"annotations":{"org.opencontainers.image.title":"t"}},{"digest":"sha256:x","size":7}]}`)
	a, err := Get(d, "x:1")
	if err != nil || a.Size() != 12 || a.Created.Year() != 2026 || a.Files[0].Title != "t" || len(a.Blobs()) != 4 {
		t.Fatalf("%+v %v", a, err)
	}
	for _, digest := range []string{a.Files[0].Digest, "sha512:" + a64, a64, "sha256:" + strings.ToUpper(a64), "sha256:" + a64 + "/x", ""} {
		if path, err := Blob(d, digest); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %q %v", digest, path, err)
		}
	}
	for what, text := range map[string]string{"damaged": "x", "huge": strings.Repeat(" ", maxManifest+1)} {
		write(filepath.Join(blobs, a64), text)
		if _, bad, err := List(d); err != nil || len(bad) != 1 {
			t.Errorf("%s: %v %v", what, bad, err)
		}
	}
	write(filepath.Join(Dir(d), "index.json"), index("sha256:../../../../etc/passwd"))
	if a, err := Get(d, "x:1"); err == nil {
		t.Errorf("%+v", a)
	}
}
