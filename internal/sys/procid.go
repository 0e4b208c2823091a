package sys

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ProcID is a process, told apart from a later one with the same pid by its
// start time in clock ticks since boot (field 22 of /proc/PID/stat). It means
// nothing after a reboot.
type ProcID struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
}

// ProcIDOf identifies the process that has this pid now. No such process is
// os.ErrNotExist, and so is one that hidepid hides.
func ProcIDOf(pid int) (ProcID, error) {
	st, err := readStat(pid)
	return ProcID{PID: pid, Start: st.start}, err
}

// Alive says whether the process still exists. In doubt it says yes: where
// /proc hides the process, the pid alone decides. A zombie that waits for its
// parent is dead; one whose other threads run is not.
func (p ProcID) Alive() bool {
	if p.PID <= 0 {
		return false
	}
	st, err := readStat(p.PID)
	if err != nil {
		return !errors.Is(unix.Kill(p.PID, 0), unix.ESRCH)
	}
	gone := st.state == 'X' || (st.state == 'Z' && st.threads <= 1)
	return st.start == p.Start && !gone
}

type stat struct {
	state   byte
	threads int
	start   uint64
}

func readStat(pid int) (stat, error) {
	name := "/proc/" + strconv.Itoa(pid) + "/stat"
	text, err := os.ReadFile(name)
	if errors.Is(err, unix.ESRCH) { // it ended between open and read
		err = &os.PathError{Op: "read", Path: name, Err: unix.ENOENT}
	}
	if err != nil {
		return stat{}, err
	}
	// The command name, in parentheses, is the process's own choice: it may
	// contain blanks and parentheses. Nothing after it does.
	f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(f) < 20 {
		return stat{}, fmt.Errorf("bug: %s has %d fields", name, len(f))
	}
	threads, err1 := strconv.Atoi(string(f[17]))
	start, err2 := strconv.ParseUint(string(f[19]), 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return stat{}, fmt.Errorf("parse %s: %w", name, err)
	}
	return stat{state: f[0][0], threads: threads, start: start}, nil
}
