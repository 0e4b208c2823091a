package image

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	ociarchive "go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/internal/hint"
)

// PushOptions change where and how an image is written.
type PushOptions struct {
	Remote Remote

	// Format is the kind of manifest: "" for what the image has, "oci" or "v2s2".
	Format string
	// Compression of layers: "" for gzip where it is usual, "gzip", "zstd" or
	// "zstd:chunked".
	Compression string
	Level       *int // of compression; nil is the algorithm's own choice
	// ForceCompression refuses to reuse what is at the registry in another
	// compression.
	ForceCompression bool
	// CompressDir compresses the layers of dir:.
	CompressDir bool
	// SigstoreKey is the file of a private key to sign with, "" for none.
	SigstoreKey string
	Passphrase  []byte // of SigstoreKey

	Retries    int           // after the first try
	RetryDelay time.Duration // 0 means growing from 1 s

	// All pushes the whole of a list, not only its image for this machine.
	All bool
	// ListOnly pushes a list without its images, which the registry must have.
	ListOnly bool
	// Variants are compressions in which each image of a list is to be there
	// too, beside the one that it has.
	Variants []string
}

// Push writes the stored image ref to destination, "" for the registry that
// its name says, and returns the digest of the manifest there.
func (s *Store) Push(ctx context.Context, ref, destination string, opts PushOptions) (digest.Digest, error) {
	f, err := s.lookup(ref)
	if err != nil {
		return "", err
	}
	if isIndex(f.img) {
		one, err := s.ofPlatform(f)
		if opts.All || errors.Is(err, ErrNotFound) { // no image of it is here: as in Podman, all of it
			return s.PushIndex(ctx, ref, destination, opts)
		}
		if err != nil {
			return "", err
		}
		f = one
	}
	if destination == "" {
		if f.name == "" {
			return "", hint.New(fmt.Errorf("push %s: an ID does not say where to", ref), "burrow push "+ref+" REGISTRY/NAME[:TAG]")
		}
		destination = f.name
	}
	to, err := pushTarget(destination)
	if err != nil {
		return "", err
	}
	j, err := s.newPush(to, opts)
	if err != nil {
		return "", err
	}
	if j.from, err = s.source(f.img.ID); err != nil {
		return "", err
	}
	p, err := s.pushed(ctx, f.img, j.from, j.sys)
	if err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	m, err := s.tryPush(ctx, j, func() ([]byte, error) { return s.pushOnce(ctx, j, p) })
	if err != nil {
		to.undo()
		return "", to.explain(err)
	}
	if to.name != nil {
		if err := s.rememberBlobs(p.layers, m, to.name.Name(), false); err != nil {
			s.log.Warn("what was pushed is not remembered", slog.Any("error", err))
		}
	}
	return manifest.Digest(m)
}

// place is where an image is pushed to.
type place struct {
	types.ImageReference
	text string          // as given
	name reference.Named // at a registry, else nil
	path string          // elsewhere
	was  bool            // path was there before
}

// pushTarget reads a destination: TRANSPORT:REST, or a name at a registry.
func pushTarget(text string) (*place, error) {
	t := &place{text: text}
	transport, rest, _ := strings.Cut(text, ":")
	var err error
	switch {
	case transport == "dir":
		t.path = rest
		t.ImageReference, err = directory.NewReference(rest)
	case transport == "oci":
		t.path, _, _ = strings.Cut(rest, ":")
		t.ImageReference, err = layout.ParseReference(rest)
	case transport == "oci-archive":
		t.path, _, _ = strings.Cut(rest, ":")
		t.ImageReference, err = ociarchive.ParseReference(rest)
	case transport == "docker-archive":
		t.path, _, _ = strings.Cut(rest, ":")
		t.ImageReference, err = dockerarchive.ParseReference(rest)
	case isTransport(transport):
		return nil, fmt.Errorf("push %s: transport %q: %w", text, transport, ErrNotSupported)
	default:
		named, perr := reference.ParseNormalizedNamed(strings.TrimPrefix(text, "docker://"))
		if perr != nil {
			return nil, badName(text)
		}
		t.name = untag(named)
		t.ImageReference, err = docker.NewReference(t.name)
	}
	if err != nil {
		return nil, fmt.Errorf("push %s: %w", text, err)
	}
	if t.name == nil {
		_, serr := os.Lstat(t.path)
		t.was = serr == nil
	}
	return t, nil
}

// undo removes what a failed push has made.
func (t *place) undo() {
	if t.name == nil && !t.was {
		_ = os.RemoveAll(t.path)
	}
}

