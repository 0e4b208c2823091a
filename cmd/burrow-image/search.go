package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/format"
	"github.com/burrow-run/burrow/internal/hint"
)

type searchFlags struct {
	remoteFlags
	compatible, tags, noTrunc bool

	filters []string
	format  string
	limit   int
}

const (
	searchLimit    = 25  // results of each registry, unless told
	searchMost     = 100 // as many as registries give
	maxDescription = 44  // columns
)

func (a *app) searchCmd() *cobra.Command {
	var f searchFlags
	c := &cobra.Command{
		Use: "search [flags] TERM", Short: "Ask registries for images", Args: cobra.ExactArgs(1),
		Long: "Ask registries for images whose names contain TERM: the registry that TERM begins with, else those in which\n" +
			"registries.conf has short names looked for. REGISTRY/ alone asks for all there are.",
		RunE: func(cmd *cobra.Command, args []string) error {
			remote, err := f.remote(cmd.Flags())
			if err != nil {
				return err
			}
			if f.limit < 0 || f.limit > searchMost {
				return fmt.Errorf("--limit %d: it is between 1 and %d", f.limit, searchMost)
			}
			if f.tags {
				return a.listTags(cmd.Context(), args[0], remote, &f)
			}
			return a.search(cmd.Context(), args[0], remote, &f)
		},
	}
	fl := c.Flags()
	f.add(fl, a.env.authFile)
	fl.StringVar(&f.creds, "creds", "", "`USER:PASSWORD` for the registry")
	fl.BoolVar(&f.compatible, "compatible", false, "show stars, and what is official and automated, as Docker does")
	fl.StringArrayVarP(&f.filters, "filter", "f", nil, "show what `KEY=VALUE` picks: stars, is-official, is-automated")
	fl.StringVar(&f.format, "format", "", "`TEMPLATE` for each image, or json")
	fl.IntVar(&f.limit, "limit", 0, "at most `N` results of each registry; 0 is 25")
	fl.BoolVar(&f.tags, "list-tags", false, "list the tags of the repository that TERM names")
	fl.BoolVar(&f.noTrunc, "no-trunc", false, "show whole descriptions")
	return c
}

// hit is one line of a search, as Podman's templates call its fields.
type hit struct {
	Index, Name, Description, Official, Automated, Tag string
	Stars                                              int
}

func (a *app) search(ctx context.Context, term string, remote image.Remote, f *searchFlags) error {
	picks, err := searchFilter(f.filters)
	if err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	if f.limit == 0 {
		f.limit = searchLimit
	}
	found, err := s.Search(ctx, term, f.limit, remote)
	if err != nil {
		return err
	}
	hits := []hit{}
	for _, r := range found {
		if !picks(r) {
			continue
		}
		h := hit{Index: oneLine(r.Registry), Name: oneLine(r.Name), Description: oneLine(r.Description), Stars: r.Stars}
		if d := []rune(h.Description); !f.noTrunc && f.format != "json" && len(d) > maxDescription {
			h.Description = string(d[:maxDescription]) + "..."
		}
		h.Official, h.Automated = ok(r.Official), ok(r.Automated)
		hits = append(hits, h)
	}
	columns := "table {{.Name}}\t{{.Description}}"
	if f.compatible {
		columns += "\t{{.Stars}}\t{{.Official}}\t{{.Automated}}"
	}
	return a.printHits(hits, f.format, columns)
}

func ok(yes bool) string {
	if yes {
		return "[OK]"
	}
	return ""
}

// searchFilter reads filters, all of which must hold.
func searchFilter(specs []string) (func(image.SearchResult) bool, error) {
	var tests []func(image.SearchResult) bool
	for _, spec := range specs {
		key, value, hasValue := strings.Cut(spec, "=")
		want, err := strconv.ParseBool(value)
		if !hasValue {
			want, err = true, nil
		}
		switch key {
		case "stars":
			var n int
			if n, err = strconv.Atoi(value); err != nil {
				return nil, fmt.Errorf("filter %q: the number of stars is no number", spec)
			}
			tests = append(tests, func(r image.SearchResult) bool { return r.Stars >= n })
		case "is-official":
			tests = append(tests, func(r image.SearchResult) bool { return r.Official == want })
		case "is-automated":
			tests = append(tests, func(r image.SearchResult) bool { return r.Automated == want })
		default:
			return nil, hint.New(fmt.Errorf("filter %q: unknown key", spec), "use stars, is-official or is-automated")
		}
		if err != nil {
			return nil, fmt.Errorf("filter %q: neither true nor false", spec)
		}
	}
	return func(r image.SearchResult) bool {
		for _, t := range tests {
			if !t(r) {
				return false
			}
		}
		return true
	}, nil
}

func (a *app) listTags(ctx context.Context, name string, remote image.Remote, f *searchFlags) error {
	if len(f.filters) > 0 {
		return errors.New("--list-tags and --filter exclude each other")
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	repository, tags, err := s.RemoteTags(ctx, name, remote)
	if err != nil {
		return err
	}
	if f.limit == 0 {
		f.limit = searchLimit
	}
	tags = tags[:min(len(tags), f.limit)]
	if f.format == "json" {
		return printJSON(a.out, []struct {
			Name string
			Tags []string
		}{{repository, tags}}, "    ")
	}
	hits := []hit{}
	for _, t := range tags {
		hits = append(hits, hit{Name: repository, Tag: oneLine(t)})
	}
	return a.printHits(hits, f.format, "table {{.Name}}\t{{.Tag}}")
}

func (a *app) printHits(hits []hit, text, columns string) error {
	if text == "json" {
		return printJSON(a.out, hits, "    ")
	}
	if text == "" || text == "table" {
		if len(hits) == 0 {
			return nil
		}
		text = columns
	}
	t, err := format.New(text, "json", "table")
	if err != nil {
		return err
	}
	return format.Print(t, a.out, hits, t.Heads(nil), imageColumn)
}
