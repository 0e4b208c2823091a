package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	units "github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/format"
)

type historyFlags struct {
	human, noTrunc, quiet bool
	format                string
}

func (a *app) historyCmd() *cobra.Command {
	var f historyFlags
	c := &cobra.Command{
		Use: "history [flags] IMAGE", Short: "Show how an image was made", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.history(args[0], &f) },
	}
	fl := c.Flags()
	fl.StringVar(&f.format, "format", "", "`TEMPLATE` for each step, or json")
	fl.BoolVarP(&f.human, "human", "H", true, "sizes and times that are easy to read")
	fl.BoolVar(&f.noTrunc, "no-trunc", false, "show whole IDs and commands")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "show IDs only")
	return c
}

// step is one line of a history, as Podman's templates call its fields.
type step struct {
	ID, Created, CreatedAt, CreatedSince string
	CreatedBy, Size, Comment             string
	Tags                                 []string
}

// jsonStep is Podman's spelling.
type jsonStep struct {
	ID        string     `json:"id"`
	Since     *time.Time `json:"created"`
	CreatedBy string     `json:"CreatedBy"`
	Tags      []string   `json:"tags,omitempty"`
	Size      int64      `json:"size"`
	Comment   string     `json:"comment,omitempty"`
	Created   string     `json:"Created"`
}

const (
	missing      = "<missing>" // the ID of a step that made no image of its own
	maxCreatedBy = 45          // columns for a command
)

func (a *app) history(ref string, f *historyFlags) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	steps, err := s.History(ref)
	if err != nil {
		return err
	}
	switch {
	case f.quiet && f.format == "":
		for i := range steps {
			a.println(stepID(&steps[i], f.noTrunc))
		}
		return nil
	case f.format == "json":
		out := make([]jsonStep, len(steps))
		for i := range steps {
			st := &steps[i]
			out[i] = jsonStep{ID: stepID(st, true), Since: st.Created, CreatedBy: st.CreatedBy, Tags: st.Names, Size: st.Size, Comment: st.Comment, Created: stepTime(st, time.RFC3339)}
		}
		return printJSON(a.out, out, "    ")
	}
	rows := make([]step, len(steps))
	for i := range steps {
		rows[i] = newStep(&steps[i], f)
	}
	text := f.format
	if text == "" || text == "table" {
		text = "table {{.ID}}\t{{.Created}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
	}
	t, err := format.New(text, "json", "table")
	if err != nil {
		return err
	}
	return format.Print(t, a.out, rows, t.Heads(map[string]string{"CreatedBy": "CREATED BY", "CreatedAt": "CREATED AT", "CreatedSince": "CREATED SINCE"}), imageColumn)
}

func stepID(s *image.Step, whole bool) string {
	switch {
	case s.ID == "":
		return missing
	case whole:
		return s.ID
	}
	return shortID(s.ID, false)
}

func stepTime(s *image.Step, layout string) string {
	if s.Created == nil {
		return ""
	}
	return s.Created.UTC().Format(layout)
}

func newStep(s *image.Step, f *historyFlags) step {
	out := step{
		ID: stepID(s, f.noTrunc), CreatedAt: stepTime(s, "2006-01-02 15:04:05 -0700 MST"), Created: stepTime(s, time.RFC3339),
		CreatedBy: oneLine(s.CreatedBy), Size: strconv.FormatInt(s.Size, 10), Comment: oneLine(s.Comment), Tags: s.Names,
	}
	if s.Created != nil {
		out.CreatedSince = units.HumanDuration(time.Since(*s.Created)) + " ago"
	}
	if f.human {
		out.Created, out.Size = out.CreatedSince, humanSize(s.Size)
	}
	if r := []rune(out.CreatedBy); !f.noTrunc && len(r) > maxCreatedBy {
		out.CreatedBy = string(r[:maxCreatedBy-3]) + "..."
	}
	return out
}

func (a *app) treeCmd() *cobra.Command {
	var whatRequires bool
	c := &cobra.Command{
		Use: "tree [flags] IMAGE", Short: "Show the layers of an image", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := a.store()
			if err != nil {
				return err
			}
			t, err := s.Tree(args[0], whatRequires)
			if err != nil {
				return err
			}
			a.printTree(t)
			return nil
		},
	}
	c.Flags().BoolVar(&whatRequires, "whatrequires", false, "show what stands on the image in place of what it stands on")
	return c
}

func (a *app) printTree(t *image.Tree) {
	fmt.Fprintf(a.out, "Image ID: %s\nTags:     %s\nSize:     %s\n", shortID(t.ID, false), t.Names, units.HumanSizeWithPrecision(float64(t.Size), 4))
	if len(t.Layers) == 0 {
		a.println("No Image Layers")
		return
	}
	a.println("Image Layers")
	a.printBranches(flatten(t.Layers), "")
}

// twig is a line of the tree and what hangs on it.
type twig struct {
	*image.Branch
	twigs []twig
}

// flatten puts layers that stand on each other, one on one, under each other
// in one column; only where they fork it goes deeper. So does Podman.
func flatten(list []*image.Branch) []twig {
	var out []twig
	for _, b := range list {
		if len(b.Above) == 1 {
			out = append(append(out, twig{Branch: b}), flatten(b.Above)...)
			continue
		}
		out = append(out, twig{b, flatten(b.Above)})
	}
	return out
}

func (a *app) printBranches(list []twig, indent string) {
	for i, t := range list {
		fork, below := "├── ", "│   "
		if i == len(list)-1 {
			fork, below = "└── ", "    "
		}
		names := ""
		if len(t.Names) > 0 {
			names = " Top Layer of: [" + strings.Join(t.Names, " ") + "]"
		}
		fmt.Fprintf(a.out, "%s%sID: %s Size: %7s%s\n", indent, fork, shortID(t.ID, false), units.HumanSizeWithPrecision(float64(t.Size), 4), names)
		a.printBranches(t.twigs, indent+below)
	}
}

// changes is what diff prints as JSON, in Podman's spelling.
type changes struct {
	Changed []string `json:"changed,omitempty"`
	Added   []string `json:"added,omitempty"`
	Deleted []string `json:"deleted,omitempty"`
}

func (a *app) diffCmd() *cobra.Command {
	var text string
	c := &cobra.Command{
		Use: "diff [flags] IMAGE [IMAGE]", Short: "Show what an image's topmost layer changes, or how it differs from another image", Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if text != "" && text != "json" {
				return fmt.Errorf("--format %q: diff knows json", text)
			}
			s, err := a.store()
			if err != nil {
				return err
			}
			other := ""
			if len(args) == 2 {
				other = args[1]
			}
			d, err := s.Diff(cmd.Context(), args[0], other)
			if err != nil {
				return err
			}
			if text == "json" {
				return printJSON(a.out, changes(*d), "     ")
			}
			for _, l := range []struct {
				kind  string
				names []string
			}{{"C", d.Changed}, {"A", d.Added}, {"D", d.Deleted}} {
				for _, n := range l.names {
					a.println(l.kind + " " + oneLine(n))
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&text, "format", "", "json")
	return c
}
