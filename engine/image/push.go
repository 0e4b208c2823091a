package image

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/internal/hint"
)

// PushOptions change where and how an image is written.
type PushOptions struct {
	Remote Remote
	Output
	Parallel uint // blobs at a time; 0 is the image library's choice

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
	j, err := s.newPush(ctx, to, opts)
	if err != nil {
		return "", err
	}
	if j.from, err = f.in.source(f.img.ID); err != nil {
		return "", err
	}
	p, err := f.in.pushed(ctx, f.img, j.from, j.sys)
	if err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	m, err := s.tryPush(ctx, j, func() ([]byte, error) { return s.pushOnce(ctx, j, p) })
	if err != nil {
		to.undo()
		return "", to.explain("push", err)
	}
	if to.name != nil && f.in == s { // of others' layers nothing is kept
		if err := s.rememberBlobs(p.layers, m, to.name.Name(), nil); err != nil {
			s.log.Warn("what was pushed is not remembered", slog.Any("error", err))
		}
	}
	return manifest.Digest(m)
}

// pushJob is one image on the way to one place.
type pushJob struct {
	from *stored
	to   *place
	sys  *types.SystemContext
	opts PushOptions
	mime string

	identity reference.Named // to sign for, or nil
	crypt    *crypt
	sign     *signer // or nil
}

func (s *Store) newPush(ctx context.Context, to *place, opts PushOptions) (*pushJob, error) {
	j := &pushJob{to: to, opts: opts}
	var err error
	if j.sys, err = s.remoteSystem(opts.Remote); err != nil {
		return nil, err
	}
	if err := opts.suits(to); err != nil {
		return nil, err
	}
	if j.mime, err = opts.apply(j.sys); err != nil {
		return nil, err
	}
	if j.identity, err = opts.identity(); err != nil {
		return nil, err
	}
	if j.crypt, err = newCrypt(opts.EncryptionKeys, opts.EncryptLayers, nil); err != nil {
		return nil, err
	}
	j.sign, err = s.signer(ctx, to, j.sys, &opts.Signing)
	return j, err
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
		if err == nil && j.sign != nil {
			err = j.sign.sign(ctx, m, j.sys)
		}
		if err == nil || !again.worth(err) {
			return m, err
		}
		j.to.undo() // dir: does not take what an earlier try has left
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
	var moved atomic.Bool
	j.from.heard = func() {
		moved.Store(true)
		dog.timer.Reset(dog.stall)
	}
	if j.to.name != nil && j.crypt.encrypt == nil {
		if err := s.reuse(ctx, j.from, j.to, j.sys, p, j.wanted(), j.mime == manifest.DockerV2Schema2MediaType); err != nil {
			return nil, simplify(dog.explain(err))
		}
		moved.Store(true)
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
		MaxParallelDownloads: j.opts.Parallel, SignIdentity: j.identity, PreserveDigests: j.opts.PreserveDigests,
		OciEncryptConfig: j.crypt.encrypt, OciEncryptLayers: j.crypt.layers,
	})
	return m, simplify(midway(dog.explain(err), moved.Load()))
}

// retry counts tries and the time between them.
type retry struct {
	left    int
	delay   time.Duration // 0 means growing from 1 s
	next    time.Duration
	renewed bool
}

func (r *retry) worth(err error) bool {
	if e := (*expired)(nil); errors.As(err, &e) && !r.renewed {
		r.renewed, r.next = true, 0
		return true
	}
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
