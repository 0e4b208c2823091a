package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/artifact"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// Artifacts are files at registries. They have no layers to unpack, so they are
// kept as they come: an OCI layout that other tools read too. Blobs are put there
// first, index.json is replaced last; what it does not lead to is nobody's.

// Artifact is one that is stored.
type Artifact struct {
	Name     string // full, with tag
	Digest   digest.Digest
	Manifest imgspec.Manifest
}

// Size is that of its files, in bytes.
func (a *Artifact) Size() int64 {
	var n int64
	for _, l := range a.Manifest.Layers {
		n += l.Size
	}
	return n
}

// Created is when it was made, if it says so.
func (a *Artifact) Created() time.Time {
	t, err := time.Parse(time.RFC3339Nano, a.Manifest.Annotations[imgspec.AnnotationCreated])
	if err != nil {
		return time.Time{}
	}
	return t
}

// artifacts is on the file system of the temporary directory, as what comes is
// moved from there.
func (s *Store) artifacts() string { return filepath.Join(s.root, "artifacts") }

func (s *Store) artifactBlobs() string {
	return filepath.Join(s.artifacts(), imgspec.ImageBlobsDir, digest.SHA256.String())
}

// artifactIndex reads what is stored under what name.
func (s *Store) artifactIndex() (*imgspec.Index, error) {
	x := &imgspec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspec.MediaTypeImageIndex}
	b, err := os.ReadFile(filepath.Join(s.artifacts(), imgspec.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return x, nil
	}
	if err == nil {
		err = json.Unmarshal(b, x)
	}
	if err != nil {
		return nil, fmt.Errorf("read artifacts: %w", err)
	}
	return x, nil
}

// Artifacts lists all, by name.
func (s *Store) Artifacts() ([]Artifact, error) {
	x, err := s.artifactIndex()
	if err != nil {
		return nil, err
	}
	out := make([]Artifact, 0, len(x.Manifests))
	for _, d := range x.Manifests {
		a, err := s.readArtifact(d)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, *a)
	}
	slices.SortFunc(out, func(a, b Artifact) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (s *Store) readArtifact(d imgspec.Descriptor) (*Artifact, error) {
	a := &Artifact{Name: d.Annotations[imgspec.AnnotationRefName], Digest: d.Digest}
	b, err := os.ReadFile(filepath.Join(s.artifactBlobs(), d.Digest.Encoded()))
	if err != nil {
		return nil, fmt.Errorf("read artifact %s: %w", a.Name, err)
	}
	if err := json.Unmarshal(b, &a.Manifest); err != nil || digest.FromBytes(b) != d.Digest {
		return nil, hint.New(fmt.Errorf("artifact %s is damaged", a.Name), "burrow artifact rm "+a.Name)
	}
	return a, nil
}

// Artifact finds one by its name, short names being local, by name and digest,
// or by the start of its digest.
func (s *Store) Artifact(ref string) (*Artifact, error) {
	x, err := s.artifactIndex()
	if err != nil {
		return nil, err
	}
	d, err := findArtifact(x, ref)
	if err != nil {
		return nil, err
	}
	return s.readArtifact(*d)
}

// findArtifact returns the entry of x that is meant by ref.
func findArtifact(x *imgspec.Index, ref string) (*imgspec.Descriptor, error) {
	entries := make([]artifact.Entry, len(x.Manifests))
	for i, m := range x.Manifests {
		entries[i] = artifact.Entry{Name: m.Annotations[imgspec.AnnotationRefName], Digest: m.Digest.String()}
	}
	i, err := artifact.Match(entries, ref)
	if err != nil {
		return nil, err
	}
	return &x.Manifests[i], nil
}

// nameArtifact makes name mean the manifest d, whose blobs are stored already,
// and removes blobs that belong to nothing. The caller holds the lock.
func (s *Store) nameArtifact(x *imgspec.Index, name string, d imgspec.Descriptor) error {
	x.Manifests = slices.DeleteFunc(x.Manifests, func(o imgspec.Descriptor) bool { return o.Annotations[imgspec.AnnotationRefName] == name })
	d.Annotations = map[string]string{imgspec.AnnotationRefName: name}
	x.Manifests = append(x.Manifests, d)
	return s.writeArtifacts(x)
}

func (s *Store) writeArtifacts(x *imgspec.Index) error {
	b, err := json.Marshal(x)
	if err != nil {
		return fmt.Errorf("bug: encode artifacts: %w", err)
	}
	path := filepath.Join(s.artifacts(), imgspec.ImageIndexFile)
	if err := sys.ReplaceFile(path+".new", path, b, true); err != nil {
		return fmt.Errorf("store artifact: %w", err)
	}
	if err := sys.SyncDir(s.artifacts()); err != nil {
		return fmt.Errorf("store artifact: %w", err)
	}
	if err := s.collectBlobs(x); err != nil { // space that the next change gives back
		s.log.Warn("artifact data left behind", slog.Any("error", err))
	}
	return nil
}

// collectBlobs removes the blobs that x does not lead to.
func (s *Store) collectBlobs(x *imgspec.Index) error {
	used := map[string]bool{}
	for _, d := range x.Manifests {
		a, err := s.readArtifact(d)
		if err != nil {
			return err // without its manifest nobody knows what is its
		}
		used[d.Digest.Encoded()], used[a.Manifest.Config.Digest.Encoded()] = true, true
		for _, l := range a.Manifest.Layers {
			used[l.Digest.Encoded()] = true
		}
	}
	entries, err := os.ReadDir(s.artifactBlobs())
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !used[e.Name()] {
			errs = append(errs, os.Remove(filepath.Join(s.artifactBlobs(), e.Name())))
		}
	}
	return errors.Join(errs...)
}

