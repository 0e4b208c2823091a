package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/directory"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	ociarchive "go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/internal/hint"
)

// Format is how Save writes images.
type Format string

// The formats, as in Podman.
const (
	FormatDockerArchive Format = "docker-archive"
	FormatOCIArchive    Format = "oci-archive"
	FormatOCIDir        Format = "oci-dir"
	FormatDockerDir     Format = "docker-dir"
)

// SaveOptions change how images are written.
type SaveOptions struct {
	Format   Format // "" means FormatDockerArchive
	Compress bool   // layers of FormatDockerDir
	// Uncompressed leaves the layers of the OCI formats as they are.
	Uncompressed bool
}

// Save writes images to path, a file or directory that the format decides.
// Only FormatDockerArchive takes several images.
func (s *Store) Save(ctx context.Context, refs []string, path string, opts SaveOptions) error {
	if opts.Format == "" {
		opts.Format = FormatDockerArchive
	}
	if len(refs) > 1 && opts.Format != FormatDockerArchive {
		return hint.New(fmt.Errorf("several images in one %s: %w", opts.Format, ErrNotSupported), "use --format docker-archive")
	}
	targets, err := s.saveTargets(refs)
	if err != nil {
		return err
	}
	switch opts.Format {
	case FormatDockerArchive:
		return s.saveDockerArchive(ctx, targets, path)
	case FormatOCIArchive:
		return s.saveOne(ctx, targets[0], opts, func(name string) (types.ImageReference, error) { return ociarchive.NewReference(path, name) })
	case FormatOCIDir:
		return s.saveOne(ctx, targets[0], opts, func(name string) (types.ImageReference, error) { return layout.NewReference(path, name) })
	case FormatDockerDir:
		return s.saveOne(ctx, targets[0], opts, func(string) (types.ImageReference, error) { return directory.NewReference(path) })
	}
	return fmt.Errorf("format %q: %w", string(opts.Format), ErrNotSupported)
}

// saved is one image to write and the names it gets there.
type saved struct {
	id    string
	in    *Store
	names []reference.NamedTagged
}

// saveTargets looks the images up. An image that is given by several names is
// written once, with those names; one given by ID has none.
func (s *Store) saveTargets(refs []string) ([]*saved, error) {
	var out []*saved
	byID := map[string]*saved{}
	for _, ref := range refs {
		f, err := s.lookupImage(ref)
		if err != nil {
			return nil, err
		}
		t := byID[f.img.ID]
		if t == nil {
			t = &saved{id: f.img.ID, in: f.in}
			byID[f.img.ID] = t
			out = append(out, t)
		}
		named, err := reference.ParseNormalizedNamed(f.name)
		if tagged, ok := named.(reference.NamedTagged); ok && err == nil {
			t.names = append(t.names, tagged)
		}
	}
	return out, nil
}

func (s *Store) saveDockerArchive(ctx context.Context, targets []*saved, path string) error {
	sys, err := s.system()
	if err != nil {
		return err
	}
	w, err := dockerarchive.NewWriter(sys, path)
	if err != nil {
		return fmt.Errorf("save image: %w", err)
	}
	for _, t := range targets {
		var first reference.NamedTagged
		sys := *sys
		if len(t.names) > 0 {
			first, sys.DockerArchiveAdditionalTags = t.names[0], t.names[1:]
		}
		to, err := w.NewReference(first)
		if err == nil {
			err = s.write(ctx, t, to, &sys, manifest.DockerV2Schema2MediaType)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("save image %.12s: %w", t.id, err), w.Close())
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("save image: %w", err)
	}
	return nil
}

func (s *Store) saveOne(ctx context.Context, t *saved, opts SaveOptions, ref func(string) (types.ImageReference, error)) error {
	name := ""
	if len(t.names) > 0 {
		name = t.names[0].String()
	}
	to, err := ref(name)
	if err != nil {
		return fmt.Errorf("save image %.12s: %w", t.id, err)
	}
	sys, err := s.system()
	if err != nil {
		return err
	}
	mime := "application/vnd.oci.image.manifest.v1+json"
	sys.OCIAcceptUncompressedLayers = opts.Uncompressed
	if opts.Format == FormatDockerDir {
		mime = manifest.DockerV2Schema2MediaType
		sys.DirForceCompress, sys.DirForceDecompress = opts.Compress, !opts.Compress
	}
	if err := s.write(ctx, t, to, sys, mime); err != nil {
		return fmt.Errorf("save image %.12s: %w", t.id, err)
	}
	return nil
}

func (s *Store) write(ctx context.Context, t *saved, to types.ImageReference, sys *types.SystemContext, mime string) error {
	from, err := t.in.source(t.id)
	if err != nil {
		return err
	}
	pc, err := policyForSave()
	if err != nil {
		return err
	}
	defer func() { _ = pc.Destroy() }()
	_, err = copy.Image(ctx, pc, to, from, &copy.Options{
		SourceCtx: sys, DestinationCtx: sys, ReportWriter: s.opts.Progress, RemoveSignatures: true, ForceManifestMIMEType: mime,
	})
	return err
}

// SaveFile runs write with a temporary file name beside path and renames the
// file when it is whole, so that nothing half-written ever has the name.
func SaveFile(path string, write func(tmp string) error) error {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".burrow-save-*")
	if err != nil {
		return fmt.Errorf("save image: %w", err)
	}
	defer os.RemoveAll(dir)
	tmp := filepath.Join(dir, "archive")
	if err := write(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("save image: %w", err)
	}
	return nil
}
