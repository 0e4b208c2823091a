package engine

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
)

// ExecSpec is a further process in a running container.
type ExecSpec struct {
	Args       []string
	Env        spec.Env
	User       string // "": as the container's first process
	Workdir    string // "": as the container's first process
	Privileged bool   // with all capabilities that the container's user namespace can give
	Detach     bool
	Stdio      spec.Stdio
	Timeout    time.Duration // then it is killed; 0: never
	Unrecorded bool          // the audit trail gets no record of it
}

// Exec runs a further process in a container, under the container's own
// confinement, as a child of the caller. Nothing of it stays resident.
func Exec(ctx context.Context, ref string, e ExecSpec, o Options) (Exit, error) {
	rec, err := Lookup(o.Dirs, ref)
	if err != nil {
		return Exit{}, err
	}
	if !rec.Running() {
		return Exit{ID: rec.ID}, fmt.Errorf("exec in %s: %w", rec.Name, ErrNotRunning)
	}
	if err := rec.notStarted(); err != nil {
		return Exit{ID: rec.ID}, fmt.Errorf("exec in %w", err)
	}
	if err := rec.reachable(); err != nil {
		return Exit{ID: rec.ID}, fmt.Errorf("exec in %w", err)
	}
	if rec.Paused() { // it would be frozen at birth, and we would wait for it
		return Exit{ID: rec.ID}, hint.New(fmt.Errorf("exec in %s: %w", rec.Name, ErrPaused), "burrow unpause "+rec.Name)
	}
	s := rec.Spec
	s.Stdio, s.Timeout = e.Stdio, e.Timeout
	s.Log = spec.Log{} // what it prints goes to the caller, wherever the container's output goes
	s.Security.Privileged = s.Security.Privileged || e.Privileged
	go launch.Prepare()
	r := &run{spec: s, opts: o}
	defer r.cleanUp()
	r.adopt(rec)
	r.record = rec
	if !e.Unrecorded {
		settleExecs(o.Dirs, rec, false)
	}
	r.joinCgroup(ctx, rec)
	if err := r.joinConfig(ctx, rec, e); err != nil {
		return Exit{ID: rec.ID}, err
	}
	if err := r.awaitJoin(ctx); err != nil {
		return Exit{ID: rec.ID}, err
	}
	hear := func() {}
	if !e.Detach {
		hear = r.listen()
	}
	c, err := launch.Join(ctx, r.config, r.program)
	if err != nil {
		return Exit{ID: rec.ID}, err
	}
	if err := r.checkCgroup(c.PID()); err != nil {
		c.Destroy()
		return Exit{ID: rec.ID}, err
	}
	if e.Detach {
		ended := r.noteExec(c.PID(), e)
		if err := c.Exec(); err != nil {
			ended(execFailedCode(err), err)
			return Exit{ID: rec.ID}, err
		}
		return Exit{ID: rec.ID, Detached: true}, nil
	}
	defer c.Destroy()
	session, err := r.attach(c)
	if err != nil {
		return Exit{ID: rec.ID}, err
	}
	defer session.restore()
	ended := r.noteExec(c.PID(), e)
	hear()
	if err := c.Exec(); err != nil {
		ended(execFailedCode(err), err)
		return Exit{ID: rec.ID}, err
	}
	exit, err := r.wait(ctx, c, session)
	if err == nil {
		ended(exit.Code(), nil)
	}
	return exit, err
}

// joinConfig works out what the process is, from the container's record and
// from its root filesystem, which is seen through its first process.
func (r *run) joinConfig(ctx context.Context, rec Record, e ExecSpec) error {
	if err := r.findImage(ctx); err != nil {
		return err
	}
	r.level = levelOf(rec.Security.SELinux.ProcessLabel)
	if err := r.compilePolicy(ctx); err != nil {
		return err
	}
	r.policy = r.policy.ForExec()
	r.uids, r.gids = rec.UIDMap, rec.GIDMap
	user := e.User
	if user == "" {
		user = strconv.FormatUint(uint64(rec.UID), 10) + ":" + strconv.FormatUint(uint64(rec.GID), 10)
	}
	root := fmt.Sprintf("/proc/%d/root", rec.PID)
	var err error
	if r.who, err = lookupIdentity(root, user, nil); err != nil {
		return err
	}
	if e.User == "" {
		r.who.groups = rec.Groups
	}
	if err := r.checkMapped(); err != nil {
		return err
	}
	workdir := path.Clean("/" + cmp.Or(e.Workdir, r.workdir()))
	if err := spec.CheckWorkdir(workdir); err != nil {
		return err
	}
	if err := isWorkdir(root, workdir); err != nil {
		return err
	}
	secrets, err := r.secretEnv()
	if err != nil { // it was removed meanwhile; this process need not be one that wants it
		r.warn("%v", err)
	}
	env := spec.Env{Set: secrets}.Apply(r.baseEnvironment())
	env = withHome(e.Env.Apply(env), r.who.home)
	if err := checkArgs(e.Args, env); err != nil {
		return err
	}
	r.config = launch.Config{
		ID: rec.ID, StateDir: r.runtimePath(), Args: e.Args, Env: env,
		Cwd: workdir, UID: r.who.uid, GID: r.who.gid, Groups: r.who.groups,
		KeepGroups: r.keepGroups(), Policy: r.policy, TTY: e.Stdio.TTY, DieWithParent: !e.Detach,
	}
	if e.Detach {
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		r.later(func() { null.Close() })
		r.config.Stdin, r.config.Stdout, r.config.Stderr = null, null, null
		return nil
	}
	return r.stdio()
}

func withHome(env []string, home string) []string {
	for _, kv := range env {
		if strings.HasPrefix(kv, "HOME=") {
			return env
		}
	}
	return append(env, "HOME="+home)
}

// levelOf is the MCS level of an SELinux label, user:role:type:level.
func levelOf(label string) string {
	parts := strings.SplitN(label, ":", 4)
	if len(parts) != 4 {
		return ""
	}
	return parts[3]
}
