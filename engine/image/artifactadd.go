package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"os"
	"path/filepath"
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

// ArtifactOptions say what an artifact is made like.
type ArtifactOptions struct {
	Type     string // of the artifact; "" for unknownArtifact
	FileType string // of each file; "" to guess from its first bytes
	// Annotations of each file and, when the artifact is new, of it too.
	Annotations map[string]string
	Append      bool // to one that is there
	Replace     bool // one that may be there
}

// unknownArtifact is the type of artifacts without any: the specification wants
// one where there is no configuration (image-spec v1.1, manifest.md).
const unknownArtifact = "application/vnd.unknown.artifact.v1"

func (o *ArtifactOptions) validate() error {
	switch {
	case o.Append && o.Replace:
		return errors.New("append to an artifact, or replace it: not both")
	case o.Append && o.Type != "":
		return errors.New("the type of an artifact that is there cannot be changed")
	}
	for _, t := range []string{o.Type, o.FileType} {
		if parsed, _, err := mime.ParseMediaType(t); t != "" && (err != nil || !strings.Contains(parsed, "/")) {
			return fmt.Errorf("%q is no media type: use one like text/plain", t)
		}
	}
	return nil
}

// AddArtifact makes an artifact of files, or appends them to one, and returns
// its digest.
func (s *Store) AddArtifact(ctx context.Context, name string, files []string, opts ArtifactOptions) (digest.Digest, error) {
	if err := opts.validate(); err != nil {
		return "", err
	}
	name, err := fullName(name)
	if err != nil {
		return "", err
	}
	if err := s.mayAdd(name, opts); err != nil {
		return "", err // before anything is copied
	}
	dir, err := s.tempLayout()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	var layers []imgspec.Descriptor
	for _, file := range files {
		l, err := addFile(ctx, dir, file, opts)
		if err != nil {
			return "", fmt.Errorf("add %s: %w", file, err)
		}
		layers = append(layers, l)
	}
	if err := flushBlobs(dir); err != nil {
		return "", err
	}
	var d imgspec.Descriptor
	err = s.exclusive(ctx, func() error {
		x, err := s.artifactIndex()
		if err != nil {
			return err
		}
		m, err := s.artifactManifest(x, name, opts)
		if err != nil {
			return err
		}
		for _, l := range layers {
			if err := appendLayer(m, l); err != nil {
				return err
			}
		}
		if d, err = writeArtifact(dir, m); err != nil {
			return err
		}
		if err := s.keepBlobs(dir); err != nil {
			return err
		}
		return s.nameArtifact(x, name, d)
	})
	return d.Digest, err
}

func (s *Store) mayAdd(name string, opts ArtifactOptions) error {
	x, err := s.artifactIndex()
	if err != nil {
		return err
	}
	_, err = s.artifactManifest(x, name, opts)
	return err
}

// artifactManifest is what files are added to: a new one, or that of name.
func (s *Store) artifactManifest(x *imgspec.Index, name string, opts ArtifactOptions) (*imgspec.Manifest, error) {
	found, err := findArtifact(x, name)
	switch {
	case opts.Append && err != nil:
		return nil, err
	case opts.Append:
		a, err := s.readArtifact(*found)
		if err != nil {
			return nil, err
		}
		return &a.Manifest, nil
	case err == nil && !opts.Replace:
		return nil, hint.New(fmt.Errorf("the artifact %s exists", name), "use --append or --replace")
	case err != nil && !errors.Is(err, ErrNoArtifact):
		return nil, err
	}
	m := &imgspec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspec.MediaTypeImageManifest,
		ArtifactType: opts.Type, Config: imgspec.DescriptorEmptyJSON, Layers: []imgspec.Descriptor{},
		Annotations: map[string]string{imgspec.AnnotationCreated: time.Now().UTC().Format(time.RFC3339Nano)},
	}
	if m.ArtifactType == "" {
		m.ArtifactType = unknownArtifact
	}
	maps.Copy(m.Annotations, opts.Annotations)
	return m, nil
}

