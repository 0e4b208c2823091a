package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

// An image in an additional store is used where it lies, and whoever owns that store
// knows nothing of us: between two looks the image may be gone. So its plan is
// compared with what is there, before each use, which costs one lstat per layer.

// current is stored, but an image of an additional store only where it is there
// still and what the reference means there.
func (r *run) current(ctx context.Context) (*plan.Plan, error) {
	p, how, err := plan.Find(r.opts.Dirs, r.spec.Image)
	switch {
	case errors.Is(err, plan.ErrNotFound):
		return r.adopted(ctx)
	case err != nil:
		return nil, err
	case r.record.ImageID != "": // a container's own: whoever needs the files looks for them
	case how.Alias, p.Additional != nil && (how.Loose || p.Fresh() != nil):
		return r.adopted(ctx)
	}
	return r.suits(p)
}

// adopted asks the additional stores for the image. Where it may be pulled, whoever
// pulls asks them first.
func (r *run) adopted(ctx context.Context) (*plan.Plan, error) {
	if r.spec.Pull.Policy != spec.PullNever || r.opts.Adopt == nil {
		return nil, fmt.Errorf("%w: %q", plan.ErrNotFound, r.spec.Image)
	}
	if err := r.opts.Adopt(ctx, r.spec.Image); err != nil && !errors.Is(err, plan.ErrNotFound) {
		return nil, err
	}
	return r.stored()
}

// present says that the files of the image are there, of one in an additional store
// after a look; if they were replaced by what is the same image, it takes that.
func (r *run) present(ctx context.Context) error {
	p := r.image.plan
	gone := p.SameLayers()
	if gone == nil {
		return nil
	}
	err := gone
	if r.opts.Adopt != nil {
		err = r.opts.Adopt(ctx, p.ID)
	}
	if err == nil {
		p, err = plan.Read(r.opts.Dirs, p.ID)
	}
	if err == nil && p.SameLayers() == nil {
		r.image.plan, r.layers = p, p.Layers
		return nil
	}
	if err != nil && !errors.Is(err, plan.ErrNotFound) && !errors.Is(err, plan.ErrGone) {
		return err
	}
	return hint.New(gone, "burrow pull "+r.image.name+", and if that is another image by now, make the container again")
}

// additionalLayers are the IDs of the layers that images of additional stores have.
func additionalLayers(d paths.Dirs, images []string) []string {
	var ids []string
	for _, id := range images {
		p, err := plan.Read(d, id)
		if err == nil && p.Additional != nil {
			ids = append(ids, p.LayerIDs()...)
		}
	}
	return ids
}
