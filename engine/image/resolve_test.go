package image

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/burrow-run/burrow/engine/plan"
)

func TestResolveNames(t *testing.T) {
	s := openStore(t, Options{})
	conf := filepath.Join(t.TempDir(), "registries.conf")
	sys, err := s.system()
	if err != nil {
		t.Fatal(err)
	}
	sys.SystemRegistriesConfPath, sys.SystemRegistriesConfDirPath = conf, t.TempDir()
	for i, tt := range []struct{ conf, name, want string }{
		{"", "deb", "docker.io/library/deb:latest"},
		{"", "me/deb:1", "docker.io/me/deb:1"},
		{"", "docker://quay.io/x", "quay.io/x:latest"},
		{"", "localhost:5000/x", "localhost:5000/x:latest"},
		{"", "x:t@sha256:" + strings.Repeat("a", 64), "docker.io/library/x@sha256:" + strings.Repeat("a", 64)},
		{`unqualified-search-registries = ["a.io","b.io"]`, "deb", "a.io/deb:latest b.io/deb:latest"},
		{"[aliases]\n\"deb\" = \"q.io/debian\"", "deb:v", "q.io/debian:v"},
		{"", "UPPER", ""},
		{"", "a b", ""},
		{"", "", ""},
	} {
		path := fmt.Sprintf("%s%d", conf, i) // the library caches by path
		if err := os.WriteFile(path, []byte(tt.conf), 0o600); err != nil {
			t.Fatal(err)
		}
		sys.SystemRegistriesConfPath = path
		got, err := resolve(sys, tt.name)
		if strings.Join(texts(got), " ") != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q: %v %v", tt.name, texts(got), err)
		}
	}
}

func TestOtherTransports(t *testing.T) {
	s := openStore(t, Options{})
	id := load(t, s, newOCIDir(t).layer(tarOf(t, ent{name: "f"})))
	dir := t.TempDir()
	if err := s.Tag(t.Context(), id, []string{"app"}); err != nil {
		t.Fatal(err)
	}
	for format, prefix := range map[Format]string{FormatOCIArchive: "oci-archive:", FormatOCIDir: "oci:", FormatDockerArchive: "docker-archive:", FormatDockerDir: "dir:"} {
		path := filepath.Join(dir, string(format))
		if err := s.Save(context.Background(), []string{"app"}, path, SaveOptions{Format: format}); err != nil {
			t.Fatal(err)
		}
		other := openStore(t, Options{})
		ids, err := other.Pull(t.Context(), prefix+path, PullOptions{})
		if err != nil || !slices.Equal(ids, []string{id}) {
			t.Errorf("%s: %v %v", format, ids, err)
			continue
		}
		p, err := plan.Read(other.dirs, id)
		if format == FormatDockerDir { // has no name of its own; this path is none either, it has capitals
			continue
		}
		if err != nil || !slices.Equal(p.Names, []string{"localhost/app:latest"}) {
			t.Errorf("%s: %v %v", format, p, err)
		}
	}
	for _, ref := range []string{"docker-daemon:x", "containers-storage:x", "dir:/absent", "oci:/absent", "oci-archive:/absent", "docker-archive:/absent"} {
		if _, err := s.Pull(t.Context(), ref, PullOptions{}); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

func TestPlatforms(t *testing.T) {
	l := newOCIDir(t)
	index := imgspec.Index{MediaType: imgspec.MediaTypeImageIndex}
	index.SchemaVersion = 2
	ids := map[string]string{}
	for _, arch := range []string{"amd64", "arm64", "riscv64"} {
		one := newOCIDir(t)
		one.dir = l.dir
		one.config.Architecture = arch
		one.layer(tarOf(t, ent{name: arch})).write()
		index.Manifests = append(index.Manifests, imgspec.Descriptor{
			MediaType: imgspec.MediaTypeImageManifest, Digest: one.manifestDigest, Size: int64(len(one.manifestRaw)),
			Platform: &imgspec.Platform{OS: "linux", Architecture: arch},
		})
		ids[arch] = digest.FromBytes(mustJSON(t, one.config)).Encoded()
	}
	raw := l.blob(imgspec.MediaTypeImageIndex, mustJSON(t, index))
	r := newRegistry(t, nil)
	r.dir, r.manifest = l.dir, raw.Digest
	r.hook = func(w http.ResponseWriter, q *http.Request) bool {
		if strings.HasSuffix(q.URL.Path, "/latest") || strings.HasSuffix(q.URL.Path, raw.Digest.String()) {
			w.Header().Set("Content-Type", imgspec.MediaTypeImageIndex)
			_, _ = w.Write(mustJSON(t, index))
			return true
		}
		return false
	}
	s := openStore(t, Options{})
	for _, arch := range []string{"arm64", "riscv64", "amd64"} {
		o := insecure()
		o.OS, o.Arch = "linux", arch
		got, err := s.Pull(t.Context(), r.image(), o)
		if err != nil || got[0] != ids[arch] {
			t.Errorf("%s: %v %v", arch, got, err)
		}
	}
	o := insecure()
	o.OS, o.Arch = "linux", "s390x"
	if _, err := s.Pull(t.Context(), r.image(), o); err == nil || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
	// By the list's digest too, and up to date by it.
	if p, err := plan.Resolve(s.dirs, r.host()+"/test@"+raw.Digest.String()); err != nil || p.ID != ids["amd64"] {
		t.Error(p, err)
	}
	before := r.hits.Load()
	o.Arch, o.Policy = "amd64", PullNewer
	if _, err := s.Pull(t.Context(), r.image(), o); err != nil || r.hits.Load() > before+2 {
		t.Error(r.hits.Load()-before, err)
	}
}
