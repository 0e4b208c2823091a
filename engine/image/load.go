package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	dockerarchive "go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/engine/image/unpack"
	"github.com/burrow-run/burrow/internal/hint"
)

// Loaded is one image that Load stored.
type Loaded struct {
	ID    string
	Names []string
}

// Load stores every image in the archive or directory at path.
func (s *Store) Load(ctx context.Context, path string) ([]Loaded, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("load image: %w", err)
	}
	if st.IsDir() {
		return s.loadDir(ctx, path)
	}
	loaded, err := s.loadDockerArchive(ctx, path)
	if !errors.Is(err, errOtherFormat) {
		return loaded, err
	}
	loaded, err = s.loadOCIArchive(ctx, path)
	if errors.Is(err, errOtherFormat) {
		return nil, hint.New(fmt.Errorf("%w: %s is %w", ErrInvalid, path, ErrNoArchive), "to make an image of a root file system: burrow import "+path+" NAME")
	}
	return loaded, err
}

// errOtherFormat means that a file is no archive of the format tried.
var errOtherFormat = errors.New("other format")

// Spool writes r to a temporary file on the store's file system, because
// archives are read out of order. The caller removes the file.
func (s *Store) Spool(ctx context.Context, r io.Reader) (string, error) {
	dir, err := s.temp()
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(dir, "spool-*")
	if err != nil {
		return "", fmt.Errorf("spool archive: %w", err)
	}
	_, err = io.Copy(f, readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	}))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", fmt.Errorf("spool archive: %w", err)
	}
	return f.Name(), nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func (s *Store) loadDockerArchive(ctx context.Context, path string) ([]Loaded, error) {
	sys, err := s.system()
	if err != nil {
		return nil, err
	}
	path, err = s.plainArchive(ctx, path)
	if err != nil {
		return nil, err
	}
	r, err := dockerarchive.NewReader(sys, path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errOtherFormat, err)
	}
	defer r.Close()
	images, err := r.List()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	in := layersIn(path)
	var loaded []Loaded
	for _, refs := range images {
		if len(refs) == 0 {
			continue
		}
		l := Loaded{Names: namesOf(refs)}
		if l.ID, err = s.fetchFrom(ctx, guarded{ImageReference: refs[0], stall: s.opts.Stall, inFile: in}, sys, l.Names); err != nil {
			return loaded, err
		}
		loaded = append(loaded, l)
	}
	return loaded, nil
}

// namesOf are the names that an archive gives to one image.
func namesOf(refs []types.ImageReference) []string {
	var names []string
	for _, ref := range refs {
		if named, ok := ref.DockerReference().(reference.NamedTagged); ok {
			names = append(names, named.String())
		}
	}
	return names
}

// plainArchive returns path, or for a compressed file the path of a temporary
// one that is not: the library would decompress any amount.
func (s *Store) plainArchive(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("load image: %w", err)
	}
	defer f.Close()
	var head [6]byte
	n, err := f.ReadAt(head[:], 0)
	if err != nil && !errors.Is(err, io.EOF) || !unpack.Compressed(head[:n]) {
		return path, nil // not a plain file, or nothing to do: the reader will see
	}
	tmp, err := s.temp()
	if err != nil {
		return "", err
	}
	dir, err := os.Open(tmp)
	if err != nil {
		return "", fmt.Errorf("load image: %w", err)
	}
	defer dir.Close()
	out, err := os.CreateTemp(tmp, "plain-*")
	if err != nil {
		return "", fmt.Errorf("load image: %w", err)
	}
	defer out.Close()
	if s.opts.Worker == "" {
		err = unpack.Plain(ctx, out, f, s.opts.Limits)
	} else {
		err = unpack.PlainInWorker(ctx, s.opts.Worker, dir, out, f, s.opts.Limits)
	}
	if err != nil {
		_ = os.Remove(out.Name())
		return "", fmt.Errorf("load %s: %w", path, err)
	}
	return out.Name(), nil
}
