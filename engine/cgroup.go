package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/term"

	"github.com/burrow-run/burrow/engine/cgroup"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
)

// ErrLimit means that a limit cannot be honoured here. It is never ignored.
var ErrLimit = cgroup.ErrLimit

// group is the container's cgroup on its way; made is closed when group and err
// are there. A nil group without an error: it gets none.
type group struct {
	place cgroup.Place
	made  chan struct{}
	group *cgroup.Group
	err   error
}

// asked are the limits of the command line, with what enforces them.
func asked(r spec.Resources) []cgroup.Limit {
	var out []cgroup.Limit
	for _, w := range []struct {
		asked bool
		cgroup.Limit
	}{
		{r.Memory != 0, cgroup.Limit{Flag: "--memory", Controller: "memory"}},
		{r.MemorySwap != 0, cgroup.Limit{Flag: "--memory-swap", Controller: "memory"}},
		{r.MemoryReservation != 0, cgroup.Limit{Flag: "--memory-reservation", Controller: "memory"}},
		{r.CPUQuota != 0 || r.CPUPeriod != 0, cgroup.Limit{Flag: "--cpus", Controller: "cpu"}},
		{r.CPUShares != 0, cgroup.Limit{Flag: "--cpu-shares", Controller: "cpu"}},
		{r.CPUSetCPUs != "", cgroup.Limit{Flag: "--cpuset-cpus", Controller: "cpuset"}},
		{r.CPUSetMems != "", cgroup.Limit{Flag: "--cpuset-mems", Controller: "cpuset"}},
		{r.PidsLimit != nil && *r.PidsLimit > 0, cgroup.Limit{Flag: "--pids-limit", Controller: "pids"}},
		{r.BlkioWeight != 0, cgroup.Limit{Flag: "--blkio-weight", Controller: "io"}},
	} {
		if w.asked {
			out = append(out, w.Limit)
		}
	}
	return out
}

// planCgroup decides where the container's cgroup will be and checks that each
// limit asked for has its controller there. It makes nothing.
func (r *run) planCgroup(ctx context.Context) (err error) {
	if r.cgroup.made != nil {
		return nil // a further process: the container has its cgroup
	}
	res := r.spec.Resources
	place := cgroup.Nowhere("--cgroups=disabled")
	if !res.NoCgroup {
		if place, err = cgroup.Find(ctx, r.opts.Manager, res.CgroupParent); err != nil {
			return hint.New(fmt.Errorf("--cgroup-parent: %w", err), "name a slice of systemd's, as in --cgroup-parent jobs.slice, or leave it out")
		}
	}
	for _, l := range asked(res) {
		if why := place.None(); why != "" {
			return hint.New(fmt.Errorf("%s: %w: no cgroup: %s", l.Flag, ErrLimit, why), "burrow doctor")
		}
		if place.Lacks(l.Controller) {
			return missing(l)
		}
	}
	r.cgroup.place = place
	return nil
}

func missing(l cgroup.Limit) error {
	return hint.New(l.Missing(), "burrow doctor says how to delegate it; or leave out "+l.Flag)
}

// limits translates the flags. Docker's memory-swap is memory plus swap, and
// without it a memory limit allows as much swap again.
func limits(r spec.Resources) cgroup.Limits {
	l := cgroup.Limits{
		Memory: r.Memory, MemorySwap: r.MemorySwap, MemoryReservation: r.MemoryReservation,
		CPUPeriod: r.CPUPeriod, CPUQuota: r.CPUQuota, CPUShares: r.CPUShares,
		CPUs: r.CPUSetCPUs, Mems: r.CPUSetMems, IOWeight: r.BlkioWeight,
		Pids: spec.DefaultPidsLimit,
	}
	if l.Memory > 0 && l.MemorySwap == 0 {
		l.MemorySwap = 2 * l.Memory
	}
	if r.PidsLimit != nil {
		l.Pids = *r.PidsLimit
	}
	return l
}

