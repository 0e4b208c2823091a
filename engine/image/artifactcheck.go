package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
)

// checkArtifacts finds artifacts that are not whole; with quick it only looks
// whether all of their files are there.
func (s *Store) checkArtifacts(ctx context.Context, quick bool) ([]Damage, error) {
	x, err := s.artifactIndex()
	if err != nil {
		return nil, err
	}
	var out []Damage
	for _, entry := range x.Manifests {
		name := entry.Annotations[imgspec.AnnotationRefName]
		d := Damage{ID: entry.Digest.Encoded(), Names: []string{name}, artifact: name}
		blobs := []imgspec.Descriptor{entry}
		if a, err := s.readArtifact(entry); err == nil {
			blobs = append(append(blobs, a.Manifest.Config), a.Manifest.Layers...)
		}
		for _, b := range blobs {
			if err := s.checkBlob(ctx, b, quick); err != nil {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				d.Problems = append(d.Problems, fmt.Sprintf("artifact %s: %.19s: %s", name, b.Digest, err))
				d.layers = append(d.layers, b.Digest.Encoded())
			}
		}
		if len(d.Problems) > 0 {
			out = append(out, d)
		}
	}
	return out, nil
}

func (s *Store) checkBlob(ctx context.Context, b imgspec.Descriptor, quick bool) error {
	f, err := os.Open(filepath.Join(s.artifactBlobs(), b.Digest.Encoded()))
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("it is gone")
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Size() != b.Size {
		return errors.Join(err, fmt.Errorf("it has %d bytes, not %d", st.Size(), b.Size))
	}
	if quick {
		return nil
	}
	sum := b.Digest.Algorithm().Digester()
	if _, err := io.Copy(sum.Hash(), stoppable{ctx, f}); err != nil {
		return err
	}
	if sum.Digest() != b.Digest {
		return errors.New("its content is another")
	}
	return nil
}

// mendArtifact fetches by its digest what checkArtifacts has found damaged.
func (s *Store) mendArtifact(ctx context.Context, d Damage, remote Remote) error {
	x, err := s.artifactIndex()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(x.Manifests, func(m imgspec.Descriptor) bool { return m.Annotations[imgspec.AnnotationRefName] == d.artifact })
	if i < 0 {
		return nil // removed meanwhile
	}
	named, err := reference.ParseNormalizedNamed(d.artifact)
	if err != nil || reference.Domain(named) == "localhost" {
		return fmt.Errorf("artifact %s comes from no registry", d.artifact)
	}
	exact, err := reference.WithDigest(reference.TrimNamed(named), x.Manifests[i].Digest)
	if err != nil {
		return err
	}
	from, err := docker.NewReference(exact)
	if err != nil {
		return err
	}
	sys, err := s.remoteSystem(remote)
	if err != nil {
		return err
	}
	if _, err := s.fetchArtifact(ctx, from, sys, d.artifact, d.layers...); err != nil {
		return explain("pull", exact.String(), reference.Domain(exact), err)
	}
	return nil
}
