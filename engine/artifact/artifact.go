package artifact

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

// The annotations that Burrow reads (image-spec v1.1, annotations.md).
const (
	annotationName    = "org.opencontainers.image.ref.name"
	annotationTitle   = "org.opencontainers.image.title"
	annotationCreated = "org.opencontainers.image.created"
)

// maxManifest bounds what is read of a manifest, as for images.
const maxManifest = 4 << 20

// Artifact is one that is stored.
type Artifact struct {
	Name     string // full, with tag
	Digest   string // of its manifest
	Created  time.Time
	Files    []File
	manifest int64 // bytes
	config   blob
}

// File is one of an artifact's.
type File struct {
	Digest string // sha256:…
	Title  string // what whoever made it calls it; "" if he does not
	Size   int64  // bytes
}

// Size is that of all files, in bytes.
func (a *Artifact) Size() int64 {
	var n int64
	for _, f := range a.Files {
		n += f.Size
	}
	return n
}

// Blobs are what is stored of it, by digest: how many bytes each has.
func (a *Artifact) Blobs() map[string]int64 {
	out := map[string]int64{a.Digest: a.manifest, a.config.Digest: a.config.Size}
	for _, f := range a.Files {
		out[f.Digest] = f.Size
	}
	return out
}

// Dir is where artifacts are stored.
func Dir(d paths.Dirs) string { return filepath.Join(d.Storage(), "artifacts") }

// Blob is the path of the blob with a digest.
func Blob(d paths.Dirs, digest string) (string, error) {
	hex, ok := strings.CutPrefix(digest, "sha256:")
	if !ok || len(hex) != 64 || strings.Trim(hex, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%w: %q is no SHA-256 digest", ErrInvalid, digest)
	}
	return filepath.Join(Dir(d), "blobs", "sha256", hex), nil
}

type blob struct {
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations"`
}

// List reads all artifacts, by name. What is damaged is left out: its name is in
// damaged.
func List(d paths.Dirs) (all []Artifact, damaged []string, err error) {
	entries, err := index(d)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		a, err := read(d, e)
		if err != nil {
			damaged = append(damaged, e.Name)
			continue
		}
		all = append(all, *a)
	}
	slices.SortFunc(all, func(a, b Artifact) int { return strings.Compare(a.Name, b.Name) })
	return all, damaged, nil
}

// Get reads the artifact that a person means by ref, as Match finds it.
func Get(d paths.Dirs, ref string) (*Artifact, error) {
	entries, err := index(d)
	if err != nil {
		return nil, err
	}
	i, err := Match(entries, ref)
	if err != nil {
		return nil, err
	}
	return read(d, entries[i])
}

func index(d paths.Dirs) ([]Entry, error) {
	b, err := os.ReadFile(filepath.Join(Dir(d), "index.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var x struct{ Manifests []blob }
	if err == nil {
		err = json.Unmarshal(b, &x)
	}
	if err != nil {
		return nil, fmt.Errorf("read artifacts: %w", err)
	}
	out := make([]Entry, len(x.Manifests))
	for i, m := range x.Manifests {
		out[i] = Entry{Name: m.Annotations[annotationName], Digest: m.Digest}
	}
	return out, nil
}

func read(d paths.Dirs, e Entry) (*Artifact, error) {
	path, err := Blob(d, e.Digest)
	if err != nil {
		return nil, err
	}
	var m struct {
		Config      blob              `json:"config"`
		Layers      []blob            `json:"layers"`
		Annotations map[string]string `json:"annotations"`
	}
	b, err := readBounded(path)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		return nil, hint.New(fmt.Errorf("artifact %s is damaged", e.Name), "burrow system check --repair")
	}
	a := &Artifact{Name: e.Name, Digest: e.Digest, manifest: int64(len(b)), config: m.Config}
	if t, err := time.Parse(time.RFC3339Nano, m.Annotations[annotationCreated]); err == nil {
		a.Created = t
	}
	for _, l := range m.Layers {
		a.Files = append(a.Files, File{Digest: l.Digest, Title: l.Annotations[annotationTitle], Size: l.Size})
	}
	return a, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err == nil && len(b) > maxManifest {
		err = ErrInvalid
	}
	return b, err
}
