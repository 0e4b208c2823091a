package cgroup

import (
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fs2"
)

// Limits of a cgroup; zero is no limit, -1 unlimited.
type Limits struct {
	Memory, MemorySwap, MemoryReservation int64 // bytes; MemorySwap includes Memory
	CPUPeriod                             uint64
	CPUQuota                              int64  // microseconds per period
	CPUShares                             uint64 // cgroup v1 scale
	CPUs, Mems                            string
	Pids                                  int64
	IOWeight                              uint16 // cgroup v1 scale, 10 to 1000
}

// Limit is one that was asked for: how, and which controller enforces it.
type Limit struct{ Flag, Controller string }

// Missing is the error of a limit whose controller is not there.
func (l Limit) Missing() error {
	return fmt.Errorf("%s: %w: the cgroup controller %q is not delegated to you", l.Flag, ErrLimit, l.Controller)
}

// set writes the limits to a new cgroup.
func (l Limits) set(dir string) error {
	r := &cgroups.Resources{
		Memory: l.Memory, MemorySwap: l.MemorySwap, MemoryReservation: l.MemoryReservation,
		CpuPeriod: l.CPUPeriod, CpuQuota: l.CPUQuota,
		CpuWeight:  cgroups.ConvertCPUSharesToCgroupV2Value(l.CPUShares),
		CpusetCpus: l.CPUs, CpusetMems: l.Mems,
		BlkioWeight: l.IOWeight,
		SkipDevices: true, // device nodes cannot be made in a user namespace
	}
	if l.Pids != 0 {
		r.PidsLimit = &l.Pids
	}
	m, err := fs2.NewManager(&cgroups.Cgroup{Resources: r}, dir)
	if err != nil {
		return err
	}
	err = m.Set(r)
	var file *os.PathError
	if errors.As(err, &file) && errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: the kernel has no %s", ErrLimit, file.Path)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLimit, err)
	}
	return nil
}
