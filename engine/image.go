package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
)

// findImage decides what the root filesystem is made of and fetches an image
// as the pull policy says.
func (r *run) findImage(ctx context.Context) error {
	switch {
	case r.spec.Host:
		r.image = image{name: "host", cfg: plan.Config{
			Cmd: []string{"/bin/sh"}, WorkingDir: r.opts.Cwd,
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		}}
		return nil
	case r.spec.Rootfs != nil:
		r.image = image{name: r.spec.Rootfs.Dir, cfg: plan.Config{Cmd: []string{"sh"}}}
		return nil
	}
	p, err := r.resolve(ctx)
	if err != nil {
		return err
	}
	r.image = image{plan: p, cfg: p.Config, name: r.spec.Image}
	if len(p.Names) > 0 {
		r.image.name = p.Names[0]
	}
	r.layers = p.Layers
	return nil
}

func (r *run) resolve(ctx context.Context) (*plan.Plan, error) {
	policy := r.spec.Pull.Policy
	if policy == spec.PullAlways || policy == spec.PullNewer {
		if err := r.pull(ctx); err != nil {
			return nil, err
		}
	}
	p, err := r.current(ctx)
	if !errors.Is(err, plan.ErrNotFound) {
		return p, err
	}
	if policy == spec.PullNever {
		return nil, hint.New(fmt.Errorf("%w, and --pull=never", err), "burrow pull "+r.spec.Image)
	}
	if err := r.pull(ctx); err != nil {
		return nil, err
	}
	return r.stored()
}

// archNames are other names of what Go and the image specification call it.
var archNames = map[string]string{"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386", "i686": "386"}

// stored finds the image among those that are here. One for another platform
// than was asked for is not it.
func (r *run) stored() (*plan.Plan, error) {
	p, err := plan.Resolve(r.opts.Dirs, r.spec.Image)
	if err != nil {
		return nil, err
	}
	return r.suits(p)
}

// suits gives the image for the platform that was asked for, if p has it.
func (r *run) suits(p *plan.Plan) (*plan.Plan, error) {
	want := r.spec.Pull.Platform
	want.Arch = cmp.Or(archNames[want.Arch], want.Arch)
	if p.Instances != nil {
		return r.ofList(p, want)
	}
	if want.OS != "" && want.OS != p.OS || want.Arch != "" && want.Arch != p.Arch {
		return nil, fmt.Errorf("%s for %s/%s: %w: the one that is stored is for %s/%s", r.spec.Image,
			cmp.Or(want.OS, p.OS), cmp.Or(want.Arch, p.Arch), plan.ErrNotFound, p.OS, p.Arch)
	}
	return p, nil
}

// ofList takes from a list that was made here the image for the platform. Where
// that is not stored, it says where it is to be pulled from.
func (r *run) ofList(list *plan.Plan, want spec.Platform) (*plan.Plan, error) {
	os, arch := cmp.Or(want.OS, "linux"), cmp.Or(want.Arch, runtime.GOARCH)
	in := list.Choose(os, arch, want.Variant)
	if in == nil {
		return nil, hint.New(fmt.Errorf("the list %s has no image for %s/%s", r.spec.Image, os, arch), "burrow manifest inspect "+r.spec.Image)
	}
	name, remote := strings.CutPrefix(in.From, "docker://")
	err := plan.ErrNotFound
	if in.ID != "" {
		var p *plan.Plan
		if p, err = plan.Read(r.opts.Dirs, in.ID); err == nil {
			return p, nil
		}
	}
	if remote && errors.Is(err, plan.ErrNotFound) {
		r.pullName = name
		return plan.Resolve(r.opts.Dirs, name)
	}
	if errors.Is(err, plan.ErrNotFound) {
		return nil, hint.New(fmt.Errorf("the image for %s/%s of the list %s is not stored", os, arch, r.spec.Image), "burrow pull "+cmp.Or(in.From, "IMAGE")+", then burrow manifest add "+r.spec.Image+" IMAGE")
	}
	return nil, err
}

func (r *run) pull(ctx context.Context) error {
	if r.opts.Pull == nil {
		return fmt.Errorf("%s: %w", r.spec.Image, plan.ErrNotFound)
	}
	return r.opts.Pull(ctx, cmp.Or(r.pullName, r.spec.Image), r.spec.Pull)
}

// command is what the payload's argv becomes: the image's entrypoint and
// command unless the command line says otherwise (image-spec, config.md).
func (r *run) command() ([]string, error) {
	entrypoint, args := r.image.cfg.Entrypoint, r.spec.Args
	if r.spec.Entrypoint != nil {
		entrypoint = *r.spec.Entrypoint
	} else if len(args) == 0 {
		args = r.image.cfg.Cmd
	}
	argv := append(append([]string{}, entrypoint...), args...)
	if len(argv) == 0 {
		return nil, hint.New(errors.New("no command given, and the image has none"),
			"burrow run "+r.spec.Image+" COMMAND")
	}
	return argv, nil
}
