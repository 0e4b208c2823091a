package image

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/burrow-run/burrow/engine/artifact"
)

// artifactAt makes a registry that has an artifact with files of these titles.
func artifactAt(t *testing.T, change func(*imgspec.Manifest), titles ...string) *registry {
	t.Helper()
	l := newOCIDir(t)
	m := imgspec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspec.MediaTypeImageManifest, ArtifactType: "a/b",
		Config: l.blob(imgspec.DescriptorEmptyJSON.MediaType, imgspec.DescriptorEmptyJSON.Data), Layers: []imgspec.Descriptor{},
	}
	for _, title := range titles {
		d := l.blob("text/plain", []byte("content of "+title))
		d.Annotations = map[string]string{imgspec.AnnotationTitle: title}
		m.Layers = append(m.Layers, d)
	}
	if change != nil {
		change(&m)
	}
	r := newRegistry(t, nil)
	r.dir, r.manifest = l.dir, l.blob(m.MediaType, mustJSON(t, m)).Digest
	return r
}

// TestArtifactsNameNoPaths: whoever makes an artifact does not choose where in
// the file system its files go, and nothing of it comes if one wants to.
func TestArtifactsNameNoPaths(t *testing.T) {
	for _, title := range []string{"../evil", "/tmp/evil", "..", ".", "a/b", "a\x00b", strings.Repeat("x", 256)} {
		s := openStore(t, Options{})
		r := artifactAt(t, nil, "good", title)
		if _, err := s.PullArtifact(t.Context(), r.image(), insecure()); err != nil {
			t.Fatal(err)
		}
		base := t.TempDir()
		target := filepath.Join(base, "target")
		if err := os.Mkdir(target, 0o755); err != nil {
			t.Fatal(err)
		}
		err := s.ExtractArtifact(t.Context(), r.image(), target, artifact.Choice{})
		if err == nil || strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("%.20q: %v", title, err)
		}
		for _, dir := range []string{base, target} {
			if entries, err := os.ReadDir(dir); err != nil || len(entries) > 1 || dir == target && len(entries) > 0 {
				t.Errorf("%.20q: %v %v", title, entries, err)
			}
		}
		// By its digest it can be had.
		d := digest.FromString("content of " + title)
		if err := s.ExtractArtifact(t.Context(), r.image(), target, artifact.Choice{Digest: d.String()}); err != nil {
			t.Error(err)
		}
		if b, err := os.ReadFile(filepath.Join(target, "sha256-"+d.Encoded())); err != nil || string(b) != "content of "+title {
			t.Errorf("%q %v", b, err)
		}
	}
}

// TestArtifactsFromStrangers: what is no artifact, or not what it says, is not
// stored, in part neither.
func TestArtifactsFromStrangers(t *testing.T) {
	isBlob := func(q *http.Request) bool { return strings.Contains(q.URL.Path, "/blobs/") }
	for name, tt := range map[string]struct {
		change func(*imgspec.Manifest)
		hook   func(http.ResponseWriter, *http.Request) bool
	}{
		"wrong blob": {hook: func(w http.ResponseWriter, q *http.Request) bool {
			if isBlob(q) {
				_, _ = w.Write([]byte("something else"))
			}
			return isBlob(q)
		}},
		"reset":       {hook: func(w http.ResponseWriter, q *http.Request) bool { return isBlob(q) && reset(w) }},
		"path":        {change: func(m *imgspec.Manifest) { m.Layers[0].Digest = "sha256:../../../../etc/passwd" }},
		"sha512":      {change: func(m *imgspec.Manifest) { m.Layers[0].Digest = digest.SHA512.FromString("x") }},
		"wrong size":  {change: func(m *imgspec.Manifest) { m.Layers[0].Size = 3 }},
		"docker type": {change: func(m *imgspec.Manifest) { m.MediaType = "application/vnd.docker.distribution.manifest.v2+json" }},
		"list": {hook: func(w http.ResponseWriter, q *http.Request) bool {
			if !strings.HasSuffix(q.URL.Path, "/latest") {
				return false
			}
			w.Header().Set("Content-Type", imgspec.MediaTypeImageIndex)
			_, _ = fmt.Fprintf(w, `{"schemaVersion":2,"mediaType":%q,"manifests":[]}`, imgspec.MediaTypeImageIndex)
			return true
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, Options{})
			r := artifactAt(t, tt.change, "file")
			r.hook = tt.hook
			_, err := s.PullArtifact(t.Context(), r.image(), insecure())
			if err == nil || strings.Contains(err.Error(), "\n") {
				t.Error(err)
			}
			t.Log(err)
			if list, err := s.Artifacts(); err != nil || len(list) > 0 {
				t.Error(list, err)
			}
			if entries, _ := os.ReadDir(s.artifactBlobs()); len(entries) > 0 {
				t.Error(entries)
			}
		})
	}
}