// appendLayer refuses two files of one name: who extracts them would get one.
func appendLayer(m *imgspec.Manifest, l imgspec.Descriptor) error {
	title := l.Annotations[imgspec.AnnotationTitle]
	for _, have := range m.Layers {
		if have.Annotations[imgspec.AnnotationTitle] == title {
			return fmt.Errorf("the artifact has a file %q already", title)
		}
	}
	m.Layers = append(m.Layers, l)
	return nil
}

// tempLayout is a new directory for blobs.
func (s *Store) tempLayout() (string, error) {
	tmp, err := s.temp()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(tmp, "artifact-*")
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, imgspec.ImageBlobsDir, digest.SHA256.String()), 0o700)
	}
	if err != nil {
		return "", fmt.Errorf("make temporary directory: %w", err)
	}
	return dir, nil
}

// addFile copies a file to the blobs of a layout.
func addFile(ctx context.Context, layout, file string, opts ArtifactOptions) (imgspec.Descriptor, error) {
	l := imgspec.Descriptor{MediaType: opts.FileType, Annotations: map[string]string{imgspec.AnnotationTitle: filepath.Base(file)}}
	maps.Copy(l.Annotations, opts.Annotations)
	if err := artifact.CheckName(l.Annotations[imgspec.AnnotationTitle]); err != nil {
		return l, err
	}
	in, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return l, plainPath(err)
	}
	defer in.Close()
	if st, err := in.Stat(); err != nil || !st.Mode().IsRegular() {
		return l, errors.Join(err, errors.New("it is no regular file"))
	}
	if l.MediaType == "" {
		start := make([]byte, 512)
		n, err := io.ReadFull(in, start)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return l, plainPath(err)
		}
		if _, err := in.Seek(0, io.SeekStart); err != nil {
			return l, plainPath(err)
		}
		l.MediaType = http.DetectContentType(start[:n])
	}
	l.Digest, l.Size, err = copyBlob(ctx, layout, in)
	return l, err
}

// plainPath is err without the path, which whoever reports it names.
func plainPath(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// copyBlob writes what it reads to the blobs of a layout, under its digest.
func copyBlob(ctx context.Context, layout string, in io.Reader) (digest.Digest, int64, error) {
	dir := filepath.Join(layout, imgspec.ImageBlobsDir, digest.SHA256.String())
	out, err := os.CreateTemp(layout, "blob-*")
	if err != nil {
		return "", 0, err
	}
	sum := digest.SHA256.Digester()
	n, err := io.Copy(io.MultiWriter(out, sum.Hash()), stoppable{ctx, in})
	if err == nil {
		err = out.Chmod(0o644) // it may be mounted for those who are not its owner
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return "", 0, err
	}
	return sum.Digest(), n, os.Rename(out.Name(), filepath.Join(dir, sum.Digest().Encoded()))
}

// stoppable ends with its context.
type stoppable struct {
	ctx context.Context //nolint:containedctx // a reader has no other way
	in  io.Reader
}

func (s stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.in.Read(p)
}

// writeArtifact writes the manifest m, and the empty configuration, to the
// blobs of a layout.
func writeArtifact(layout string, m *imgspec.Manifest) (imgspec.Descriptor, error) {
	raw, err := json.Marshal(m)
	if err != nil {
		return imgspec.Descriptor{}, fmt.Errorf("bug: encode artifact: %w", err)
	}
	if len(raw) > maxManifest {
		return imgspec.Descriptor{}, fmt.Errorf("%w: the artifact's manifest has %d bytes, more than %d", ErrInvalid, len(raw), maxManifest)
	}
	d := imgspec.Descriptor{MediaType: imgspec.MediaTypeImageManifest, ArtifactType: m.ArtifactType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	blobs := map[digest.Digest][]byte{d.Digest: raw}
	if m.Config.Digest == imgspec.DescriptorEmptyJSON.Digest {
		blobs[m.Config.Digest] = imgspec.DescriptorEmptyJSON.Data
	}
	for name, data := range blobs {
		path := filepath.Join(layout, imgspec.ImageBlobsDir, digest.SHA256.String(), name.Encoded())
		if err := sys.ReplaceFile(path+".new", path, data, true); err != nil {
			return d, fmt.Errorf("store artifact: %w", err)
		}
	}
	return d, nil
}
