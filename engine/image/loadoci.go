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

func (s *Store) loadOCIArchive(ctx context.Context, path string) ([]Loaded, error) {
	dir, err := s.extract(ctx, path)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	return s.loadLayout(ctx, dir)
}

// extractLayout is extract for a file that is said to be an OCI archive.
func (s *Store) extractLayout(ctx context.Context, path string) (string, error) {
	dir, err := s.extract(ctx, path)
	if errors.Is(err, errOtherFormat) {
		err = fmt.Errorf("%w: %s is no OCI archive", ErrInvalid, path)
	}
	return dir, err
}

// extract unpacks an OCI layout's tar to a temporary directory, with our own
// code: it may come from anywhere. The caller removes the directory.
func (s *Store) extract(ctx context.Context, path string) (dir string, err error) {
	f, err := openArchive(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	tmp, err := s.temp()
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp(tmp, "oci-*"); err != nil {
		return "", fmt.Errorf("read OCI archive: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	root, err := os.Open(dir)
	if err != nil {
		return "", fmt.Errorf("read OCI archive: %w", err)
	}
	defer root.Close()
	_, err = s.unpack(ctx, root, f, unpack.Options{FilesOnly: true})
	if errors.Is(err, unpack.ErrInvalid) {
		err = fmt.Errorf("%w: %w", errOtherFormat, err)
	}
	if err == nil {
		if _, lerr := os.Lstat(filepath.Join(dir, imgspec.ImageLayoutFile)); lerr != nil {
			err = errOtherFormat
		}
	}
	return dir, err
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
	sys, err := s.system()
	if err != nil {
		return nil, err
	}
	id, err := s.fetch(ctx, ref, sys, nil)
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
	sys, err := s.system()
	if err != nil {
		return nil, err
	}
	var loaded []Loaded
	for i, img := range images {
		ref, err := layout.NewIndexReference(dir, i)
		if err != nil {
			return loaded, fmt.Errorf("load image: %w", err)
		}
		l := Loaded{Names: layoutNames(img.ManifestDescriptor.Annotations)}
		if l.ID, err = s.fetch(ctx, ref, sys, l.Names); err != nil {
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
