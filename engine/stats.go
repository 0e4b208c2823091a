package engine

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/cgroup"
)

// Stats is what a container uses at one moment. A value below zero is not known.
type Stats struct {
	ID, Name string
	Running  bool
	At       time.Time
	Up       time.Duration // since it was started

	CPU, SystemCPU      time.Duration // used since the start
	Memory, MemoryLimit int64         // bytes
	NetIn, NetOut       int64
	BlockIn, BlockOut   int64
	PIDs                int64
	FromProc            bool // no cgroup: a sum over processes, without those that ended
}

const unknown = -1

// ReadStats measures a container.
func ReadStats(rec Record) (Stats, error) {
	s := Stats{
		ID: rec.ID, Name: rec.Name, At: time.Now(), Running: rec.Running(),
		CPU: unknown, SystemCPU: unknown, Memory: unknown, MemoryLimit: unknown,
		NetIn: unknown, NetOut: unknown, BlockIn: unknown, BlockOut: unknown, PIDs: unknown,
	}
	if !s.Running {
		return s, nil
	}
	s.Up = s.At.Sub(rec.Started)
	if rec.Network != "host" {
		s.network(rec.PID)
	}
	s.MemoryLimit = hostMemory()
	if rec.Cgroup != "" {
		u, err := cgroup.UsageOf(rec.Cgroup, rec.ID)
		if err == nil {
			s.fromCgroup(u)
		} else if rec.Running() {
			return s, err
		}
	}
	if s.CPU == unknown || s.Memory == unknown || s.PIDs == unknown {
		if err := rec.reachable(); err != nil {
			return s, fmt.Errorf("processes of %w", err)
		}
		if err := s.fromProc(rec.PID); err != nil && rec.Running() {
			return s, err
		}
	}
	return s, nil
}

func (s *Stats) fromCgroup(u cgroup.Usage) {
	s.CPU, s.SystemCPU, s.Memory, s.PIDs = u.CPU, u.System, u.Memory, u.PIDs
	s.BlockIn, s.BlockOut = u.Read, u.Written
	if u.MemoryLimit > 0 && u.MemoryLimit < s.MemoryLimit {
		s.MemoryLimit = u.MemoryLimit
	}
}

func hostMemory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return unknown
	}
	return int64(info.Totalram) * int64(info.Unit) //nolint:gosec // no machine has so much
}

// network sums up the interfaces of the container's network namespace but the
// loopback (proc_pid_net(5)).
func (s *Stats) network(pid int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", pid))
	if err != nil {
		return
	}
	s.NetIn, s.NetOut = 0, 0
	sc := bufio.NewScanner(bytes.NewReader(b))
	for sc.Scan() {
		name, rest, ok := strings.Cut(sc.Text(), ":")
		f := strings.Fields(rest)
		if !ok || strings.TrimSpace(name) == "lo" || len(f) < 9 {
			continue
		}
		in, _ := strconv.ParseInt(f[0], 10, 64)
		out, _ := strconv.ParseInt(f[8], 10, 64)
		s.NetIn, s.NetOut = s.NetIn+in, s.NetOut+out
	}
}

// fromProc fills in what no cgroup has told: the sum over the processes in the
// container's pid namespace.
func (s *Stats) fromProc(init int) error {
	want, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", init))
	if err != nil {
		return fmt.Errorf("processes of the container: %w", err)
	}
	entries, err := names("/proc")
	if err != nil {
		return err
	}
	var cpu, system time.Duration
	var memory, pids int64
	for _, name := range entries {
		if _, err := strconv.Atoi(name); err != nil {
			continue
		}
		if ns, err := os.Readlink("/proc/" + name + "/ns/pid"); err != nil || ns != want {
			continue
		}
		u, sys, rss, threads := processUsage(name)
		cpu, system, memory, pids = cpu+u+sys, system+sys, memory+rss, pids+threads
	}
	s.FromProc = s.CPU == unknown
	if s.CPU == unknown {
		s.CPU, s.SystemCPU = cpu, system
	}
	if s.Memory == unknown {
		s.Memory = memory
	}
	if s.PIDs == unknown {
		s.PIDs = pids
	}
	return nil
}

// clockTick is the unit of times in /proc (proc_pid_stat(5)); it is 100 on all
// machines that Linux has today.
const clockTick = time.Second / 100

func processUsage(pid string) (user, system time.Duration, rss, threads int64) {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0, 0, 0, 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 22 {
		return 0, 0, 0, 0
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(f[i-3], 10, 64) // numbered as in the manual page
		return n
	}
	user = time.Duration(number(14)+number(16)) * clockTick
	system = time.Duration(number(15)+number(17)) * clockTick
	return user, system, number(24) * int64(os.Getpagesize()), number(20)
}
