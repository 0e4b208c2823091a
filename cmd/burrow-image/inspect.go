package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/format"
)

func (a *app) inspectCmd() *cobra.Command {
	var format, kind string
	var i inspectFlags
	c := &cobra.Command{
		Use: "inspect [flags] IMAGE [IMAGE...]", Short: "Show all there is to know of images", Args: cobra.MinimumNArgs(1),
		Long: "Show all there is to know of images. One named with its transport, as docker://NAME, dir:DIR, oci:DIR[:NAME] and others,\n" +
			"is looked at where it is, without fetching its layers.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if kind != "image" && kind != "all" {
				return errors.New("burrow-image inspects images only")
			}
			elsewhere, err := a.elsewhere(args)
			if err != nil {
				return err
			}
			if !elsewhere {
				if err := localOnly(cmd.Flags()); err != nil {
					return err
				}
				return a.inspect(cmd.Context(), args, format)
			}
			o, err := i.options(cmd.Flags())
			if err != nil {
				return err
			}
			ctx, cancel := i.limit(cmd.Context())
			defer cancel()
			return a.inspectRemote(ctx, args[0], format, &i, o)
		},
	}
	i.add(c.Flags(), a.env.authFile)
	c.Flags().StringVarP(&format, "format", "f", "json", "`TEMPLATE` for each image, or json")
	c.Flags().StringVarP(&kind, "type", "t", "all", "`KIND` of object: image or all")
	return c
}

// elsewhere says that the only one of refs is named with its transport. What is
// called like that in the store is meant first: dir:latest is a name, too.
func (a *app) elsewhere(refs []string) (bool, error) {
	with := slices.IndexFunc(refs, image.HasTransport)
	if with < 0 {
		return false, nil
	}
	s, err := a.store()
	if err != nil {
		return false, err
	}
	if stored, err := s.Exists(refs[with]); stored || err != nil {
		return false, err
	}
	if len(refs) > 1 {
		return false, fmt.Errorf("%s is not stored: such images are inspected one at a time", refs[with])
	}
	return true, nil
}

// inspect prints what was found even if something was not.
func (a *app) inspect(ctx context.Context, refs []string, format string) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	out := []*image.Inspection{}
	var errs []error
	for _, ref := range refs {
		i, err := s.Inspect(ctx, ref)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, i)
	}
	if format == "json" || format == "" {
		err = printJSON(a.out, out, "     ")
	} else {
		err = a.inspectFormat(format, out)
	}
	if err != nil {
		return err
	}
	return errors.Join(errs...)
}

// templateImage gives templates Podman's names, and Docker's beside them. What an
// image does not set is there and empty.
type templateImage struct {
	*image.Inspection
	Id, Os      string //nolint:revive // as in JSON
	Healthcheck any
}

func (a *app) inspectFormat(template string, images []*image.Inspection) error {
	t, err := format.New(template)
	if err != nil {
		return err
	}
	values := make([]templateImage, len(images))
	for i, img := range images {
		values[i] = templateImage{img, img.ID, img.OS, img.HealthCheck}
	}
	return format.Print(t, a.out, values, nil, 0)
}
