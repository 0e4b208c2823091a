package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/burrow-run/burrow/cmd/burrow/flags"
	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/internal/hint"
)

// selection is how the containers of a verb are chosen besides by name: the
// flags that Podman's verbs share.
type selection struct {
	all, latest, ignore bool
	filters, cidfiles   []string

	defined []string // the flags of this verb
}

// define adds those of the flags that the verb has: all, latest, filter, cidfile
// and ignore.
func (s *selection) define(fs *pflag.FlagSet, names ...string) {
	s.defined = names
	for _, name := range names {
		switch name {
		case "all":
			fs.BoolVarP(&s.all, "all", "a", false, "all containers that it can be done to")
		case "latest":
			fs.BoolVarP(&s.latest, "latest", "l", false, "the container that was made last")
		case "filter":
			fs.StringArrayVarP(&s.filters, "filter", "f", nil, "all containers of which `KEY=VALUE` holds, see burrow ps")
		case "filter-long": // where -f is something else
			fs.StringArrayVar(&s.filters, "filter", nil, "all containers of which `KEY=VALUE` holds, see burrow ps")
		case "cidfile":
			fs.StringArrayVar(&s.cidfiles, "cidfile", nil, "the container whose ID is in `FILE`")
		case "ignore-long": // where -i is something else
			fs.BoolVar(&s.ignore, "ignore", false, "a container that does not exist is no error")
		case "ignore":
			fs.BoolVarP(&s.ignore, "ignore", "i", false, "a container that does not exist is no error")
		}
	}
}

// choose returns the references of the chosen containers. --all and --filter
// choose among those that among allows; nil: among all.
func (s *selection) choose(c caller, args []string, among func(engine.Record) bool) ([]string, error) {
	switch {
	case s.all && s.latest, s.latest && len(s.filters) > 0:
		return nil, errors.New("--all, --latest and --filter exclude each other")
	case (s.all || s.latest || len(s.filters) > 0) && len(args)+len(s.cidfiles) > 0:
		return nil, errors.New("--all, --latest, --filter and names exclude each other")
	case s.latest:
		return latestOf(c)
	case s.all, len(s.filters) > 0:
		return s.matching(c, among)
	}
	fromFiles, err := s.readFiles()
	if err != nil {
		return nil, err
	}
	if len(args)+len(s.cidfiles) == 0 {
		return nil, s.nothing()
	}
	return append(args, fromFiles...), nil
}

// nothing says what the verb wants to know.
func (s *selection) nothing() error {
	ways := []string{"needs a container"}
	for _, name := range s.defined {
		if !strings.HasPrefix(name, "ignore") {
			ways = append(ways, "or --"+strings.TrimSuffix(name, "-long"))
		}
	}
	return hint.New(errors.New(strings.Join(ways, ", ")), "burrow ps -a")
}

func (s *selection) matching(c caller, among func(engine.Record) bool) ([]string, error) {
	filter, err := engine.NewFilter(c.dirs, s.filters)
	if err != nil {
		return nil, err
	}
	records, _, err := engine.List(c.dirs)
	var ids []string
	for _, r := range records {
		if (among == nil || among(*r)) && filter.Match(*r) {
			ids = append(ids, r.ID)
		}
	}
	return ids, err
}

func (s *selection) readFiles() (ids []string, err error) {
	for _, path := range s.cidfiles {
		b, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) && s.ignore {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("--cidfile: %w", err)
		}
		id, _, _ := strings.Cut(string(b), "\n")
		if id = strings.TrimSpace(id); id == "" || len(b) > 4096 {
			return nil, hint.New(fmt.Errorf("--cidfile %s: there is no container's ID in it", path), "burrow run --cidfile writes one")
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func latestOf(c caller) ([]string, error) {
	records, _, err := engine.List(c.dirs)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("--latest: %w: there is none at all", engine.ErrNoContainer)
	}
	return []string{records[0].ID}, nil
}

// refuse makes flags that other engines' commands have an error of ours.
func refuse(cmd *cobra.Command, list ...flags.Refusal) {
	check := flags.Refuse(cmd.Flags(), list...)
	cmd.PreRunE = func(*cobra.Command, []string) error { return check() }
}

// oneOrLatest is the one container that a command is about.
func oneOrLatest(c caller, args []string, latest bool) ([]string, error) {
	switch {
	case latest && len(args) > 0:
		return nil, errors.New("--latest and names exclude each other")
	case !latest && len(args) != 1:
		return nil, errors.New("needs one container, or --latest")
	case !latest:
		return args, nil
	}
	return latestOf(c)
}

// whyCheckpoint is why nothing is checkpointed or restored.
const whyCheckpoint = "CRIU needs root to restore a container in namespaces of its own"
