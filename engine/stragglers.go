package engine

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// mountNamespace tells which processes are a container's where no pid namespace
// does: every container has a mount namespace of its own.
func mountNamespace(pid int) string {
	ns, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/mnt")
	if err != nil {
		return ""
	}
	return ns
}

// pinMounts keeps a container's mount namespace, and with it its number, from
// becoming another's once the container has ended, as long as the file is open. Without
// a process it is nil.
func pinMounts(pid int) (mounts string, pin *os.File) {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/ns/mnt")
	if err != nil {
		return "", nil
	}
	return mountNamespace(pid), f
}

// killStragglers ends what the first process of a container has left behind. In
// a pid namespace of its own nothing can be; in the host's or another
// container's it would run on with nobody to account for it.
func (r *run) killStragglers(mounts string) {
	if mounts == "" {
		return
	}
	for range 50 { // those that fork meanwhile are found in the next round
		if !killIn(mounts) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	r.warn("processes of the container are left: it shares the processes of others, and they start faster than they can be ended")
}

// killIn kills the processes in a mount namespace and says whether there were any.
func killIn(mounts string) (found bool) {
	entries, err := names("/proc")
	if err != nil {
		return false
	}
	for _, name := range entries {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0) // first: what is read after it is about this process
		if err != nil {
			continue
		}
		if mountNamespace(pid) == mounts {
			found = true
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		}
		unix.Close(fd)
	}
	return found
}
