package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
)

// layoutName is what an artifact is called in a temporary layout.
const layoutName = "artifact"

// PullArtifact fetches the artifact name from a registry and returns its digest.
func (s *Store) PullArtifact(ctx context.Context, name string, opts PullOptions) (digest.Digest, error) {
	if t, _, ok := strings.Cut(name, ":"); ok && (transports[t] != nil || isTransport(t)) {
		return "", fmt.Errorf("transport %q: %w: artifacts are pulled from registries", t, ErrNotSupported)
	}
	sys, err := s.systemFor(opts)
	if err != nil {
		return "", err
	}
	candidates, err := resolve(sys, name)
	if err != nil {
		return "", err
	}
	candidates, remember, err := s.settleName(sys, name, candidates)
	if err != nil {
		return "", fmt.Errorf("pull: %w", err)
	}
	var errs []error
	for _, c := range candidates {
		from, err := docker.NewReference(c)
		if err != nil {
			return "", fmt.Errorf("%w: %q: %w", plan.ErrName, c, err)
		}
		again := retry{left: opts.Retries, delay: opts.RetryDelay}
		for {
			d, err := s.fetchArtifact(ctx, from, sys, c.String())
			if err == nil {
				remember()
				return d, nil
			}
			if !again.worth(err) {
				errs = append(errs, explain("pull", c.String(), reference.Domain(c), err))
				break
			}
			s.log.Warn("pull failed, trying again", slog.String("artifact", c.String()), slog.Any("error", err), slog.Duration("delay", again.next))
			if err := again.wait(ctx); err != nil {
				return "", err
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	return "", errors.Join(errs...)
}

// fetchArtifact copies to a directory of its own; the store is locked only while
// what has come is moved there. What is stored already, but for those blobs that
// are damaged, is not fetched again.
func (s *Store) fetchArtifact(ctx context.Context, from types.ImageReference, sys *types.SystemContext, name string, damaged ...string) (digest.Digest, error) {
	dir, err := s.tempLayout()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	s.lendBlobs(dir, damaged)
	to, err := layout.NewReference(dir, layoutName)
	if err != nil {
		return "", err
	}
	src := guarded{ImageReference: from, stall: s.opts.Stall}
	pc, err := s.judge(ctx, &src, sys)
	if err != nil {
		return "", simplify(err)
	}
	defer func() { _ = pc.Destroy() }()
	raw, err := copy.Image(ctx, pc, to, src, &copy.Options{
		SourceCtx: sys, DestinationCtx: sys, ReportWriter: s.opts.Progress, RemoveSignatures: true, PreserveDigests: true,
	})
	if err != nil {
		return "", simplify(err)
	}
	d, err := artifactDescriptor(raw, dir)
	if err != nil {
		return "", err
	}
	if err := flushBlobs(dir); err != nil {
		return "", err
	}
	return d.Digest, s.exclusive(ctx, func() error {
		x, err := s.artifactIndex()
		if err != nil {
			return err
		}
		if err := s.keepBlobs(dir); err != nil {
			return err
		}
		return s.nameArtifact(x, name, d)
	})
}

// lendBlobs puts links to the stored blobs into a layout, where the image
// library finds them. It is no error if it cannot.
func (s *Store) lendBlobs(dir string, but []string) {
	entries, _ := os.ReadDir(s.artifactBlobs())
	for _, e := range entries {
		if slices.Contains(but, e.Name()) {
			continue
		}
		_ = os.Link(filepath.Join(s.artifactBlobs(), e.Name()), filepath.Join(dir, imgspec.ImageBlobsDir, digest.SHA256.String(), e.Name()))
	}
}

// artifactDescriptor checks that a manifest is one that can be stored, and that
// the blobs in a layout are what it says.
func artifactDescriptor(raw []byte, dir string) (imgspec.Descriptor, error) {
	mime := manifest.GuessMIMEType(raw)
	if mime != imgspec.MediaTypeImageManifest {
		return imgspec.Descriptor{}, fmt.Errorf("%w: a manifest of type %q is no artifact", ErrInvalid, mime)
	}
	m, err := manifest.OCI1FromManifest(raw)
	if err != nil {
		return imgspec.Descriptor{}, fmt.Errorf("%w manifest: %w", ErrInvalid, err)
	}
	for _, b := range append(m.Layers, m.Config) {
		if err := b.Digest.Validate(); err != nil || b.Digest.Algorithm() != digest.SHA256 {
			return imgspec.Descriptor{}, fmt.Errorf("%w manifest: %.80q is no sha256 digest", ErrInvalid, b.Digest.String())
		}
		st, err := os.Lstat(filepath.Join(dir, imgspec.ImageBlobsDir, digest.SHA256.String(), b.Digest.Encoded()))
		if err != nil {
			return imgspec.Descriptor{}, fmt.Errorf("bug: %s was not stored: %w", b.Digest, err)
		}
		if st.Size() != b.Size {
			return imgspec.Descriptor{}, fmt.Errorf("%w manifest: %s has %d bytes, the manifest says %d", ErrInvalid, b.Digest, st.Size(), b.Size)
		}
	}
	return imgspec.Descriptor{MediaType: mime, ArtifactType: m.ArtifactType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}, nil
}

// PushArtifact writes the artifact ref to the registry that its name says, or
// to destination, and returns its digest, which is the same there.
func (s *Store) PushArtifact(ctx context.Context, ref, destination string, opts PushOptions) (digest.Digest, error) {
	a, err := s.Artifact(ref)
	if err != nil {
		return "", err
	}
	if destination == "" {
		destination = a.Name
	}
	to, err := pushTarget(destination)
	if err != nil {
		return "", err
	}
	if to.name == nil {
		return "", fmt.Errorf("push artifact to %s: %w: artifacts are pushed to registries", destination, ErrNotSupported)
	}
	j, err := s.newPush(ctx, to, opts)
	if err != nil {
		return "", err
	}
	from, err := layout.NewReference(s.artifacts(), a.Name)
	if err != nil {
		return "", fmt.Errorf("push artifact: %w", err)
	}
	_, err = s.tryPush(ctx, j, func() ([]byte, error) { return s.pushArtifactOnce(ctx, j, from) })
	if err != nil {
		err = to.explain("push", err)
		if reference.Domain(to.name) == "localhost" {
			err = hint.New(err, "names without registry are localhost/…; name the one to push to: burrow artifact push "+ref+" REGISTRY/NAME")
		}
		return "", err
	}
	return a.Digest, nil
}

func (s *Store) pushArtifactOnce(ctx context.Context, j *pushJob, from types.ImageReference) ([]byte, error) {
	ctx, dog := watch(ctx, patience*s.opts.Stall)
	defer dog.stop()
	pc, err := policyForSave()
	if err != nil {
		return nil, err
	}
	defer func() { _ = pc.Destroy() }()
	var moved atomic.Bool
	heard := func() {
		moved.Store(true)
		dog.timer.Reset(dog.stall)
	}
	m, err := copy.Image(ctx, pc, j.to.ImageReference, heardRef{from, heard}, &copy.Options{
		SourceCtx: j.sys, DestinationCtx: j.sys, ReportWriter: s.opts.Progress, RemoveSignatures: true, PreserveDigests: true,
		SignBySigstorePrivateKeyFile: j.opts.SigstoreKey, SignSigstorePrivateKeyPassphrase: j.opts.Passphrase,
	})
	return m, simplify(midway(dog.explain(err), moved.Load()))
}

// heardRef tells whenever something is read of what it refers to.
type heardRef struct {
	types.ImageReference
	tell func()
}

func (r heardRef) NewImageSource(ctx context.Context, sys *types.SystemContext) (types.ImageSource, error) {
	src, err := r.ImageReference.NewImageSource(ctx, sys)
	if err != nil {
		return nil, err
	}
	return heardSource{src, r.tell}, nil
}

type heardSource struct {
	types.ImageSource
	tell func()
}

func (h heardSource) GetBlob(ctx context.Context, info types.BlobInfo, cache types.BlobInfoCache) (io.ReadCloser, int64, error) {
	body, size, err := h.ImageSource.GetBlob(ctx, info, cache)
	if err != nil {
		return nil, 0, err
	}
	return &heard{body, h.tell}, size, nil
}
