package cgroup

import (
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// Usage is what a container's cgroup has used; -1 is not known, because the
// controller is not there.
type Usage struct {
	CPU, System         time.Duration
	Memory, MemoryLimit int64
	PIDs                int64
	Read, Written       int64 // bytes, of block devices
}

// UsageOf reads what the container id uses, given the Path of its Group.
func UsageOf(at, id string) (Usage, error) {
	dir, err := At(at, id)
	if err != nil {
		return Usage{}, err
	}
	u := Usage{CPU: -1, System: -1, Read: -1, Written: -1, Memory: number(dir, "memory.current"), MemoryLimit: number(dir, "memory.max"), PIDs: number(dir, "pids.current")}
	stat := words(dir, "cpu.stat")
	for i := 0; i+1 < len(stat); i += 2 {
		n, err := strconv.ParseInt(stat[i+1], 10, 64)
		if err != nil {
			continue
		}
		switch stat[i] {
		case "usage_usec":
			u.CPU = time.Duration(n) * time.Microsecond
		case "system_usec":
			u.System = time.Duration(n) * time.Microsecond
		}
	}
	u.readIO(dir)
	return u, nil
}

// readIO sums up the lines of io.stat: MAJOR:MINOR rbytes=N wbytes=N ….
func (u *Usage) readIO(dir string) {
	if _, err := os.Stat(path.Join(dir, "io.stat")); err != nil {
		return
	}
	u.Read, u.Written = 0, 0
	for _, w := range words(dir, "io.stat") {
		key, value, _ := strings.Cut(w, "=")
		n, err := strconv.ParseInt(value, 10, 64)
		switch {
		case err != nil:
		case key == "rbytes":
			u.Read += n
		case key == "wbytes":
			u.Written += n
		}
	}
}

// number reads a file with one number; "max" and no file are -1.
func number(dir, file string) int64 {
	w := words(dir, file)
	if len(w) != 1 {
		return -1
	}
	n, err := strconv.ParseInt(w[0], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// Update changes the limits of a running container, given the Path of its
// Group. What is zero stays as it is.
func Update(at, id string, l Limits, asked []Limit) error {
	dir, err := At(at, id)
	if err != nil {
		return err
	}
	p := Place{controllers: words(dir, "cgroup.controllers")}
	for _, a := range asked {
		if p.Lacks(a.Controller) {
			return a.Missing()
		}
	}
	return l.set(dir)
}
