package image

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/burrow-run/burrow/engine/artifact"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// ExtractArtifact writes the files of the artifact ref to the directory target,
// or one file to target, which then is its name.
func (s *Store) ExtractArtifact(ctx context.Context, ref, target string, which artifact.Choice) error {
	a, err := s.Artifact(ref)
	if err != nil {
		return err
	}
	files := a.files()
	chosen, err := which.Choose(a.Name, files)
	if err != nil {
		return err
	}
	layers := make([]imgspec.Descriptor, len(chosen))
	for i, at := range chosen {
		layers[i], files[i] = a.Manifest.Layers[at], files[at]
	}
	st, err := os.Stat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !st.IsDir():
		if len(layers) > 1 {
			return hint.New(fmt.Errorf("the artifact has %d files, and %s is no directory", len(layers), target), "give a directory that exists, or choose a file with --title or --digest")
		}
		return s.extractOne(ctx, a, &layers[0], target, st)
	case err != nil:
		return fmt.Errorf("extract artifact: %w", err)
	}
	names, err := which.Names(files[:len(layers)])
	if err != nil {
		return fmt.Errorf("extract artifact %s: %w", a.Name, err)
	}
	return s.extractTo(ctx, a, target, layers, names)
}

// files are what the manifest has as layers.
func (a *Artifact) files() []artifact.File {
	out := make([]artifact.File, len(a.Manifest.Layers))
	for i, l := range a.Manifest.Layers {
		out[i] = artifact.File{Digest: l.Digest.String(), Title: l.Annotations[imgspec.AnnotationTitle], Size: l.Size}
	}
	return out
}

// extractTo writes files without a name first and names them when all are whole:
// nothing is left if it is killed. In the place of a link comes the file, not
// where it leads.
func (s *Store) extractTo(ctx context.Context, a *Artifact, target string, layers []imgspec.Descriptor, names []string) error {
	dir, err := os.OpenRoot(target)
	if err != nil {
		return fmt.Errorf("extract artifact: %w", err)
	}
	defer dir.Close()
	out := make([]*unnamed, 0, len(layers))
	defer func() {
		for _, d := range out {
			d.discard()
		}
	}()
	for i := range layers {
		d, err := newUnnamed(dir)
		if err != nil {
			return fmt.Errorf("extract artifact: %w", err)
		}
		out = append(out, d)
		if err := s.writeBlob(ctx, a, &layers[i], d.File); err != nil {
			return err
		}
	}
	for i, name := range names {
		if err := out[i].publish(name); err != nil {
			return fmt.Errorf("extract artifact: %w", err)
		}
	}
	return nil
}

// unnamed is a file that is being written for a directory of the user's.
type unnamed struct {
	*os.File
	dir  *os.Root
	name string // "" while it has none
}

// newUnnamed makes one without a name or, where the file system knows no such
// files, with a name that nobody else has.
func newUnnamed(dir *os.Root) (*unnamed, error) {
	at, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer at.Close()
	f, err := sys.UnnamedFile(at, 0o644)
	if !errors.Is(err, errors.ErrUnsupported) {
		return &unnamed{File: f, dir: dir}, err
	}
	return newNamed(dir)
}

func newNamed(dir *os.Root) (*unnamed, error) {
	name := passingName()
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	return &unnamed{f, dir, name}, err
}

func passingName() string { return ".burrow-artifact-" + rand.Text() }

// publish gives it its name, in the place of what has that. The name in between
// is there for the time of two system calls.
func (d *unnamed) publish(name string) error {
	if d.name == "" {
		at, err := d.dir.Open(".")
		if err != nil {
			return err
		}
		defer at.Close()
		if err := sys.NameFile(d.File, at, name); !errors.Is(err, fs.ErrExist) {
			return err
		}
		between := passingName()
		if err := sys.NameFile(d.File, at, between); err != nil {
			return err
		}
		d.name = between
	}
	if err := d.dir.Rename(d.name, name); err != nil {
		return err
	}
	d.name = ""
	return nil
}

func (d *unnamed) discard() {
	if d.name != "" {
		_ = d.dir.Remove(d.name)
	}
	_ = d.Close()
}

// extractOne writes a file to target, in the place of the file st, if there is
// one. What is no regular file, a pipe or a terminal, is written to.
func (s *Store) extractOne(ctx context.Context, a *Artifact, l *imgspec.Descriptor, target string, st fs.FileInfo) error {
	if st == nil || st.Mode().IsRegular() {
		if to, err := filepath.EvalSymlinks(target); err == nil {
			target = to
		}
		return s.extractTo(ctx, a, filepath.Dir(target), []imgspec.Descriptor{*l}, []string{filepath.Base(target)})
	}
	out, err := os.OpenFile(target, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("extract artifact: %w", err)
	}
	err = s.writeBlob(ctx, a, l, out)
	return errors.Join(err, out.Close())
}

// writeBlob writes what is stored, if it still is what it was.
func (s *Store) writeBlob(ctx context.Context, a *Artifact, l *imgspec.Descriptor, out io.Writer) error {
	in, err := os.Open(filepath.Join(s.artifactBlobs(), l.Digest.Encoded()))
	if err != nil {
		return fmt.Errorf("extract artifact: %w", err)
	}
	defer in.Close()
	sum := digest.SHA256.Digester()
	if _, err := io.Copy(io.MultiWriter(out, sum.Hash()), stoppable{ctx, in}); err != nil {
		return fmt.Errorf("extract artifact: %w", err)
	}
	if sum.Digest() != l.Digest {
		return hint.New(fmt.Errorf("artifact %s is damaged: %s is %s", a.Name, l.Digest, sum.Digest()), "burrow artifact rm "+a.Name+", and pull it again")
	}
	return nil
}
