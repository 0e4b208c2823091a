package engine

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
)

// ErrLimit means that a limit cannot be honoured here. It is never ignored.
var ErrLimit = errors.New("limit cannot be honoured")

const cgroupRoot = "/sys/fs/cgroup"

// cgroupPlace is where this user may make cgroups, if anywhere.
type cgroupPlace struct {
	kind        launch.CgroupKind
	dir         string   // whose controllers count
	parent      string   // below cgroupRoot, for kind CgroupFS
	controllers []string // delegated to the user
	why         string   // there is none
}

// wish is a limit that was asked for, with the controller that enforces it.
type wish struct{ flag, controller string }

func wishes(r spec.Resources) []wish {
	var out []wish
	for _, w := range []struct {
		asked bool
		wish
	}{
		{r.Memory != 0, wish{"--memory", "memory"}},
		{r.MemorySwap != 0, wish{"--memory-swap", "memory"}},
		{r.MemoryReservation != 0, wish{"--memory-reservation", "memory"}},
		{r.CPUQuota != 0 || r.CPUPeriod != 0, wish{"--cpus", "cpu"}},
		{r.CPUShares != 0, wish{"--cpu-shares", "cpu"}},
		{r.CPUSetCPUs != "", wish{"--cpuset-cpus", "cpuset"}},
		{r.CPUSetMems != "", wish{"--cpuset-mems", "cpuset"}},
		{r.PidsLimit != nil && *r.PidsLimit > 0, wish{"--pids-limit", "pids"}},
		{r.BlkioWeight != 0, wish{"--blkio-weight", "io"}},
	} {
		if w.asked {
			out = append(out, w.wish)
		}
	}
	return out
}

// planCgroup decides where the container's cgroup will be and checks that each
// limit asked for has its controller there.
func (r *run) planCgroup() (launch.Cgroup, error) {
	res := r.spec.Resources
	place := cgroupPlace{why: "--cgroups=disabled"}
	if !res.NoCgroup {
		place = r.findPlace()
	}
	for _, w := range wishes(res) {
		if place.kind == launch.CgroupNone {
			return launch.Cgroup{}, hint.New(fmt.Errorf("%s: %w: no cgroup: %s", w.flag, ErrLimit, place.why), "burrow doctor")
		}
		if !slices.Contains(place.controllers, w.controller) {
			return launch.Cgroup{}, hint.New(
				fmt.Errorf("%s: %w: the cgroup controller %q is not delegated to you", w.flag, ErrLimit, w.controller),
				"burrow doctor says how to delegate it; or leave out "+w.flag)
		}
	}
	out := launch.Cgroup{Kind: place.kind, Parent: place.parent}
	if place.kind == launch.CgroupNone {
		if res.CgroupParent != "" {
			return out, hint.New(fmt.Errorf("--cgroup-parent: %w: %s", ErrLimit, place.why), "burrow doctor")
		}
		return out, nil
	}
	out.Limits = limits(res)
	if out.Limits.Pids == 0 && res.PidsLimit == nil && slices.Contains(place.controllers, "pids") {
		out.Limits.Pids = spec.DefaultPidsLimit
	}
	return out, nil
}

// limits translates the flags. Docker's memory-swap is memory plus swap, and
// without it a memory limit allows as much swap again.
func limits(r spec.Resources) launch.Limits {
	l := launch.Limits{
		Memory: r.Memory, MemorySwap: r.MemorySwap, MemoryReservation: r.MemoryReservation,
		CPUPeriod: r.CPUPeriod, CPUQuota: r.CPUQuota, CPUShares: r.CPUShares,
		CPUs: r.CPUSetCPUs, Mems: r.CPUSetMems, IOWeight: r.BlkioWeight,
	}
	if l.Memory > 0 && l.MemorySwap == 0 {
		l.MemorySwap = 2 * l.Memory
	}
	if r.PidsLimit != nil {
		l.Pids = *r.PidsLimit
	}
	return l
}

// findPlace looks for the user's service manager first: there the container
// gets a scope of its own. Else for a cgroup that this user may write.
func (r *run) findPlace() cgroupPlace {
	if !unifiedCgroups() {
		return cgroupPlace{why: "cgroup v2 is not mounted on " + cgroupRoot}
	}
	uid, _ := r.opts.UIDs.Host(0)
	user := fmt.Sprintf("%s/user.slice/user-%d.slice/user@%d.service", cgroupRoot, uid, uid)
	if r.opts.SystemdBus && isWritable(user) && !path.IsAbs(r.spec.Resources.CgroupParent) {
		return cgroupPlace{
			kind: launch.CgroupSystemd, dir: user, parent: r.spec.Resources.CgroupParent,
			controllers: controllersOf(user),
		}
	}
	parent := r.spec.Resources.CgroupParent
	if parent == "" {
		parent = ownCgroup()
	}
	dir := path.Join(cgroupRoot, parent)
	if parent == "" || !isWritable(dir) {
		return cgroupPlace{why: "no part of the tree is delegated to you"}
	}
	if r.spec.Resources.CgroupParent == "" && hasProcesses(dir) {
		// A cgroup that holds processes cannot pass controllers on (cgroups(7)).
		return cgroupPlace{kind: launch.CgroupFS, dir: dir, parent: parent}
	}
	return cgroupPlace{kind: launch.CgroupFS, dir: dir, parent: parent, controllers: controllersOf(dir)}
}

// ownCgroup is the cgroup v2 of this process, "" for the root.
func ownCgroup() string {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if own, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok && own != "/" {
			return own
		}
	}
	return ""
}

func controllersOf(dir string) []string {
	b, err := os.ReadFile(path.Join(dir, "cgroup.controllers"))
	if err != nil {
		return nil
	}
	return strings.Fields(string(b))
}

func hasProcesses(dir string) bool {
	b, err := os.ReadFile(path.Join(dir, "cgroup.procs"))
	return err != nil || len(b) > 0
}

// isWritable says whether cgroups can be made in dir and processes moved there.
// In the anchor, access(2) would say yes to what our capabilities override, so
// ownership is asked: a delegated cgroup belongs to the user.
func isWritable(dir string) bool {
	for _, name := range []string{"", "cgroup.procs", "cgroup.subtree_control"} {
		var st unix.Stat_t
		if err := unix.Stat(path.Join(dir, name), &st); err != nil || int(st.Uid) != os.Geteuid() {
			return false
		}
	}
	return true
}