// startCgroup begins to make the cgroup, beside everything else: this process
// may have to move to where it can put the container into it.
func (r *run) startCgroup(ctx context.Context) error {
	r.cgroup.made = make(chan struct{})
	if r.cgroup.place.None() != "" {
		close(r.cgroup.made)
		return nil
	}
	options := cgroup.Options{
		Limits:   limits(r.spec.Resources),
		Asked:    asked(r.spec.Resources),
		Nested:   r.managesCgroups() || slices.Contains(r.policy.Capabilities.Bounding, "CAP_SYS_ADMIN"),
		Outlives: r.sup != nil,
		// An exec into another SELinux domain clears the wish to die with the parent.
		Guard: r.policy.SELinux.ProcessLabel != "",
	}
	go func() {
		defer close(r.cgroup.made)
		defer r.stepDone("make cgroup", time.Now())
		r.cgroup.group, r.cgroup.err = r.cgroup.place.Make(ctx, r.id, options)
	}()
	r.later(func() {
		<-r.cgroup.made
		if g := r.cgroup.group; g != nil {
			g.Remove(context.WithoutCancel(ctx))
		}
	})
	return nil
}

// managesCgroups says whether the container may make cgroups below its own.
// Those of the host it never may.
func (r *run) managesCgroups() bool {
	return r.policy.WritableCgroups && r.spec.Namespaces.Cgroup.Mode != spec.NamespaceHost
}

// awaitCgroup waits for the cgroup and tells libcontainer's stages to be born
// in it. Without one, a container that asked for no limit runs all the same.
func (r *run) awaitCgroup(ctx context.Context) error {
	select {
	case <-r.cgroup.made:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := r.cgroup.err; err != nil {
		if len(asked(r.spec.Resources)) > 0 || r.spec.Resources.CgroupParent != "" || errors.Is(err, ErrLimit) {
			return hint.New(err, "burrow doctor")
		}
		r.warn("no cgroup, so no limit on processes: %v", err)
	}
	g := r.cgroup.group
	if g == nil {
		r.sayUnlimited()
		return nil
	}
	r.config.Cgroup = g.File()
	r.record.Cgroup = g.Path()
	if !r.managesCgroups() {
		return nil
	}
	uid, uok := r.uids.Host(0)
	gid, gok := r.gids.Host(0)
	if !uok || !gok {
		return nil // it has no root that could
	}
	return g.Give(int(uid), int(gid))
}

// sayUnlimited tells somebody who reads it, once per login, that the default
// limit on processes does not hold here. Doctor says more, and to scripts too.
func (r *run) sayUnlimited() {
	why := r.cgroup.place.None()
	if why == "" || r.spec.Resources.NoCgroup || r.sup != nil || !term.IsTerminal(int(r.opts.Stderr.Fd())) {
		return
	}
	said, err := os.OpenFile(filepath.Join(r.opts.Dirs.Run, "said-unlimited"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	said.Close()
	r.warn("containers run without limits: %s (burrow doctor)", why)
}

// joinCgroup begins to open the cgroup of a running container for a further
// process. There is no doing without: outside it would have no limits.
func (r *run) joinCgroup(ctx context.Context, rec Record) {
	r.cgroup.made = make(chan struct{})
	if rec.Cgroup == "" {
		close(r.cgroup.made)
		return
	}
	go func() {
		defer close(r.cgroup.made)
		r.cgroup.group, r.cgroup.err = cgroup.Join(ctx, r.opts.Manager, rec.Cgroup, rec.PID)
	}()
	r.later(func() {
		<-r.cgroup.made
		if g := r.cgroup.group; g != nil {
			g.Leave()
		}
	})
}

// awaitJoin waits until the cgroup is open.
func (r *run) awaitJoin(ctx context.Context) error {
	select {
	case <-r.cgroup.made:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := r.cgroup.err; err != nil {
		return hint.New(err, "run burrow exec from where the container was started")
	}
	if g := r.cgroup.group; g != nil {
		r.config.Cgroup = g.File()
	}
	return nil
}

// checkCgroup verifies from outside that the container is where its limits hold.
func (r *run) checkCgroup(pid int) error {
	if r.cgroup.group == nil {
		return nil
	}
	return r.cgroup.group.Check(pid)
}

// outOfMemory says whether the kernel killed for want of memory, and tells the user.
func (r *run) outOfMemory(e Exit) bool {
	if r.cgroup.group == nil || !r.cgroup.group.OOMKilled() {
		return false
	}
	if e.Code() == 137 {
		r.warn("out of memory: the kernel killed a process of the container; its limit is --memory")
	}
	return true
}
