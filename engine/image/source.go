package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	cryptconfig "github.com/containers/ocicrypt/config"
	digest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"
)

// maxManifest is what registries take too.
const maxManifest = 4 << 20

// defaultStall is how long a source may deliver nothing before it is given up.
const defaultStall = 60 * time.Second

// guarded wraps where an image comes from. It looks at manifests before the
// image library does, drops what they say about other places to fetch layers
// from, and gives up a source that has gone silent.
type guarded struct {
	types.ImageReference
	stall time.Duration
	// only, if set, are the digests of the manifests that may come.
	only []digest.Digest
	// passed, if set, is told that the manifest has come.
	passed *atomic.Bool
	// decrypt is how layers are decrypted, nil is not at all.
	decrypt *cryptconfig.DecryptConfig
	// partials, if set, are the layers that come in parts.
	partials *partials
	// inFile, if set, says where in a file layers are.
	inFile *inFile
}

func (g guarded) NewImageSource(ctx context.Context, sys *types.SystemContext) (types.ImageSource, error) {
	ctx, dog := watch(ctx, g.stall)
	src, err := g.ImageReference.NewImageSource(ctx, sys)
	dog.timer.Stop() // the source may keep the context
	if err != nil {
		return nil, dog.explain(err)
	}
	out := &guardedSource{ImageSource: src, stall: g.stall, only: g.only, passed: g.passed, partials: g.partials}
	g.partials.from(out)
	return out, nil
}

type guardedSource struct {
	types.ImageSource
	stall    time.Duration
	only     []digest.Digest
	passed   *atomic.Bool
	partials *partials

	manifest []byte  // of an image, not of a list: the last that has come
	ranger   *ranger // once a layer may come in parts; see partials.ranger
}

// GetManifest refuses documents that two readers could take for two things
// (CVE-2021-41190).
func (g *guardedSource) GetManifest(ctx context.Context, instance *digest.Digest) ([]byte, string, error) {
	ctx, dog := watch(ctx, g.stall)
	defer dog.stop()
	b, mime, err := g.ImageSource.GetManifest(ctx, instance)
	if err != nil {
		return nil, "", dog.explain(err)
	}
	if g.passed != nil {
		g.passed.Store(true)
	}
	if g.only != nil {
		if d, err := manifest.Digest(b); err != nil || !slices.Contains(g.only, d) {
			return nil, "", fmt.Errorf("%w manifest: it is not the one whose signature was checked", ErrInvalid)
		}
	}
	err = checkManifest(b, mime)
	if err == nil && !manifest.MIMETypeIsMultiImage(mime) {
		g.manifest = b
	}
	return b, mime, err
}

func checkManifest(b []byte, mime string) error {
	if len(b) > maxManifest {
		return fmt.Errorf("%w manifest: %d bytes, more than %d", ErrInvalid, len(b), maxManifest)
	}
	if err := checkJSON(b); err != nil {
		return fmt.Errorf("%w manifest: %w", ErrInvalid, err)
	}
	var m struct {
		MediaType string          `json:"mediaType"`
		Manifests json.RawMessage `json:"manifests"`
		Layers    json.RawMessage `json:"layers"`
		FSLayers  json.RawMessage `json:"fsLayers"`
		Config    json.RawMessage `json:"config"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("%w manifest: %w", ErrInvalid, err)
	}
	if m.Manifests != nil && (m.Layers != nil || m.Config != nil || m.FSLayers != nil) {
		return fmt.Errorf("%w manifest: it is a list and an image at once", ErrInvalid)
	}
	mime, _, _ = strings.Cut(mime, ";")
	if m.MediaType != "" && strings.HasPrefix(mime, "application/vnd.") && m.MediaType != mime {
		return fmt.Errorf("%w manifest: sent as %.100q, says it is %.100q", ErrInvalid, mime, m.MediaType)
	}
	return nil
}

// GetBlob asks the source itself only, whatever URLs a manifest names
// (CVE-2020-15157).
func (g *guardedSource) GetBlob(ctx context.Context, info types.BlobInfo, cache types.BlobInfoCache) (io.ReadCloser, int64, error) {
	info.URLs = nil
	if one := g.partials.plan(ctx, g, info); one != nil {
		return one.parts, info.Size, nil
	}
	ctx, dog := watch(ctx, g.stall)
	body, size, err := g.ImageSource.GetBlob(ctx, info, cache)
	dog.timer.Stop()
	if err != nil {
		defer dog.stop()
		return nil, 0, dog.explain(err)
	}
	return &watched{ReadCloser: body, dog: dog}, size, nil
}

// errSilent is the cause of a context that watch has cancelled.
var errSilent = errors.New("the other side has gone silent")

// watchdog is a context that ends when nothing has been heard for too long.
type watchdog struct {
	ctx    context.Context //nolint:containedctx // what a watchdog is
	stall  time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

func watch(ctx context.Context, stall time.Duration) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &watchdog{
		ctx: ctx, stall: stall, cancel: cancel,
		timer: time.AfterFunc(stall, func() { cancel(errSilent) }),
	}
}

func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// explain replaces "context canceled" by why.
func (w *watchdog) explain(err error) error {
	if err != nil && errors.Is(context.Cause(w.ctx), errSilent) {
		return fmt.Errorf("%w: nothing came for %s", errSilent, w.stall)
	}
	return err
}

// watched is a body that must keep coming.
type watched struct {
	io.ReadCloser
	dog *watchdog
}

func (w *watched) Read(p []byte) (int, error) {
	w.dog.timer.Reset(w.dog.stall) // time that the reader took is not the source's
	n, err := w.ReadCloser.Read(p)
	w.dog.timer.Stop()
	if err == io.EOF {
		return n, err
	}
	return n, w.dog.explain(err)
}

func (w *watched) Close() error {
	w.dog.stop()
	return w.ReadCloser.Close()
}
