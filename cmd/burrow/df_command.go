package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/format"
)

func (a *app) dfCommand() *cobra.Command {
	var verbose bool
	var template string
	cmd := &cobra.Command{
		Use: "df [OPTIONS]", Short: "Show what images, containers, volumes and artifacts take on disk", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			if verbose && template != "" {
				return errors.New("--verbose and --format exclude each other")
			}
			show, err := a.dfPrinter(template)
			if err != nil {
				return err
			}
			if !c.inside { // what containers wrote is not all ours to look at
				return enterAnchor(cmd.Context(), c, "")
			}
			u, err := engine.ReadDiskUsage(c.dirs)
			if err != nil {
				return err
			}
			if verbose {
				return a.printUsage(u)
			}
			return show(dfRows(u))
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "each image, container, volume and artifact")
	cmd.Flags().StringVar(&template, "format", "", "table, json, or a Go template")
	return cmd
}

// dfRow has Podman's names.
type dfRow struct {
	Type           string
	Total          int
	Active         int
	RawSize        int64
	RawReclaimable int64
	TotalCount     int
	Size           string
	Reclaimable    string
}

// dfRows sums up.
func dfRows(u engine.DiskUsage) []dfRow {
	images := dfRow{Type: "Images", Total: len(u.Images), RawSize: u.LayerBytes, RawReclaimable: u.FreeableBytes}
	for _, i := range u.Images {
		if i.Containers > 0 {
			images.Active++
		}
	}
	containers := dfRow{Type: "Containers", Total: len(u.Containers)}
	for _, c := range u.Containers {
		containers.RawSize += c.Size
		if c.Record.Running() {
			containers.Active++
		} else {
			containers.RawReclaimable += c.Size
		}
	}
	volumes := dfRow{Type: "Local Volumes", Total: len(u.Volumes)}
	for _, v := range u.Volumes {
		volumes.RawSize += v.Size
		if v.Containers > 0 {
			volumes.Active++
		} else {
			volumes.RawReclaimable += v.Size
		}
	}
	artifacts := dfRow{Type: "Artifacts", Total: len(u.Artifacts), RawSize: u.ArtifactBytes, RawReclaimable: u.FreeableArtifactBytes}
	for _, a := range u.Artifacts {
		if a.Containers > 0 {
			artifacts.Active++
		}
	}
	rows := []dfRow{images, containers, volumes, artifacts}
	for i := range rows {
		r := &rows[i]
		r.TotalCount, r.Size = r.Total, decimal(r.RawSize)
		part := 0.0
		if r.RawSize > 0 {
			part = 100 * float64(r.RawReclaimable) / float64(r.RawSize)
		}
		r.Reclaimable = fmt.Sprintf("%s (%.0f%%)", decimal(r.RawReclaimable), part)
	}
	return rows
}

// dfPrinter checks --format before anything is measured.
func (a *app) dfPrinter(template string) (func([]dfRow) error, error) {
	switch template {
	case "json":
		return func(rows []dfRow) error { return a.printJSON(rows) }, nil
	case "", "table":
		template = `table {{.Type}}\t{{.Total}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}`
	}
	t, err := format.New(template, "json", "table")
	if err != nil {
		return nil, err
	}
	return func(rows []dfRow) error {
		return format.Print(t, a.out, rows, t.Heads(map[string]string{"TotalCount": "TOTAL"}), 0)
	}, nil
}

func (a *app) printUsage(u engine.DiskUsage) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "Images space usage:\n\nREPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE\tSHARED SIZE\tUNIQUE SIZE\tCONTAINERS\n")
	for _, i := range u.Images {
		repository, tag := "<none>", "<none>"
		if len(i.Names) > 0 {
			repository, tag = splitName(i.Names[0])
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", oneLine(repository), oneLine(tag), i.ID[:12], ago(i.Created),
			decimal(i.Size), decimal(i.Shared), decimal(i.Size-i.Shared), i.Containers)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprint(w, "\nContainers space usage:\n\nCONTAINER ID\tIMAGE\tCOMMAND\tLOCAL VOLUMES\tSIZE\tCREATED\tSTATUS\tNAMES\n")
	for _, c := range u.Containers {
		command := []rune(oneLine(strings.Join(c.Record.Command, " ")))
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", c.Record.ID[:12], oneLine(c.Record.Image), string(command[:min(20, len(command))]),
			volumesOf(c.Record), decimal(c.Size), ago(c.Record.Created), c.Record.State(), c.Record.Name)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprint(w, "\nLocal Volumes space usage:\n\nVOLUME NAME\tLINKS\tSIZE\n")
	for _, v := range u.Volumes {
		fmt.Fprintf(w, "%s\t%d\t%s\n", v.Name, v.Containers, decimal(v.Size))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprint(w, "\nArtifacts space usage:\n\nREPOSITORY\tTAG\tDIGEST\tCREATED\tSIZE\tSHARED SIZE\tUNIQUE SIZE\tCONTAINERS\n")
	for _, f := range u.Artifacts {
		repository, tag := splitName(f.Name)
		created := ""
		if !f.Created.IsZero() {
			created = ago(f.Created)
		}
		fmt.Fprintf(w, "%s\t%s\t%.12s\t%s\t%s\t%s\t%s\t%d\n", oneLine(repository), oneLine(tag), strings.TrimPrefix(f.Digest, "sha256:"), created,
			decimal(f.Size), decimal(f.Shared), decimal(f.Size-f.Shared), f.Containers)
	}
	return w.Flush()
}

// splitName takes a full name apart at its tag.
func splitName(full string) (repository, tag string) {
	at := strings.LastIndexByte(full, ':')
	return full[:max(at, 0)], full[at+1:]
}

func volumesOf(r engine.Record) int {
	n := 0
	for _, m := range r.Spec.Mounts {
		if m.Type == spec.MountVolume {
			n++
		}
	}
	return n
}
