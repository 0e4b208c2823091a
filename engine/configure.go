package engine

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/slirp"
)

// findUser looks the payload's user up in the mounted root.
func (r *run) findUser(context.Context) (err error) {
	name := r.spec.Process.User
	if name == "" {
		name = r.image.cfg.User
	}
	if name == "" && r.mode.Kind == idmap.KeepID {
		name = r.keptUser()
	}
	if r.who, err = lookupIdentity(r.scaffold.root(), name, r.spec.Process.Groups); err != nil {
		return err
	}
	if r.keepGroups() {
		r.who.groups = nil
	}
	if err := r.checkMapped(); err != nil {
		return err
	}
	if r.who.uid != 0 {
		// Whoever is not root starts with none, whatever the bounding set allows.
		r.policy.Capabilities.Effective, r.policy.Capabilities.Permitted = nil, nil
	}
	return r.addAccounts()
}

// keepGroups: with a single ID the caller's supplementary groups stay, because
// a process that may drop them may also pass by a file that denies a group
// (CVE-2018-7169).
func (r *run) keepGroups() bool {
	return r.spec.Process.KeepGroups || r.mode.Kind == idmap.Single
}

// keptUser is who keep-id runs as: the ID that stands for the caller.
func (r *run) keptUser() string {
	uid, uok := r.uids.Container(0)
	gid, gok := r.gids.Container(0)
	if !uok || !gok {
		return ""
	}
	return strconv.FormatUint(uint64(uid), 10) + ":" + strconv.FormatUint(uint64(gid), 10)
}

// checkMapped refuses IDs that the container does not have: the kernel would
// say no more than "invalid argument".
func (r *run) checkMapped() error {
	if _, ok := r.uids.Host(r.who.uid); !ok {
		return unmapped("UID", r.who.uid)
	}
	if _, ok := r.gids.Host(r.who.gid); !ok {
		return unmapped("GID", r.who.gid)
	}
	var kept []uint32
	var left []string
	for _, g := range r.who.groups {
		if _, ok := r.gids.Host(g); ok {
			kept = append(kept, g)
			continue
		}
		left = append(left, strconv.FormatUint(uint64(g), 10))
	}
	if len(left) > 0 {
		more := ""
		if len(left) > 10 {
			left, more = left[:10], " and more"
		}
		r.warn("groups that are not mapped into the container are left out: %s%s", strings.Join(left, ", "), more)
	}
	r.who.groups = kept
	return nil
}

func unmapped(kind string, id uint32) error {
	return hint.New(fmt.Errorf("%s %d is not mapped into the container", kind, id),
		fmt.Sprintf("--user %d asks for that ID; with --userns=single there is only 0", id))
}

// configure fills in what libcontainer will be given.
func (r *run) configure(ctx context.Context) error {
	argv, err := r.command()
	if err != nil {
		return err
	}
	if err := r.checkRoot(); err != nil {
		return err
	}
	mounts, err := r.mounts(ctx)
	if err != nil {
		return err
	}
	namespaces, err := r.namespaces()
	if err != nil {
		return err
	}
	env, initArgs := r.environment(), 0
	secrets, err := r.secretEnv()
	if err != nil {
		return err
	}
	env = spec.Env{Set: secrets}.Apply(env)
	if r.spec.Process.Init {
		init, err := r.initMount()
		if err != nil {
			return err
		}
		mounts = append(mounts, init)
		argv = append([]string{init.Dest, "--"}, argv...)
		initArgs = 2
	}
	if err := checkArgs(argv, env); err != nil {
		return err
	}
	r.config = launch.Config{
		ID:            r.id,
		StateDir:      r.runtimeDir(),
		Rootfs:        r.scaffold.root(),
		ReadOnly:      r.spec.Root.ReadOnly,
		Hostname:      r.hostname,
		Domainname:    r.spec.Process.Domainname,
		Namespaces:    namespaces,
		UIDs:          r.uids,
		GIDs:          r.gids,
		Mounts:        mounts,
		Devices:       r.devices(),
		SharedRoot:    wantsPropagation(r.spec.Mounts),
		Args:          argv,
		InitArgs:      initArgs,
		Env:           env,
		Cwd:           r.workdir(),
		UID:           r.who.uid,
		GID:           r.who.gid,
		Groups:        r.who.groups,
		KeepGroups:    r.keepGroups(),
		Umask:         r.spec.Process.Umask,
		OOMScore:      r.spec.Process.OOMScoreAdj,
		Policy:        r.policy,
		Sysctls:       ownSysctls(r.policy.Sysctls),
		TTY:           r.spec.Stdio.TTY,
		DieWithParent: r.sup == nil,
	}
	if err := r.stdio(); err != nil {
		return err
	}
	return r.connectService()
}