func (t *place) explain(err error) error {
	if t.name == nil {
		return fmt.Errorf("push %s: %w", t.text, err)
	}
	err = explain("push", t.name.String(), reference.Domain(t.name), err)
	if reference.Domain(t.name) == "localhost" && hint.Of(err) == "" {
		return hint.New(err, "names without registry are localhost/…; name the one to push to: burrow push IMAGE REGISTRY/NAME")
	}
	return err
}

// pushJob is one image on the way to one place.
type pushJob struct {
	from *stored
	to   *place
	sys  *types.SystemContext
	opts PushOptions
	mime string
}

func (s *Store) newPush(to *place, opts PushOptions) (*pushJob, error) {
	j := &pushJob{to: to, opts: opts}
	var err error
	if j.sys, err = s.remoteSystem(opts.Remote); err != nil {
		return nil, err
	}
	switch opts.Format {
	case "":
	case "oci":
		j.mime = imgspec.MediaTypeImageManifest
	case "v2s2":
		j.mime = manifest.DockerV2Schema2MediaType
	default:
		return nil, hint.New(fmt.Errorf("manifest format %q: %w", opts.Format, ErrNotSupported), "use --format oci or v2s2")
	}
	if opts.Compression != "" {
		a, err := compression.AlgorithmByName(opts.Compression)
		if err != nil || !knownCompression(a.Name()) {
			return nil, hint.New(fmt.Errorf("compression %q: %w", opts.Compression, ErrNotSupported), "use gzip, zstd or zstd:chunked")
		}
		j.sys.CompressionFormat = &a
	}
	j.sys.CompressionLevel = opts.Level
	j.sys.DirForceCompress = opts.CompressDir
	return j, nil
}

func knownCompression(name string) bool {
	return name == compression.Gzip.Name() || name == compression.Zstd.Name() || name == compression.ZstdChunked.Name()
}

// wanted is the compression that layers at the destination must have, "" for
// none in particular.
func (j *pushJob) wanted() string {
	if j.opts.ForceCompression {
		return j.opts.Compression
	}
	return ""
}

// tryPush pushes until it works, as often as the options say.
func (s *Store) tryPush(ctx context.Context, j *pushJob, once func() ([]byte, error)) ([]byte, error) {
	again := retry{left: j.opts.Retries, delay: j.opts.RetryDelay}
	for {
		m, err := once()
		if err == nil || !again.worth(err) {
			return m, err
		}
		s.log.Warn("push failed, trying again", slog.String("image", j.to.text), slog.Any("error", err), slog.Duration("delay", again.next))
		if err := again.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// patience is how many times longer than a source a destination may be silent:
// registries move whole layers before they answer.
const patience = 5

func (s *Store) pushOnce(ctx context.Context, j *pushJob, p *pushed) ([]byte, error) {
	ctx, dog := watch(ctx, patience*s.opts.Stall)
	defer dog.stop()
	j.from.heard = func() { dog.timer.Reset(dog.stall) }
	if j.to.name != nil {
		if err := s.reuse(ctx, j.from, j.to, j.sys, p, j.wanted(), j.mime == manifest.DockerV2Schema2MediaType); err != nil {
			return nil, simplify(dog.explain(err))
		}
	}
	pc, err := policyForSave()
	if err != nil {
		return nil, err
	}
	defer func() { _ = pc.Destroy() }()
	m, err := copy.Image(ctx, pc, j.to.ImageReference, j.from, &copy.Options{
		SourceCtx: j.sys, DestinationCtx: j.sys, ReportWriter: s.opts.Progress, RemoveSignatures: true,
		ForceManifestMIMEType: j.mime, ForceCompressionFormat: j.opts.ForceCompression,
		SignBySigstorePrivateKeyFile: j.opts.SigstoreKey, SignSigstorePrivateKeyPassphrase: j.opts.Passphrase,
	})
	return m, simplify(dog.explain(err))
}

// retry counts tries and the time between them.
type retry struct {
	left  int
	delay time.Duration // 0 means growing from 1 s
	next  time.Duration
}

func (r *retry) worth(err error) bool {
	if r.left <= 0 || !transient(err) {
		return false
	}
	r.left--
	switch {
	case r.delay > 0:
		r.next = r.delay
	case r.next == 0:
		r.next = time.Second
	default:
		r.next *= 2
	}
	return true
}

func (r *retry) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(r.next):
		return nil
	}
}
