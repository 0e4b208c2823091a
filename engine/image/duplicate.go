package image

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/internal/hint"
)

// Selection says which images of a list are copied.
type Selection string

// The selections, as in Skopeo.
const (
	SelectSystem Selection = "system"     // the one for a platform
	SelectAll    Selection = "all"        // all, and the list
	SelectIndex  Selection = "index-only" // none, but the list
)

// CopyOptions change how an image gets from one place to another.
type CopyOptions struct {
	Source, Dest Remote
	Output

	Images            Selection // "" means SelectSystem
	OS, Arch, Variant string    // "" means this machine's
	RemoveSignatures  bool
	SourceBlobs       string // a directory with the blobs of several OCI layouts
	Parallel          uint   // blobs at a time; 0 is the image library's choice
	DecryptionKeys    []string

	Trust Trust

	Retries    int           // after the first try
	RetryDelay time.Duration // 0 means growing from 1 s
}

// Trust says by what an image is judged before it is copied.
type Trust struct {
	Policy     string // a file in place of the user's or the system's policy.json
	Accept     bool   // without any policy
	Registries string // a directory in place of registries.d
}

func (t Trust) apply(sys *types.SystemContext) {
	sys.SignaturePolicyPath, sys.RegistriesDirPath = t.Policy, t.Registries
}

// transfer is one copy.
type transfer struct {
	from, to           *place
	fromSys, toSys     *types.SystemContext
	opts               *CopyOptions
	mime               string
	policy             *signature.PolicyContext
	sign               *signer
	identity           reference.Named // to sign for, or nil
	crypt              *crypt
	optimizeForPresent bool // the destination probably has it already
}

// Copy writes the image at the place from to the place to, both with their
// transports, and returns the digest of the manifest there.
func (s *Store) Copy(ctx context.Context, from, to string, opts CopyOptions) (digest.Digest, error) {
	src, err := parsePlace(from)
	if err != nil {
		return "", placeError("source", from, err)
	}
	dst, err := parsePlace(to)
	if err == nil {
		err = dst.writable()
	}
	if err != nil {
		return "", placeError("destination", to, err)
	}
	return s.copyPlaces(ctx, src, dst, opts, false)
}

func placeError(which, text string, err error) error {
	if errors.Is(err, errNoTransport) {
		text = strings.TrimPrefix(text, "docker:")
		return hint.New(fmt.Errorf("%s %q: it does not say how to get there", which, text), "write docker://"+text+", or "+transportOwn+":"+text+" if it is a stored image")
	}
	return fmt.Errorf("%s %s: %w", which, text, err)
}

func (s *Store) copyPlaces(ctx context.Context, src, dst *place, opts CopyOptions, again bool) (digest.Digest, error) {
	switch {
	case dst.stored != "":
		return s.copyIn(ctx, src, dst, &opts)
	case src.stored != "":
		return s.copyOut(ctx, src, dst, &opts)
	}
	done, err := s.atHand(ctx, src)
	defer done()
	if err != nil {
		return "", fmt.Errorf("copy %s: %w", src.text, err)
	}
	t := &transfer{from: src, to: dst, opts: &opts, optimizeForPresent: again}
	if err := s.prepare(ctx, t); err != nil {
		return "", err
	}
	defer func() { _ = t.policy.Destroy() }()
	dst.look()
	m, err := s.tryCopy(ctx, t)
	if err == nil && t.sign != nil {
		err = t.sign.sign(ctx, m, t.toSys)
	}
	if err != nil {
		dst.undo()
		return "", t.explain(err)
	}
	return manifest.Digest(m)
}

// atDestination tells errors of the destination by the stages that the image
// library puts before them.
var atDestination = regexp.MustCompile(`^(copying image \S+ from manifest list: )?(initializing destination|trying to reuse blob|writing blob|writing manifest|writing signatures|uploading manifest|initiating layer upload|committing)[: ]`) //nolint:gochecknoglobals // constant

// explain advises on the side that an error is about.
func (t *transfer) explain(err error) error {
	side, which, text := t.from, "--src-", err.Error()
	if p, ok := errors.AsType[*plain](err); ok {
		text = p.err.Error()
	}
	if atDestination.MatchString(text) && !strings.Contains(text, "happened during read") {
		side, which = t.to, "--dest-"
	}
	registry := ""
	if side.name != nil {
		registry = reference.Domain(side.name)
	}
	err = explain("copy", t.from.text+" to "+t.to.text, registry, err)
	if h := hint.Of(err); strings.Contains(h, "--tls-verify") || strings.Contains(h, "--cert-dir") {
		err = hint.New(err, strings.NewReplacer("--tls-verify", which+"tls-verify", "--cert-dir", which+"cert-dir").Replace(h))
	}
	return err
}