// ownSysctls are those that the container's init writes itself; the network's
// are written by whoever owns the network namespace.
func ownSysctls(all map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range all {
		if !strings.HasPrefix(k, "net.") {
			out[k] = v
		}
	}
	return out
}

func (r *run) workdir() string {
	dir := r.spec.Process.Workdir
	if dir == "" {
		dir = r.image.cfg.WorkingDir
	}
	return path.Clean("/" + dir)
}

// environment is what the payload sees: the image's variables, a few of ours,
// then the command line's. Nothing of the caller's gets in unasked.
func (r *run) environment() []string {
	env := withHome(r.baseEnvironment(), r.who.home)
	if r.systemd {
		env = spec.Env{Set: []string{"container_uuid=" + r.id[:32]}}.Apply(env) // it becomes the machine's ID
	}
	return env
}

// baseEnvironment is that without HOME, which depends on the user.
func (r *run) baseEnvironment() []string {
	base := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	if r.spec.Stdio.TTY {
		term := r.opts.Term
		if term == "" {
			term = "xterm"
		}
		base = append(base, "TERM="+term)
	}
	base = append(base, "container=burrow", "HOSTNAME="+r.hostname)
	base = spec.Env{Set: r.image.cfg.Env}.Apply(base)
	env := r.spec.Process.Env.Apply(base)
	if tz := r.spec.Process.Timezone; tz != "" && tz != "local" {
		env = spec.Env{Set: []string{"TZ=" + tz}}.Apply(env)
	}
	return env
}

// checkArgs refuses what cannot be handed over at all. Whether the rest is too
// long, the kernel knows better: the gate reports E2BIG.
func checkArgs(lists ...[]string) error {
	for _, list := range lists {
		for _, s := range list {
			if strings.IndexByte(s, 0) >= 0 {
				return fmt.Errorf("argument %.20q contains a NUL byte", s)
			}
		}
	}
	return nil
}

// namespaces says for each namespace whether it is new, the host's or another's.
func (r *run) namespaces() (launch.Namespaces, error) {
	var out launch.Namespaces
	var err error
	if out.PID, err = r.joinOne(r.spec.Namespaces.PID, "pid"); err != nil {
		return out, err
	}
	if out.IPC, err = r.joinOne(r.spec.Namespaces.IPC, "ipc"); err != nil {
		return out, err
	}
	if out.UTS, err = r.joinOne(r.spec.Namespaces.UTS, "uts"); err != nil {
		return out, err
	}
	if out.Cgroup, err = r.joinOne(r.spec.Namespaces.Cgroup, "cgroup"); err != nil {
		return out, err
	}
	out.User = launch.Namespace{Host: r.mode.Kind == idmap.Host, Path: r.usernsPath}
	out.Time = launch.Namespace{Host: true}
	switch {
	case r.network.mode.Kind == slirp.Host:
		out.Net.Host = true
	case r.network.ownedByContainer:
	default:
		out.Net.Path = r.network.path
	}
	return out, nil
}

func (r *run) joinOne(n spec.Namespace, file string) (launch.Namespace, error) {
	switch n.Mode {
	case spec.NamespaceHost:
		return launch.Namespace{Host: true}, nil
	case spec.NamespacePath:
		return launch.Namespace{Path: n.Ref}, nil
	case spec.NamespaceContainer:
		rec, err := runningContainer(r.opts.Dirs, n.Ref)
		if err != nil {
			return launch.Namespace{}, err
		}
		path, err := r.openNamespace(rec, file)
		return launch.Namespace{Path: path}, err
	case spec.NamespacePrivate, spec.NamespaceShareable, spec.NamespaceNone:
	}
	return launch.Namespace{}, nil
}
