package engine

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Process is one process in a container. IDs are the container's, Host… the
// anchor's.
type Process struct {
	PID, PPID, PGID, HostPID         int
	UID, RealUID, GID, RealGID       uint32
	HostUID, HostGID                 uint32
	User, RealUser, Group, RealGroup string // of the container's account files, else the number
	State, Seccomp, Label, TTY       string
	Command                          string // its name
	Args                             []string
	Nice                             int
	CPU, Elapsed                     time.Duration
	Started                          time.Time
	VirtualSize                      int64             // bytes
	Capabilities                     map[string]uint64 // by the names in proc_pid_status(5): CapEff …
}

// Processes lists the processes of a running container from the host's /proc,
// by PID: nothing of the image is executed for it (CVE-2022-1227). It must be
// called inside the anchor.
func Processes(rec Record) ([]Process, error) {
	if !rec.Running() {
		return nil, fmt.Errorf("%s: %w", rec.Name, ErrNotRunning)
	}
	if err := rec.reachable(); err != nil {
		return nil, fmt.Errorf("processes of %w", err)
	}
	want, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", rec.PID))
	if err != nil {
		return nil, fmt.Errorf("processes of the container: %w", err)
	}
	entries, err := names("/proc")
	if err != nil {
		return nil, err
	}
	uptime, err := uptime()
	if err != nil {
		return nil, err
	}
	accounts := readAccounts(rec)
	var out []Process
	inner := map[int]int{}
	for _, name := range entries {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if ns, err := os.Readlink("/proc/" + name + "/ns/pid"); err != nil || ns != want {
			continue
		}
		if p, err := readProcess(pid, uptime); err == nil { // else it has ended
			accounts.name(&p, rec)
			out, inner[pid] = append(out, p), p.PID
		}
	}
	for i := range out {
		out[i].PPID = inner[out[i].PPID] // one outside the container is none
	}
	slices.SortFunc(out, func(a, b Process) int { return cmp.Compare(a.PID, b.PID) })
	return out, nil
}

func uptime() (time.Duration, error) {
	b, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0, err
	}
	sec, _, _ := strings.Cut(string(b), " ")
	return time.ParseDuration(sec + "s")
}

var errProcess = errors.New("not as in proc(5)")

// readProcess reads what the kernel says of one process. PPID and the IDs of
// users are as seen from here.
func readProcess(pid int, uptime time.Duration) (Process, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	p := Process{HostPID: pid, Capabilities: map[string]uint64{}}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return p, err
	}
	// A process chooses how long the line of its groups is: 65,536 of them.
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		p.status(key, value)
	}
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return p, err
	}
	if err := p.stat(stat, uptime); err != nil {
		return p, err
	}
	args, err := readStart(dir+"/cmdline", maxCmdline)
	if err != nil {
		return p, err
	}
	if text := strings.TrimRight(args, "\x00"); text != "" {
		p.Args = strings.Split(text, "\x00")
	}
	label, _ := os.ReadFile(dir + "/attr/current") // EINVAL without a security module
	p.Label = strings.TrimRight(string(label), "\x00\n")
	return p, nil
}

// maxCmdline is how much of a command line is read, in bytes. All processes of a
// container can have the same one of some MiB at no cost, and we would have a copy of each.
const maxCmdline = 32 << 10

// readStart is the beginning of a file of procfs.
func readStart(name string, most int64) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most))
	return string(b), err
}

// status takes one line of proc_pid_status(5).
func (p *Process) status(key, value string) {
	if key == "Groups" {
		return
	}
	f := strings.Fields(value)
	if len(f) == 0 {
		return
	}
	number := func(s string) int {
		n, _ := strconv.Atoi(s)
		return n
	}
	switch key {
	case "Name":
		p.Command = f[0]
	case "State":
		p.State = f[0]
	case "PPid":
		p.PPID = number(f[0])
	case "Uid":
		p.RealUID, p.UID = uint32(number(f[0])), uint32(number(f[min(1, len(f)-1)]))
	case "Gid":
		p.RealGID, p.GID = uint32(number(f[0])), uint32(number(f[min(1, len(f)-1)]))
	case "NSpid":
		p.PID = number(f[len(f)-1])
	case "NSpgid":
		p.PGID = number(f[len(f)-1])
	case "Seccomp":
		p.Seccomp = map[string]string{"0": "disabled", "1": "strict", "2": "filter"}[f[0]]
	case "CapInh", "CapPrm", "CapEff", "CapBnd":
		p.Capabilities[key], _ = strconv.ParseUint(f[0], 16, 64)
	}
}

// stat takes proc_pid_stat(5).
func (p *Process) stat(b []byte, uptime time.Duration) error {
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 22 {
		return errProcess
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(f[i-3], 10, 64) // numbered as in the manual page
		return n
	}
	p.TTY = terminalName(uint64(number(7)))
	p.CPU = time.Duration(number(14)+number(15)) * clockTick
	p.Nice = int(number(19))
	p.Elapsed = max(uptime-time.Duration(number(22))*clockTick, 0)
	p.Started = time.Now().Add(-p.Elapsed)
	p.VirtualSize = number(23)
	return nil
}

// terminalName reads a terminal's device number as ps does.
func terminalName(dev uint64) string {
	major, minor := dev>>8&0xfff, dev&0xff|dev>>12&0xfff00
	switch {
	case dev == 0:
		return "?"
	case major >= 136 && major <= 143: // Unix98 pseudoterminals
		return fmt.Sprintf("pts/%d", (major-136)<<8|minor)
	}
	return fmt.Sprintf("%d:%d", major, minor)
}

// containerAccounts are the names that a container has for its users and groups.
type containerAccounts struct{ users, groups map[string]string }

func readAccounts(rec Record) containerAccounts {
	root := fmt.Sprintf("/proc/%d/root", rec.PID)
	read := func(name string) map[string]string {
		out := map[string]string{}
		text, _ := readAccountFile(root, name) // numbers will do
		for line := range strings.SplitSeq(text, "\n") {
			if f := strings.SplitN(line, ":", 4); len(f) >= 3 && out[f[2]] == "" {
				out[f[2]] = f[0]
			}
		}
		return out
	}
	return containerAccounts{read("/etc/passwd"), read("/etc/group")}
}

// name gives a process the container's IDs in place of the anchor's, and names.
func (a containerAccounts) name(p *Process, rec Record) {
	p.HostUID, p.HostGID = p.UID, p.GID
	of := func(names map[string]string, id uint32) string {
		text := strconv.FormatUint(uint64(id), 10)
		return cmp.Or(names[text], text)
	}
	uid := func(id uint32) uint32 {
		if inside, ok := rec.UIDMap.Container(id); ok {
			return inside
		}
		return id
	}
	gid := func(id uint32) uint32 {
		if inside, ok := rec.GIDMap.Container(id); ok {
			return inside
		}
		return id
	}
	p.UID, p.RealUID, p.GID, p.RealGID = uid(p.UID), uid(p.RealUID), gid(p.GID), gid(p.RealGID)
	p.User, p.RealUser = of(a.users, p.UID), of(a.users, p.RealUID)
	p.Group, p.RealGroup = of(a.groups, p.GID), of(a.groups, p.RealGID)
}
