package launch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/security"
)

// Join starts a further process in a running container. Of c, only what
// concerns the process counts: arguments, environment, user, directory, streams,
// terminal and Policy, which should be the container's own ForExec.
//
// The process is a child of the caller, born in the container's namespaces; as
// with Create the caller must call Exec or Destroy. Attacks from inside the
// container on the joining process are met by libcontainer, which makes it
// undumpable until the gate runs (CVE-2016-9962), and by guard from then on.
func Join(ctx context.Context, c Config, filter *security.Program) (_ *Container, err error) {
	g := guardOf(c.Policy, filter)
	program, err := encodeGate(c, filter, g)
	if err != nil {
		return nil, err
	}
	programFD, err := programFile(program, c.ID)
	if err != nil {
		return nil, err
	}
	defer programFD.Close()
	status, statusChild, err := newStatus()
	if err != nil {
		return nil, err
	}
	defer statusChild.Close()
	out := &Container{status: status, path: c.Args[0], joined: true}
	defer func() {
		if err != nil {
			status.Close()
		}
	}()
	if out.lc, err = libcontainer.Load(c.StateDir, c.ID); err != nil {
		return nil, fmt.Errorf("join container: %w", err)
	}
	if err := standIn(out.lc.Config().Rootfs); err != nil {
		return nil, err
	}
	p := newProcess(c, programFD, statusChild)
	p.Init = false
	p.Capabilities = lcCapabilities(c.Policy)
	g.add(p.Capabilities)
	p.Rlimits = reachable(out.lc.Config().Rlimits)
	nnp := c.Policy.NoNewPrivileges
	p.NoNewPrivileges = &nnp
	return out, out.startProcess(ctx, c, p)
}

// reachable are a container's resource limits as far as this process can give them:
// its own may be lower than those of whoever started the container, and nobody
// without privileges in the initial namespace can raise them.
func reachable(limits []configs.Rlimit) []configs.Rlimit {
	out := slices.Clone(limits)
	for i, l := range out {
		var own unix.Rlimit
		if unix.Getrlimit(l.Type, &own) == nil {
			out[i].Hard, out[i].Soft = min(l.Hard, own.Max), min(l.Soft, own.Max)
		}
	}
	return out
}

// standIn makes the directory that libcontainer starts the process in: the
// container's root is mounted in another mount namespace than ours, which must
// be our own.
func standIn(rootfs string) error {
	if _, err := os.Stat(rootfs); err == nil {
		return nil
	}
	if err := sys.Mount("burrow", filepath.Dir(rootfs), "tmpfs", sys.MountNoSUID|sys.MountNoDev, "mode=0711,size=64k"); err != nil {
		return fmt.Errorf("join container: %w", err)
	}
	return os.Mkdir(rootfs, 0o711)
}
