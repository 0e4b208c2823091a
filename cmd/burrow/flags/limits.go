package flags

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/burrow-run/burrow/engine/spec"
)

// limitFlags bound what the container uses.
type limitFlags struct {
	memory, memorySwap, memoryReservation string
	cpus, cpuShares, cpuPeriod, cpuQuota  string
	cpusetCPUs, cpusetMems, pids, blkio   string
	cgroupParent, cgroups                 string
}

func (g *limitFlags) define(d definer) {
	d = d.in("Limits")
	d.str(&g.memory, "memory", "m", "most memory, a `SIZE` such as 512m")
	d.str(&g.memorySwap, "memory-swap", "", "most memory and swap together, a `SIZE`; -1 for no limit")
	d.str(&g.memoryReservation, "memory-reservation", "", "memory to shrink to when it is short, a `SIZE`")
	d.str(&g.cpus, "cpus", "", "`NUMBER` of processors to use at most, such as 1.5")
	d.str(&g.cpuShares, "cpu-shares", "c", "weight `N` against other containers (1024 is the middle)")
	d.str(&g.cpuPeriod, "cpu-period", "", "period of --cpu-quota in `MICROSECONDS`")
	d.str(&g.cpuQuota, "cpu-quota", "", "processor time per period in `MICROSECONDS`")
	d.str(&g.cpusetCPUs, "cpuset-cpus", "", "processors to run on, a `LIST` such as 0-3,7")
	d.str(&g.cpusetMems, "cpuset-mems", "", "memory nodes to use, a `LIST`")
	d.str(&g.pids, "pids-limit", "", "most processes and threads, `N`; -1 for no limit (default 2048)")
	d.str(&g.blkio, "blkio-weight", "", "weight `N` for disk access, 10 to 1000")
	d.str(&g.cgroupParent, "cgroup-parent", "", "`CGROUP` to make the container's in")
	d.str(&g.cgroups, "cgroups", "", "`MODE`: enabled, or disabled for no cgroup of its own (default enabled)")
}

// An empty limit is an error, not "no limit": whoever asks for one and does not
// get it must hear of it.
func (g *limitFlags) fill(c *call) {
	r := &c.spec.Resources
	require(c, &r.Memory, "memory", g.memory, spec.ParseSize)
	require(c, &r.MemorySwap, "memory-swap", g.memorySwap, spec.ParseMemorySwap)
	require(c, &r.MemoryReservation, "memory-reservation", g.memoryReservation, spec.ParseSize)
	g.fillCPU(c, r)
	require(c, &r.PidsLimit, "pids-limit", g.pids, pidsLimit)
	require(c, &r.BlkioWeight, "blkio-weight", g.blkio, func(s string) (uint16, error) {
		n, err := within(s, 10, 1000)
		return uint16(n), err
	})
	parse(c, &r.CgroupParent, "cgroup-parent", g.cgroupParent, plain)
	parse(c, &r.NoCgroup, "cgroups", g.cgroups, noCgroup)
}

func (g *limitFlags) fillCPU(c *call, r *spec.Resources) {
	require(c, &r.CPUShares, "cpu-shares", g.cpuShares, func(s string) (uint64, error) { return within(s, 2, 262144) })
	require(c, &r.CPUPeriod, "cpu-period", g.cpuPeriod, func(s string) (uint64, error) { return within(s, 1000, 1000000) })
	require(c, &r.CPUQuota, "cpu-quota", g.cpuQuota, cpuQuota)
	require(c, &r.CPUSetCPUs, "cpuset-cpus", g.cpusetCPUs, cpuSet)
	require(c, &r.CPUSetMems, "cpuset-mems", g.cpusetMems, cpuSet)
	if !c.changed("cpus") {
		return
	}
	if c.changed("cpu-period") || c.changed("cpu-quota") {
		c.fail("cpus", fmt.Errorf("excludes --cpu-period and --cpu-quota: %w", spec.ErrConflict))
		return
	}
	quota, period, err := spec.ParseCPUs(g.cpus)
	c.fail("cpus", err)
	r.CPUQuota, r.CPUPeriod = quota, period
}

func cpuSet(s string) (string, error) { return s, spec.CheckCPUSet(s) }

func cpuQuota(s string) (int64, error) {
	if s == "-1" || s == "0" {
		return 0, nil
	}
	n, err := within(s, 1000, 1<<40)
	return int64(n), err
}

func pidsLimit(s string) (*int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < -1 || n > 1<<22 {
		return nil, errors.New(spec.Quote(s) + ": is not -1 or a number up to 4194304, the most that Linux takes")
	}
	if n == 0 {
		n = -1 // as with Docker
	}
	return &n, nil
}

// within reads a number that is 0, which stands for the default, or lies
// between the two given.
func within(s string, least, most uint64) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || (n != 0 && n < least) || n > most {
		return 0, fmt.Errorf("%s: is not a number from %d to %d", spec.Quote(s), least, most)
	}
	return n, nil
}

func noCgroup(s string) (bool, error) {
	switch s {
	case "enabled", "no-conmon": // there is no conmon to put anywhere
		return false, nil
	case "disabled":
		return true, nil
	case "split":
		return false, fmt.Errorf("%s is %w", spec.Quote(s), ErrUnsupported)
	}
	return false, oneOf(s, "enabled", "disabled")
}
