package audit

import (
	"os"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/stage"
)

// Unset is what a record has for a login UID that nobody has set: a kernel that
// does not let us, or a process that Burrow did not start.
const Unset = "unset"

// noLogin is how the kernel shows a login UID that is unset, or has no number in
// the reader's user namespace.
const noLogin = 1<<32 - 1

// loginUID is this process's login UID as the host has it, also in the anchor; ""
// where the kernel has no audit.
func loginUID() string {
	own, err := os.Open("/proc/self/loginuid")
	if err != nil {
		return ""
	}
	defer own.Close()
	text := make([]byte, 16)
	n, err := own.Read(text) // procfs gives it whole
	if err != nil {
		return ""
	}
	id, err := strconv.ParseUint(strings.TrimSpace(string(text[:n])), 10, 32)
	if err != nil {
		return ""
	}
	if id == noLogin {
		if told := stage.LoginUID(); told != "" {
			return told
		}
		return Unset
	}
	f, err := os.Open("/proc/self/uid_map")
	if err != nil {
		return ""
	}
	defer f.Close()
	m, err := idmap.ParseMap(f)
	if err != nil {
		return ""
	}
	host, ok := m.Host(uint32(id))
	if !ok {
		return ""
	}
	return strconv.FormatUint(uint64(host), 10)
}
