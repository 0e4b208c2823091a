package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/internal/hint"
)

// missing is a command of Docker's or Podman's that Burrow has not.
type missing struct{ why, instead string }

// missingCommand says why there is no command of that name, nil if nobody has one.
func missingCommand(name string) *missing {
	const (
		noBuild = "it does not build images"
		build   = "podman build -t NAME . && burrow pull containers-storage:NAME"
		noPods  = "there are no pods"
		daemon  = "there is no daemon to talk to"
	)
	switch name {
	case "build", "buildx", "builder", "bake":
		return &missing{noBuild, build}
	case "network":
		return &missing{"there are no named networks", "burrow run --network slirp4netns|pasta|host|none|container:NAME"}
	case "pod", "kube", "play":
		return &missing{noPods, "burrow run --network container:NAME --pid container:NAME shares namespaces"}
	case "compose", "context", "service", "swarm", "stack", "node", "machine", "farm":
		return &missing{daemon, "burrow --help"}
	case "plugin", "config", "checkpoint":
		return &missing{"there is nothing like it here", "burrow --help"}
	case "trust":
		return &missing{"which signatures are asked for is in policy.json", "burrow image trust show"}
	}
	return nil
}

func unknownCommand(cmd *cobra.Command, name string) error {
	if m := missingCommand(name); m != nil && !cmd.HasParent() {
		return hint.New(errors.New("burrow "+name+" is not supported by this version: "+m.why), m.instead)
	}
	h := cmd.CommandPath() + " --help"
	if s := cmd.SuggestionsFor(name); len(s) > 0 {
		h = cmd.CommandPath() + " " + s[0]
	}
	text := "unknown command \"" + oneLine(name) + "\""
	if cmd.HasParent() {
		text += " for \"" + cmd.CommandPath() + "\""
	}
	return hint.New(errors.New(text), h)
}
