package image

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/internal/hint"
)

// SearchResult is one repository that a registry found. Strangers wrote it.
type SearchResult struct {
	Registry    string
	Name        string // with the registry
	Description string
	Stars       int
	Official    bool
	Automated   bool
}

// Search asks a registry, or all of registries.conf's search list if term
// names none, for repositories; at most limit at each.
func (s *Store) Search(ctx context.Context, term string, limit int, remote Remote) ([]SearchResult, error) {
	sys, err := s.remoteSystem(remote)
	if err != nil {
		return nil, err
	}
	var registries []string
	if domain, rest, ok := strings.Cut(term, "/"); ok && isRegistry(domain) {
		registries, term = []string{domain}, rest
	} else if registries, err = searchList(sys); err != nil {
		return nil, err
	}
	var out []SearchResult
	var errs []error
	for _, r := range registries {
		found, err := s.searchOne(ctx, sys, r, term, limit)
		if err != nil {
			errs = append(errs, explain("search", r, r, simplify(err)))
			continue
		}
		out = append(out, found...)
	}
	if len(out) > 0 {
		return out, nil // what one registry cannot, another could
	}
	return nil, errors.Join(errs...)
}

// isRegistry says that the first part of a name is a host.
func isRegistry(domain string) bool {
	return strings.ContainsAny(domain, ".:") || domain == "localhost"
}

// searchList is where short names are looked for.
func searchList(sys *types.SystemContext) ([]string, error) {
	list, err := sysregistriesv2.UnqualifiedSearchRegistries(sys)
	if err != nil {
		return nil, fmt.Errorf("read registries.conf: %w", err)
	}
	if len(list) == 0 {
		list = []string{"docker.io"}
	}
	return list, nil
}

func (s *Store) searchOne(ctx context.Context, sys *types.SystemContext, registry, term string, limit int) ([]SearchResult, error) {
	ctx, dog := watch(ctx, s.opts.Stall)
	defer dog.stop()
	found, err := bounded(ctx, func(ctx context.Context) ([]docker.SearchResult, error) {
		return docker.SearchRegistry(ctx, sys, registry, term, limit)
	})
	if err != nil {
		return nil, dog.explain(err)
	}
	out := make([]SearchResult, 0, len(found))
	for _, f := range found[:min(len(found), limit)] {
		name := f.Name
		if registry == "docker.io" && !strings.Contains(name, "/") {
			name = "library/" + name
		}
		out = append(out, SearchResult{
			Registry: registry, Name: registry + "/" + name, Description: f.Description,
			Stars: f.StarCount, Official: f.IsOfficial, Automated: f.IsAutomated,
		})
	}
	return out, nil
}

// RemoteTags lists the tags that a repository has, which name must tell in
// full but for docker.io.
func (s *Store) RemoteTags(ctx context.Context, name string, remote Remote) (repository string, tags []string, err error) {
	named, err := reference.ParseNormalizedNamed(strings.TrimPrefix(name, "docker://"))
	if err != nil {
		return "", nil, badName(name)
	}
	if !reference.IsNameOnly(named) {
		return "", nil, hint.New(fmt.Errorf("%q has a tag or digest already", name), "give the repository: "+named.Name())
	}
	sys, err := s.remoteSystem(remote)
	if err != nil {
		return "", nil, err
	}
	ref, err := docker.NewReference(reference.TagNameOnly(named))
	if err != nil {
		return "", nil, badName(name)
	}
	ctx, dog := watch(ctx, s.opts.Stall)
	defer dog.stop()
	tags, err = bounded(ctx, func(ctx context.Context) ([]string, error) { return docker.GetRepositoryTags(ctx, sys, ref) })
	if err != nil {
		return "", nil, explain("list tags of", named.Name(), reference.Domain(named), simplify(dog.explain(err)))
	}
	return named.Name(), tags, nil
}
