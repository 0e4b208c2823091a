package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/burrow-run/burrow/engine/doctor"
	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/stage"
	"github.com/burrow-run/burrow/userns"
	"github.com/burrow-run/burrow/userns/nsjoin"
)

// anchorMaps reads this process's own maps: in the anchor they say which host
// ID each anchor ID is.
func anchorMaps() (uids, gids idmap.Map, err error) {
	read := func(name string) (idmap.Map, error) {
		f, err := os.Open("/proc/self/" + name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return idmap.ParseMap(f)
	}
	if uids, err = read("uid_map"); err != nil {
		return nil, nil, err
	}
	gids, err = read("gid_map")
	return uids, gids, err
}

// whoAmI says whether we are in the anchor, and our IDs outside it.
func whoAmI() (c caller, uids, gids idmap.Map, err error) {
	if err := nsjoin.Err(); err != nil {
		return caller{}, nil, nil, hint.New(err, "burrow system migrate")
	}
	if !nsjoin.Joined() && !stage.Current().Inside() {
		return findCaller(false, os.Getuid(), os.Getgid()), nil, nil, nil
	}
	if uids, gids, err = anchorMaps(); err != nil {
		return caller{}, nil, nil, err
	}
	uid, uok := uids.Host(0)
	gid, gok := gids.Host(0)
	if !uok || !gok {
		return caller{}, nil, nil, errors.New("bug: the anchor maps no root")
	}
	return findCaller(true, int(uid), int(gid)), uids, gids, nil
}

// enterAnchor makes the anchor if there is none and executes this command again:
// only a process without threads can join a user namespace. It returns only on error.
func enterAnchor(ctx context.Context, c caller, detail string) error {
	if stage.Current() == stage.Joined {
		// We have been here: the anchor was made and cannot be found.
		return errors.New("join anchor: it has died; try again")
	}
	if err := os.MkdirAll(c.dirs.Run, 0o700); err != nil {
		return hint.New(fmt.Errorf("%w: %w", userns.ErrRunDir, err), "burrow doctor")
	}
	uids, gids, err := userns.Maps(ctx, userns.User{Name: c.name, UID: uint32(c.uid), GID: uint32(c.gid)})
	if err != nil {
		return err
	}
	if c.uid == 0 {
		if err := prepareRoot(c, uids, gids); err != nil {
			return err
		}
	}
	_, err = userns.EnsureAnchor(ctx, userns.Options{
		Run: c.dirs.Run, UIDs: uids, GIDs: gids, Adopt: c.manager().Adopt,
	})
	if err != nil {
		return doctor.Explain(ctx, doctorEnv(c), err)
	}
	env := append(os.Environ(), stage.Env(stage.Joined, detail))
	return os.NewSyscallError("exec /proc/self/exe", syscall.Exec("/proc/self/exe", os.Args, env))
}

// asRoot says whether it is host root for whom this process works, in root's anchor.
func asRoot() bool { return nsjoin.AsRoot() || stage.Current().Root() }

// warnLostCwd tells the user of a program that we become, and whose arguments
// we do not know.
func (a *app) warnLostCwd() {
	if nsjoin.CwdLost() {
		warn(a.err, "the working directory is not visible in the anchor: relative paths begin at /; burrow system migrate may help")
	}
}

// prepareRoot makes root's directories, which belong to its first sub-ID.
func prepareRoot(c caller, uids, gids idmap.Map) error {
	uid, uok := uids.Host(0)
	gid, gok := gids.Host(0)
	if !uok || !gok {
		return hint.New(fmt.Errorf("root: %w; without them containers would have to run as host root, which burrow never does", idmap.ErrNoSubIDs),
			idmap.Grant("root")+"; or run burrow as an unprivileged user")
	}
	for _, dir := range []string{c.dirs.Data, filepath.Dir(c.dirs.State), c.dirs.State, c.dirs.Cache, c.dirs.Run} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			return err
		}
	}
	return nil
}

func doctorEnv(c caller) doctor.Env {
	return doctor.Env{
		User: c.name, UID: c.uid, Dirs: c.dirs, Path: os.Getenv("PATH"),
		Network:    os.Getenv("BURROW_NETWORK"),
		RuntimeDir: os.Getenv("XDG_RUNTIME_DIR"), BusAddress: os.Getenv("DBUS_SESSION_BUS_ADDRESS"),
	}
}

// explainStart says which setting of the host a failed start is due to, if it is.
func explainStart(ctx context.Context, c caller, err error) error {
	var start *launch.StartError
	if !errors.As(err, &start) {
		return err
	}
	return doctor.ExplainStart(ctx, doctorEnv(c), err)
}

// withoutStage is the environment less our own variables, but for those that a process in the
// anchor inherits, and for root with the directories that its anchor uses in place of its own.
func withoutStage(env []string) []string {
	own := stage.Inherited()
	if asRoot() {
		own = append(own, paths.RootEnv().Vars()...)
	}
	out := make([]string, 0, len(env)+len(own))
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		replaced := slices.ContainsFunc(own, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		if name != "BURROW_STAGE" && !replaced {
			out = append(out, kv)
		}
	}
	return append(out, own...)
}
