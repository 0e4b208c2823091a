package image

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
)

// system is where every use of the image library starts.
func (s *Store) system() (*types.SystemContext, error) {
	tmp, err := s.temp()
	if err != nil {
		return nil, err
	}
	quiet := types.ShortNameModeDisabled
	return &types.SystemContext{
		BigFilesTemporaryDir: tmp,
		// A cache of digests shared by all registries. Without a directory to
		// write to the library keeps it in memory; its database costs more to
		// open than a local layer lookup.
		BlobInfoCacheDir:           "/dev/null/none",
		ShortNameMode:              &quiet,
		DockerRegistryUserAgent:    "burrow",
		UserShortNameAliasConfPath: filepath.Join(s.dirs.Data, "short-names.conf"),
	}, nil
}

// policyForSave accepts what is stored: it was judged when it came.
func policyForSave() (*signature.PolicyContext, error) {
	return signature.NewPolicyContext(&signature.Policy{Default: []signature.PolicyRequirement{signature.NewPRInsecureAcceptAnything()}})
}

// fetch copies the image at from into the store, gives it names and returns
// its ID.
func (s *Store) fetch(ctx context.Context, from types.ImageReference, sys *types.SystemContext, names []string) (string, error) {
	return s.fetchFrom(ctx, guarded{ImageReference: from, stall: s.opts.Stall}, sys, names)
}

func (s *Store) fetchFrom(ctx context.Context, src guarded, sys *types.SystemContext, names []string) (string, error) {
	pc, err := s.judge(ctx, &src, sys)
	if err != nil {
		return "", simplify(err)
	}
	return s.fetchJudged(ctx, src, pc, sys, names)
}

// fetchJudged is fetch by the policy pc, which it destroys.
func (s *Store) fetchJudged(ctx context.Context, src guarded, pc *signature.PolicyContext, sys *types.SystemContext, names []string) (id string, err error) {
	defer func() { _ = pc.Destroy() }()
	from := src.ImageReference
	src.passed = &atomic.Bool{}
	to := &target{store: s, names: names, inFile: src.inFile}
	if from.Transport().Name() == docker.Transport.Name() {
		to.from = from.DockerReference()
	}
	src.partials = s.newPartials()
	to.partials = src.partials
	defer to.close()
	for gone := false; ; {
		_, err = copy.Image(ctx, pc, to, src, &copy.Options{
			SourceCtx: sys, DestinationCtx: sys, ReportWriter: s.opts.Progress, RemoveSignatures: true, OciDecryptConfig: src.decrypt,
		})
		if errors.Is(err, errWhole) && ctx.Err() == nil {
			continue // as often as there are layers, none of which is refused twice
		}
		if !errors.Is(err, errGone) || gone {
			break
		}
		gone = true
	}
	return to.id, simplify(midway(err, src.passed.Load()))
}
