package launch

import (
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/security"
)

// Namespace says how the container gets one of its namespaces.
type Namespace struct {
	Host bool   // share the caller's (the anchor's)
	Path string // join this one; empty: a new one
}

// Namespaces of a container. The zero value gives it all of its own.
type Namespaces struct {
	User, PID, IPC, UTS, Cgroup, Net, Time Namespace
}

// Mount is one entry of the container's mount table, in order.
type Mount struct {
	Type        string // bind, tmpfs, proc, devpts, mqueue, cgroup
	Source      string // of a bind mount, absolute
	Dest        string // absolute, in the container
	Flags       uintptr
	Cleared     uintptr // flags a bind mount must lose
	Data        string
	Propagation []uintptr // mount(2) propagation flags
	Recursive   uintptr   // mount attributes set on the whole tree (mount_setattr(2))
	CopyUp      bool      // tmpfs starts with what the image has there
}

// Device is a device node that the container sees, bind-mounted from the host.
type Device struct {
	Path         string // on the host and in the container
	Type         rune   // c or b
	Major, Minor int64
}

// Config is everything that starting a container needs; all paths are absolute
// and as this process sees them.
type Config struct {
	ID         string
	StateDir   string // libcontainer's own state; in a mount that dies with this process
	Rootfs     string // merged root, mounted
	ReadOnly   bool
	Hostname   string
	Domainname string // "": none
	Namespaces Namespaces
	UIDs, GIDs idmap.Map // container ID to anchor ID; empty with Namespaces.User.Host
	Mounts     []Mount
	Devices    []Device
	SharedRoot bool // mount propagation of "/" is slave, not private: a mount asked for it

	Args     []string
	InitArgs int // how many of Args start an init process; what follows must be runnable too
	Env      []string
	Cwd      string
	UID, GID uint32
	Groups   []uint32
	// KeepGroups leaves the caller's supplementary groups in place, which the
	// container cannot name but whose files it may use, and denies setgroups(2)
	// in its user namespace for good. Groups must be empty.
	KeepGroups bool
	Umask      uint32
	OOMScore   *int

	Policy  security.Policy
	Sysctls map[string]string

	// Cgroup is the directory of the cgroup that the container is born in; nil:
	// it stays in the caller's.
	Cgroup *os.File

	Stdin, Stdout, Stderr *os.File
	TTY                   bool
	Width, Height         uint16
	PreserveFDs           []*os.File // become 3, 4, … in the container; nil leaves a number free

	// ListenPID sets LISTEN_PID, which Env must have, to the pid that the payload
	// finds itself to be (sd_listen_fds(3)).
	ListenPID bool

	// DieWithParent kills the container when this process dies, as a foreground
	// run wants; a supervised container survives its supervisor.
	DieWithParent bool
}

// seccompSpec returns the filter for libcontainer to load, needed only where
// no_new_privs is off: then it must be loaded with CAP_SYS_ADMIN, before the gate.
func (c Config) seccompSpec() (*specs.LinuxSeccomp, error) {
	if c.Policy.NoNewPrivileges || c.Policy.Seccomp == nil {
		return nil, nil //nolint:nilnil // no filter for libcontainer is the usual case
	}
	return c.Policy.Seccomp.Rules()
}
