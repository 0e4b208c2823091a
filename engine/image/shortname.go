package image

import (
	"fmt"
	"log/slog"
	"strings"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/internal/hint"
)

// settleName decides between the images that a short name may stand for, as
// short-name-mode in registries.conf says: a person is asked; without one all are
// tried in turn (permissive), or none (enforcing). remember keeps the decision, and
// is called when the image has come.
func (s *Store) settleName(sys *types.SystemContext, name string, candidates []reference.Named) (_ []reference.Named, remember func(), err error) {
	nothing := func() {}
	if len(candidates) < 2 {
		return candidates, nothing, nil
	}
	asked := *sys
	asked.ShortNameMode = nil // what the file says
	mode, err := sysregistriesv2.GetShortNameMode(&asked)
	if err != nil {
		return nil, nil, fmt.Errorf("read registries.conf: %w", err)
	}
	name = strings.TrimPrefix(name, "docker://")
	switch {
	case mode == types.ShortNameModeDisabled, mode == types.ShortNameModePermissive && s.opts.Ask == nil:
		return candidates, nothing, nil
	case s.opts.Ask == nil:
		return nil, nil, hint.New(fmt.Errorf("%q may be %s, and short-name-mode is enforcing", name, strings.Join(texts(candidates), " or ")), "give the full name: "+candidates[0].String())
	}
	i, err := s.opts.Ask(fmt.Sprintf("%q may be", name), texts(candidates))
	if err != nil {
		return nil, nil, err
	}
	chosen := candidates[i]
	short, _, _ := strings.Cut(name, "@")
	if named, err := reference.ParseNormalizedNamed(short); err == nil && !reference.IsNameOnly(named) {
		short = short[:strings.LastIndexByte(short, ':')]
	}
	return []reference.Named{chosen}, func() {
		if err := sysregistriesv2.AddShortNameAlias(sys, short, chosen.Name()); err != nil {
			s.log.Warn("the choice is not remembered", slog.String("name", short), slog.Any("error", err))
		}
	}, nil
}
