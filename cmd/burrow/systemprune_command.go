package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/cmd/burrow/flags"
	"github.com/burrow-run/burrow/engine"
)

type systemPruneFlags struct {
	all, force, volumes bool
	filters             []string
}

func (a *app) systemPruneCommand() *cobra.Command {
	var f systemPruneFlags
	cmd := &cobra.Command{
		Use: "prune [OPTIONS]", Short: "Remove what nothing uses: containers that do not run, images without a name",
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			filter, err := engine.NewFilter(c.dirs, f.filters, "until", "label", "label!")
			if err != nil {
				return err
			}
			volumes, err := engine.NewVolumeFilter(f.filters)
			if err != nil {
				return err
			}
			if !c.inside {
				return enterAnchor(cmd.Context(), c, "")
			}
			if !f.force && !a.confirm(f.warning()) {
				return nil
			}
			return a.systemPrune(cmd.Context(), c, filter, volumes, f)
		},
	}
	cmd.Flags().BoolVarP(&f.all, "all", "a", false, "all images that no container uses, also those with a name")
	cmd.Flags().BoolVarP(&f.force, "force", "f", false, "do not ask")
	cmd.Flags().StringArrayVar(&f.filters, "filter", nil, "only what `KEY=VALUE` picks: until, label, label!")
	cmd.Flags().BoolVar(&f.volumes, "volumes", false, "also anonymous volumes that no container has, and with --all those with a name")
	refuse(cmd, flags.On("build", "there are no build containers yet", ""), flags.On("external", "burrow's storage has no containers but its own", ""))
	return cmd
}

func (f systemPruneFlags) warning() string {
	images := "dangling images"
	if f.all {
		images = "images without at least one container associated to them"
	}
	volumes := ""
	switch {
	case f.volumes && f.all:
		volumes = "\t- all volumes not used by at least one container\n"
	case f.volumes:
		volumes = "\t- all anonymous volumes not used by at least one container\n"
	}
	return "WARNING! This command removes:\n\t- all stopped containers\n" + volumes + "\t- all " + images + "\n"
}

// systemPrune removes one kind after the other: what containers use can only go
// once they are gone. It goes on after an error.
func (a *app) systemPrune(ctx context.Context, c caller, filter *engine.Filter, forVolumes *engine.VolumeFilter, f systemPruneFlags) error {
	before, err := engine.ReadDiskUsage(c.dirs)
	if err != nil {
		return err
	}
	containers, err := engine.Prune(ctx, c.dirs, filter)
	a.deleted("Containers", containers)
	var volumeErr error
	if f.volumes {
		var volumes []string
		volumes, volumeErr = engine.PruneVolumes(ctx, c.dirs, forVolumes, f.all)
		a.deleted("Volumes", volumes)
	}
	images, imageErr := a.pruneImages(ctx, f)
	a.deleted("Images", images)
	after, afterErr := engine.ReadDiskUsage(c.dirs)
	if err := errors.Join(err, volumeErr, imageErr, afterErr); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "Total reclaimed space: %s\n", decimal(max(total(before)-total(after), 0)))
	return nil
}

func (a *app) deleted(kind string, ids []string) {
	if len(ids) > 0 {
		fmt.Fprintf(a.out, "Deleted %s\n%s\n", kind, strings.Join(ids, "\n"))
	}
}

func total(u engine.DiskUsage) int64 {
	sum := u.LayerBytes
	for _, c := range u.Containers {
		sum += c.Size
	}
	for _, v := range u.Volumes {
		sum += v.Size
	}
	return sum
}

// pruneImages lets the executable do it that knows images.
func (a *app) pruneImages(ctx context.Context, f systemPruneFlags) (ids []string, err error) {
	args := []string{"image", "prune", "--force"}
	if f.all {
		args = append(args, "--all")
	}
	for _, v := range f.filters {
		args = append(args, "--filter", v)
	}
	cmd, err := imageTool(ctx, args...)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, a.err
	err = saidWhy(cmd.Run())
	return strings.Fields(out.String()), err
}
