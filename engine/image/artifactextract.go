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
	"strings"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/burrow-run/burrow/internal/hint"
)

// ExtractOptions choose one file of an artifact. At most one is set.
type ExtractOptions struct {
	Digest, Title string
}

// ExtractArtifact writes the files of the artifact ref to the directory target,
// or one file to target, which then is its name.
func (s *Store) ExtractArtifact(ctx context.Context, ref, target string, opts ExtractOptions) error {
	if opts.Digest != "" && opts.Title != "" {
		return errors.New("give a digest or a title, not both")
	}
	a, err := s.Artifact(ref)
	if err != nil {
		return err
	}
	layers, err := a.choose(opts)
	if err != nil {
		return err
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
	names := make([]string, len(layers))
	seen := map[string]bool{}
	for i, l := range layers {
		names[i] = l.Annotations[imgspec.AnnotationTitle]
		if names[i] == "" || opts.Digest != "" {
			names[i] = strings.ReplaceAll(l.Digest.String(), ":", "-")
		}
		if err := validTitle(names[i]); err != nil {
			return fmt.Errorf("extract artifact %s: %w", a.Name, err)
		}
		if seen[names[i]] {
			return hint.New(fmt.Errorf("the artifact has two files %q", names[i]), "choose one with --digest")
		}
		seen[names[i]] = true
	}
	return s.extractTo(ctx, a, target, layers, names)
}

// choose returns the files that opts mean.
func (a *Artifact) choose(opts ExtractOptions) ([]imgspec.Descriptor, error) {
	if len(a.Manifest.Layers) == 0 {
		return nil, fmt.Errorf("the artifact %s has no files", a.Name)
	}
	if opts == (ExtractOptions{}) {
		return a.Manifest.Layers, nil
	}
	var out []imgspec.Descriptor
	for _, l := range a.Manifest.Layers {
		if opts.Digest == l.Digest.String() || opts.Title != "" && opts.Title == l.Annotations[imgspec.AnnotationTitle] {
			out = append(out, l)
		}
	}
	what := "the title " + opts.Title
	if opts.Digest != "" {
		what = "the digest " + opts.Digest
	}
	switch {
	case len(out) == 0:
		return nil, hint.New(fmt.Errorf("the artifact %s has no file with %s", a.Name, what), "burrow artifact inspect "+a.Name)
	case len(out) > 1 && opts.Title != "":
		return nil, hint.New(fmt.Errorf("the artifact %s has %d files with %s", a.Name, len(out), what), "choose one with --digest")
	}
	return out[:1], nil
}

// validTitle refuses names that are no plain file's: whoever made the artifact
// does not choose where in the file system it goes.
func validTitle(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > 255 || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%w: %q is no name for a file", ErrInvalid, name)
	}
	return nil
}

// extractTo writes files under other names first and renames them when all are
// whole. In the place of a link comes the file, not where it leads.
func (s *Store) extractTo(ctx context.Context, a *Artifact, target string, layers []imgspec.Descriptor, names []string) error {
	dir, err := os.OpenRoot(target)
	if err != nil {
		return fmt.Errorf("extract artifact: %w", err)
	}
	defer dir.Close()
	tmp := make([]string, 0, len(layers))
	defer func() {
		for _, t := range tmp {
			_ = dir.Remove(t)
		}
	}()
	for i := range layers {
		t := ".burrow-artifact-" + rand.Text()
		out, err := dir.OpenFile(t, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return fmt.Errorf("extract artifact: %w", err)
		}
		tmp = append(tmp, t)
		err = s.writeBlob(ctx, a, &layers[i], out)
		if err = errors.Join(err, out.Close()); err != nil {
			return err
		}
	}
	for i, name := range names {
		if err := dir.Rename(tmp[i], name); err != nil {
			return fmt.Errorf("extract artifact: %w", err)
		}
	}
	return nil
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
