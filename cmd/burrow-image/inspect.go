package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine/image"
)

func (a *app) inspectCmd() *cobra.Command {
	var format, kind string
	c := &cobra.Command{
		Use: "inspect [flags] IMAGE [IMAGE...]", Short: "Show all there is to know of images", Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if kind != "image" && kind != "all" {
				return errors.New("burrow-image inspects images only")
			}
			return a.inspect(args, format)
		},
	}
	c.Flags().StringVarP(&format, "format", "f", "json", "`TEMPLATE` for each image, or json")
	c.Flags().StringVarP(&kind, "type", "t", "all", "`KIND` of object: image or all")
	return c
}

// inspect prints what was found even if something was not.
func (a *app) inspect(refs []string, format string) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	out := []*image.Inspection{}
	var errs []error
	for _, ref := range refs {
		i, err := s.Inspect(ref)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, i)
	}
	if format == "json" || format == "" {
		err = printJSON(a.out, out, "     ")
	} else {
		var f *formatter
		if f, err = newFormatter(format); err == nil {
			err = print(f, a.out, out, nil)
		}
	}
	if err != nil {
		return err
	}
	return errors.Join(errs...)
}
