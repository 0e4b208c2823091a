package launch

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// programName is what the gate's program is called, before the container's ID.
const programName = "burrow-gate"

// ShareKeyring lets further processes of a container use the session keyring of its
// first one. libcontainer wants that too, and finds it by name, but gives the right
// to search it to others only, and in a user namespace of its own the container's
// root is its owner. So each exec would take one more of the 200 keys that a user
// may have (kernel.keys.maxkeys), also for a process that has ended and that
// nobody reaps: an image's health check could keep its user from starting
// containers. What fails here is libcontainer's to report, which goes on without us.
func ShareKeyring(getenv func(string) string) {
	id := containerID(getenv)
	if id == "" {
		return
	}
	done := make(chan struct{})
	go func() {
		// Session keyrings are threads': this one keeps the keyring until libcontainer's
		// thread has found it, which must not have it before, and dies with execve(2).
		runtime.LockOSThread()
		searchableRing(id)
		close(done)
		select {}
	}()
	<-done
}

func searchableRing(id string) {
	// As libcontainer names it; names are the user namespace's.
	ring, err := unix.KeyctlJoinSessionKeyring("_ses." + id)
	if err != nil {
		return
	}
	const searchByOwner = 0x080000 // KEY_USR_SEARCH, include/linux/key.h
	if perm, ok := keyPermissions(ring); ok && perm&searchByOwner == 0 {
		_ = unix.KeyctlSetperm(ring, perm|searchByOwner)
	}
}

// containerID is in the name of the gate's program, the file before its status socket.
func containerID(getenv func(string) string) string {
	status := statusSocket(getenv)
	if status < 4 {
		return ""
	}
	name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(status-1))
	if err != nil {
		return ""
	}
	name, ok := strings.CutPrefix(name, "/memfd:"+programName+":")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(name, " (deleted)")
}

// keyPermissions reads "keyring;UID;GID;PERM;NAME" (keyctl_describe(3)).
func keyPermissions(ring int) (uint32, bool) {
	text, err := unix.KeyctlString(unix.KEYCTL_DESCRIBE, ring)
	if err != nil {
		return 0, false
	}
	parts := strings.SplitN(text, ";", 5)
	if len(parts) < 5 {
		return 0, false
	}
	perm, err := strconv.ParseUint(parts[3], 16, 32)
	return uint32(perm), err == nil
}