// TestArtifactsAtOnce: what is added at the same time is all there after.
func TestArtifactsAtOnce(t *testing.T) {
	s := openStore(t, Options{})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	const n = 8
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if _, err := s.AddArtifact(t.Context(), fmt.Sprintf("a%d", i), []string{file}, ArtifactOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, err := s.Artifacts()
	if err != nil || len(list) != n {
		t.Fatal(len(list), err)
	}
	for i := range list {
		if err := s.ExtractArtifact(t.Context(), list[i].Name, filepath.Join(t.TempDir(), "out"), artifact.Choice{}); err != nil {
			t.Error(err)
		}
	}
}

// TestArtifactBlobsAreFetchedOnce: what is stored is not asked for again.
func TestArtifactBlobsAreFetchedOnce(t *testing.T) {
	s := openStore(t, Options{})
	r := artifactAt(t, nil, "file")
	if _, err := s.PullArtifact(t.Context(), r.image(), insecure()); err != nil {
		t.Fatal(err)
	}
	r.hook = func(_ http.ResponseWriter, q *http.Request) bool {
		if strings.HasSuffix(q.URL.Path, digest.FromString("content of file").String()) {
			t.Error("fetched again")
		}
		return false
	}
	if _, err := s.PullArtifact(t.Context(), r.host()+"/other", insecure()); err != nil {
		t.Error(err)
	}
	// What is left when the last name is gone is nothing.
	for _, name := range []string{"/other", "/test"} {
		if _, err := s.RemoveArtifact(t.Context(), r.host()+name); err != nil {
			t.Error(err)
		}
	}
	if entries, err := os.ReadDir(s.artifactBlobs()); err != nil || len(entries) > 0 {
		t.Error(entries, err)
	}
}

// TestExtractedFilesTakeTheirNamesAtOnce: with files without a name and without
// such, what has the name is replaced, and no other name is left.
func TestExtractedFilesTakeTheirNamesAtOnce(t *testing.T) {
	for kind, make := range map[string]func(*os.Root) (*unnamed, error){"unnamed": newUnnamed, "named": newNamed} {
		t.Run(kind, func(t *testing.T) {
			target := t.TempDir()
			dir, err := os.OpenRoot(target)
			if err != nil {
				t.Fatal(err)
			}
			defer dir.Close()
			precious := filepath.Join(t.TempDir(), "precious")
			if err := errors.Join(os.WriteFile(precious, nil, 0o600), os.Symlink(precious, filepath.Join(target, "link")),
				os.WriteFile(filepath.Join(target, "file"), []byte("old"), 0o600)); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"new", "file", "link"} {
				f, err := make(dir)
				if err != nil {
					t.Fatal(err)
				}
				if entries, err := os.ReadDir(target); kind == "unnamed" && (err != nil || len(entries) > 3) {
					t.Error("there is a name: ", entries, err)
				}
				_, err = f.WriteString("content")
				if err := errors.Join(err, f.publish(name)); err != nil {
					t.Error(err)
				}
				f.discard()
				if st, err := os.Lstat(filepath.Join(target, name)); err != nil || !st.Mode().IsRegular() || st.Size() != 7 {
					t.Errorf("%s: %v %v", name, st, err)
				}
			}
			f, err := make(dir)
			if err != nil {
				t.Fatal(err)
			}
			f.discard()
			entries, err := os.ReadDir(target)
			if err != nil || len(entries) != 3 {
				t.Error(entries, err)
			}
			if st, err := os.Stat(precious); err != nil || st.Size() > 0 {
				t.Error(st, err)
			}
		})
	}
}