// keepBlobs moves the blobs of a layout that was made in a temporary directory,
// and is on disk, to the store. The caller holds the lock.
func (s *Store) keepBlobs(layout string) error {
	to := s.artifactBlobs()
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("store artifact: %w", err)
	}
	version := filepath.Join(s.artifacts(), imgspec.ImageLayoutFile)
	if err := sys.ReplaceFile(version+".new", version, []byte(`{"imageLayoutVersion":"`+imgspec.ImageLayoutVersion+`"}`), true); err != nil {
		return fmt.Errorf("store artifact: %w", err)
	}
	from := filepath.Join(layout, imgspec.ImageBlobsDir, digest.SHA256.String())
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("store artifact: %w", err)
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return fmt.Errorf("store artifact: %w", err)
		}
	}
	if err := sys.SyncDir(to); err != nil {
		return fmt.Errorf("store artifact: %w", err)
	}
	return nil
}

// flushBlobs writes the blobs of a layout to disk, before the lock is taken.
func flushBlobs(layout string) error {
	dir, err := os.Open(layout)
	if err != nil {
		return fmt.Errorf("store artifact: %w", err)
	}
	defer dir.Close()
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("store artifact: %w", os.NewSyscallError("syncfs", err))
	}
	return nil
}

// RemoveArtifact removes the name ref, or, by its digest, the artifact that has
// it; its data goes with the last name. It returns the digest.
func (s *Store) RemoveArtifact(ctx context.Context, ref string) (d digest.Digest, err error) {
	err = s.exclusive(ctx, func() error {
		x, err := s.artifactIndex()
		if err != nil {
			return err
		}
		found, err := findArtifact(x, ref)
		if err != nil {
			return err
		}
		d = found.Digest
		name := found.Annotations[imgspec.AnnotationRefName]
		x.Manifests = slices.DeleteFunc(x.Manifests, func(o imgspec.Descriptor) bool { return o.Annotations[imgspec.AnnotationRefName] == name })
		return s.writeArtifacts(x)
	})
	return d, err
}

// RemoveArtifacts removes all artifacts and returns their digests.
func (s *Store) RemoveArtifacts(ctx context.Context) (gone []digest.Digest, err error) {
	err = s.exclusive(ctx, func() error {
		x, err := s.artifactIndex()
		if err != nil || len(x.Manifests) == 0 {
			return err
		}
		for _, d := range x.Manifests {
			if !slices.Contains(gone, d.Digest) {
				gone = append(gone, d.Digest)
			}
		}
		x.Manifests = nil
		return s.writeArtifacts(x)
	})
	return gone, err
}
