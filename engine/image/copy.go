package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

// policy is the user's or the system's policy.json. Where there is none every
// image is accepted, as it is on a machine without container tools.
func policy(sys *types.SystemContext) (*signature.PolicyContext, error) {
	p, err := signature.DefaultPolicy(sys)
	if errors.Is(err, fs.ErrNotExist) {
		p, err = &signature.Policy{Default: []signature.PolicyRequirement{signature.NewPRInsecureAcceptAnything()}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read signature policy: %w", err)
	}
	return signature.NewPolicyContext(p)
}

// policyForSave accepts what is stored: it was judged when it came.
func policyForSave() (*signature.PolicyContext, error) {
	return signature.NewPolicyContext(&signature.Policy{Default: []signature.PolicyRequirement{signature.NewPRInsecureAcceptAnything()}})
}

// fetch copies the image at from into the store, gives it names and returns
// its ID.
func (s *Store) fetch(ctx context.Context, from types.ImageReference, sys *types.SystemContext, names []string) (string, error) {
	pc, err := policy(sys)
	if err != nil {
		return "", err
	}
	defer func() { _ = pc.Destroy() }()
	to := &target{store: s, names: names}
	if from.Transport().Name() == docker.Transport.Name() {
		to.from = from.DockerReference()
	}
	for range 2 {
		_, err = copy.Image(ctx, pc, to, guarded{from, s.opts.Stall}, &copy.Options{
			SourceCtx: sys, DestinationCtx: sys, ReportWriter: s.opts.Progress, RemoveSignatures: true,
		})
		if !errors.Is(err, errGone) {
			break
		}
	}
	return to.id, simplify(err)
}
