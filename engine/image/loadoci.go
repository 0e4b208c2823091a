package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/oci/layout"

	"github.com/burrow-run/burrow/engine/image/unpack"
)

// annotationName is where containerd and Docker put a full image name.
const annotationName = "io.containerd.image.name"

// loadOCIArchive unpacks an OCI layout's tar with our own code: it may come
// from anywhere.
func (s *Store) loadOCIArchive(ctx context.Context, path string) ([]Loaded, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("load image: %w", err)
	}
	defer f.Close()
	dir, err := os.MkdirTemp(s.scratch(), "oci-*")
	if err != nil {
		return nil, fmt.Errorf("load image: %w", err)
	}
	defer os.RemoveAll(dir)
	root, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("load image: %w", err)
	}
	defer root.Close()
	if _, err := unpack.Unpack(ctx, root, f, unpack.Options{Limits: s.opts.Limits, FilesOnly: true}); err != nil {
		if errors.Is(err, unpack.ErrInvalid) {
			return nil, fmt.Errorf("%w: %w", errOtherFormat, err)
		}
		return nil, err
	}
	if _, err := os.Lstat(filepath.Join(dir, imgspec.ImageLayoutFile)); err != nil {
		return nil, errOtherFormat
	}
	return s.loadLayout(ctx, dir)
}

// loadDir loads an OCI layout or a directory as `dir:` writes it.
func (s *Store) loadDir(ctx context.Context, path string) ([]Loaded, error) {
	if _, err := os.Stat(filepath.Join(path, imgspec.ImageLayoutFile)); err == nil {
		return s.loadLayout(ctx, path)
	}
	if _, err := os.Stat(filepath.Join(path, "manifest.json")); err != nil {
		return nil, fmt.Errorf("%w: %s is neither an OCI layout nor an image directory", ErrInvalid, path)
	}
	ref, err := directory.NewReference(path)
	if err != nil {
		return nil, fmt.Errorf("load image: %w", err)
	}
	id, err := s.fetch(ctx, ref, s.system(), nil)
	if err != nil {
		return nil, err
	}
	return []Loaded{{ID: id}}, nil
}

func (s *Store) loadLayout(ctx context.Context, dir string) ([]Loaded, error) {
	images, err := layout.List(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: read OCI layout: %w", ErrInvalid, err)
	}
	if len(images) == 0 {
		return nil, fmt.Errorf("%w: the OCI layout holds no image", ErrInvalid)
	}
	var loaded []Loaded
	for i, img := range images {
		ref, err := layout.NewIndexReference(dir, i)
		if err != nil {
			return loaded, fmt.Errorf("load image: %w", err)
		}
		l := Loaded{Names: layoutNames(img.ManifestDescriptor.Annotations)}
		if l.ID, err = s.fetch(ctx, ref, s.system(), l.Names); err != nil {
			return loaded, err
		}
		loaded = append(loaded, l)
	}
	return loaded, nil
}

// layoutNames is the name that a layout's index gives an image. It is only a
// label: what is no valid name is ignored.
func layoutNames(annotations map[string]string) []string {
	name := annotations[annotationName]
	if name == "" {
		name = annotations[imgspec.AnnotationRefName]
	}
	if full, err := fullName(name); name != "" && err == nil {
		return []string{full}
	}
	return nil
}