func (s *Store) prepare(ctx context.Context, t *transfer) (err error) {
	if t.fromSys, err = s.remoteSystem(t.opts.Source); err != nil {
		return err
	}
	if t.toSys, err = s.remoteSystem(t.opts.Dest); err != nil {
		return err
	}
	for _, sys := range []*types.SystemContext{t.fromSys, t.toSys} {
		t.opts.Trust.apply(sys)
		sys.OSChoice, sys.ArchitectureChoice, sys.VariantChoice = t.opts.OS, t.opts.Arch, t.opts.Variant
	}
	t.fromSys.OCISharedBlobDirPath = t.opts.SourceBlobs
	if err := t.opts.suits(t.to); err != nil {
		return err
	}
	if t.mime, err = t.opts.apply(t.toSys); err != nil {
		return err
	}
	if t.identity, err = t.opts.identity(); err != nil {
		return err
	}
	if t.crypt, err = newCrypt(t.opts.EncryptionKeys, t.opts.EncryptLayers, t.opts.DecryptionKeys); err != nil {
		return err
	}
	if t.sign, err = s.signer(ctx, t.to, t.toSys, &t.opts.Signing); err != nil {
		return err
	}
	if t.opts.Trust.Accept {
		t.policy, err = policyForSave()
		return err
	}
	p, err := policy(t.fromSys)
	if err != nil {
		return err
	}
	t.policy, err = signature.NewPolicyContext(p)
	return err
}

// tryCopy copies until it works, as often as the options say.
func (s *Store) tryCopy(ctx context.Context, t *transfer) ([]byte, error) {
	again := retry{left: t.opts.Retries, delay: t.opts.RetryDelay}
	for {
		m, err := s.copyOnce(ctx, t)
		if err == nil || !again.worth(err) {
			return m, err
		}
		t.to.undo() // dir: does not take what an earlier try has left
		s.log.Warn("copy failed, trying again", slog.String("from", t.from.text), slog.String("to", t.to.text), slog.Any("error", err), slog.Duration("delay", again.next))
		if err := again.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// copyOnce copies. The source is not
// guarded: the image library sees sigstore's signatures, which are to be copied
// too, of its own sources only. So layers elsewhere are refused here, and
// silence is seen by the progress that the library reports.
func (s *Store) copyOnce(ctx context.Context, t *transfer) ([]byte, error) {
	ctx, dog := watch(ctx, patience*s.opts.Stall)
	defer dog.stop()
	if t.from.name != nil && (t.to.transport == "dir" || t.to.transport == transportArchive || t.to.transport == "docker-daemon") {
		if err := s.refuseForeign(ctx, t); err != nil {
			return nil, simplify(dog.explain(err))
		}
	}
	progress, stop := make(chan types.ProgressProperties), make(chan struct{})
	heard := make(chan bool)
	go func() {
		some := false
		for {
			select {
			case <-progress:
				some = true
				dog.timer.Reset(dog.stall)
			case <-stop:
				heard <- some
				return
			}
		}
	}()
	selection := map[Selection]copy.ImageListSelection{
		"": copy.CopySystemImage, SelectSystem: copy.CopySystemImage, SelectAll: copy.CopyAllImages, SelectIndex: copy.CopySpecificImages,
	}
	m, err := copy.Image(ctx, t.policy, t.to.ImageReference, t.from.ImageReference, &copy.Options{
		SourceCtx: t.fromSys, DestinationCtx: t.toSys, ReportWriter: s.opts.Progress,
		RemoveSignatures: t.opts.RemoveSignatures, ImageListSelection: selection[t.opts.Images],
		PreserveDigests: t.opts.PreserveDigests, ForceManifestMIMEType: t.mime, ForceCompressionFormat: t.opts.ForceCompression,
		SignBySigstorePrivateKeyFile: t.opts.SigstoreKey, SignSigstorePrivateKeyPassphrase: t.opts.Passphrase, SignIdentity: t.identity,
		OciEncryptConfig: t.crypt.encrypt, OciEncryptLayers: t.crypt.layers, OciDecryptConfig: t.crypt.decrypt,
		MaxParallelDownloads: t.opts.Parallel, OptimizeDestinationImageAlreadyExists: t.optimizeForPresent,
		Progress: progress, ProgressInterval: min(time.Second, s.opts.Stall),
	})
	close(stop)
	return m, simplify(midway(dog.explain(err), <-heard))
}
