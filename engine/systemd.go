package engine

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
)

// ErrSystemd means that a service manager cannot be a container's first process here.
var ErrSystemd = errors.New("systemd cannot run in it")

// isSystemd says whether a command is a service manager, as Podman tells it.
func isSystemd(argv []string) bool {
	if len(argv) > 2 && argv[0] == "/bin/sh" && argv[1] == "-c" {
		argv = argv[2:]
	}
	return path.Base(argv[0]) == "systemd" || slices.Contains([]string{"/sbin/init", "/usr/sbin/init", "/usr/local/sbin/init"}, argv[0])
}

// planSystemd decides whether the container gets what systemd needs as its first
// process (systemd.io/CONTAINER_INTERFACE): places to write to that are memory, a
// part of the cgroup tree that is its own, below its limits, and its own way to be
// asked to stop. It gets no capability for that.
func (r *run) planSystemd() error {
	mode := r.spec.Process.Systemd
	if mode == spec.SystemdFalse {
		return nil
	}
	argv, err := r.command()
	if err != nil || mode != spec.SystemdAlways && !isSystemd(argv) {
		return err
	}
	if why := r.noSystemd(); why != "" {
		if mode == spec.SystemdAuto {
			r.warn("%s runs without what systemd needs: %s", argv[0], why)
			return nil
		}
		return hint.New(fmt.Errorf("--systemd: %w: %s", ErrSystemd, why), "leave out --systemd, or use --init")
	}
	r.systemd = true
	r.image.cfg.StopSignal = cmp.Or(r.image.cfg.StopSignal, "SIGRTMIN+3") // systemd(1): halt
	return nil
}

// noSystemd says why not, "" if it can run.
func (r *run) noSystemd() string {
	ns := r.spec.Namespaces
	switch {
	case r.spec.Process.Init:
		return "with --init it is not the first process"
	case ns.PID.Mode != spec.NamespacePrivate:
		return "it is not the first process of its pid namespace (--pid)"
	case ns.Cgroup.Mode == spec.NamespaceHost:
		return "the cgroups that it sees are the host's (--cgroupns=host)"
	case r.cgroup.made != nil:
		return "" // a further process: the container runs
	case r.cgroup.place.None() != "":
		return "it needs a cgroup of its own: " + r.cgroup.place.None()
	}
	return ""
}
