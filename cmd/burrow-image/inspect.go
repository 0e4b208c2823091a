package main

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/format"
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
		err = a.inspectFormat(format, out)
	}
	if err != nil {
		return err
	}
	return errors.Join(errs...)
}

// inspectFormat gives templates the names that the JSON has, as Docker does,
// and ID and OS beside Id and Os, as Podman does.
func (a *app) inspectFormat(template string, images []*image.Inspection) error {
	t, err := format.New(template)
	if err != nil {
		return err
	}
	values := make([]map[string]any, len(images))
	for i, img := range images {
		b, err := json.Marshal(img)
		if err != nil {
			return err
		}
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.UseNumber()
		if err := dec.Decode(&values[i]); err != nil {
			return err
		}
		values[i]["ID"], values[i]["OS"] = values[i]["Id"], values[i]["Os"]
	}
	return format.Print(t.Strict(), a.out, values, nil, 0)
}
