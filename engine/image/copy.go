package image

import (
	"context"
	"errors"
	"path/filepath"

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
	src := guarded{ImageReference: from, stall: s.opts.Stall}
	pc, err := s.judge(ctx, &src, sys)
	if err != nil {
		return "", simplify(err)
	}
	defer func() { _ = pc.Destroy() }()
	to := &target{store: s, names: names}
	if from.Transport().Name() == docker.Transport.Name() {
		to.from = from.DockerReference()
	}
	for range 2 {
		_, err = copy.Image(ctx, pc, to, src, &copy.Options{
			SourceCtx: sys, DestinationCtx: sys, ReportWriter: s.opts.Progress, RemoveSignatures: true,
		})
		if !errors.Is(err, errGone) {
			break
		}
	}
	return to.id, simplify(err)
}
