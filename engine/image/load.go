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
	if st.Mode()&os.ModeNamedPipe != 0 { // of a device nobody knows where it ends
		spool, err := s.spoolFile(ctx, path)
		if err != nil {
			return nil, err
		}
		defer os.Remove(spool)
		loaded, err := s.loadFile(ctx, spool)
		if errors.Is(err, ErrNoArchive) {
			err = fmt.Errorf("%w: what %s gave is %w", ErrInvalid, path, ErrNoArchive)
		}
		return loaded, err
	}
	return s.loadFile(ctx, path)
}

func (s *Store) loadFile(ctx context.Context, path string) ([]Loaded, error) {
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
// archives are read out of order. The caller removes the file. Where ctx ends
// while r has nothing to give, the read that waits is left behind: it ends with
// the process, or when r is closed.
func (s *Store) Spool(ctx context.Context, r io.Reader) (string, error) {
	dir, err := s.temp()
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(dir, "spool-*")
	if err != nil {
		return "", fmt.Errorf("spool archive: %w", err)
	}
	err = obey(ctx, func() error {
		_, err := io.Copy(f, r)
		return err
	})
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", fmt.Errorf("spool archive: %w", err)
	}
	return f.Name(), nil
}

// spoolFile is Spool for a named pipe.
func (s *Store) spoolFile(ctx context.Context, path string) (string, error) {
	f, err := OpenFile(ctx, path)
	if err != nil {
		return "", fmt.Errorf("load image: %w", err)
	}
	defer f.Close()
	return s.Spool(ctx, f)
}

// OpenFile is os.Open for a name that a user gave: a named pipe that nobody writes to
// is waited for (fifo(7)), but no longer than ctx.
func OpenFile(ctx context.Context, path string) (*os.File, error) {
	var f *os.File
	err := obey(ctx, func() (err error) {
		f, err = os.Open(path)
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// obey returns what a call that cannot be interrupted returns, or how ctx ended,
// if that was first. The call may go on then.
func obey(ctx context.Context, call func() error) error {
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

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

// openArchive opens a file that is read more than once, and out of order.
func openArchive(path string) (*os.File, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	if st.IsDir() {
		return nil, hint.New(fmt.Errorf("%w: %s is a directory, not an archive", ErrInvalid, path), "burrow load -i "+path)
	}
	if !st.Mode().IsRegular() {
		err := fmt.Errorf("%w: %s is no regular file, and an archive is read more than once", ErrInvalid, path)
		if st.Mode()&os.ModeNamedPipe != 0 {
			err = hint.New(err, "burrow load -i "+path)
		}
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	return f, nil
}

// plainArchive returns path, or for a compressed file the path of a temporary
// one that is not: the library would decompress any amount.
func (s *Store) plainArchive(ctx context.Context, path string) (string, error) {
	f, err := openArchive(path)
	if err != nil {
		return "", err
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
