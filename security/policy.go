package security

// Options are the flags that shape a container's confinement. The zero value
// is the strict default.
type Options struct {
	SecurityOpt     []string // --security-opt, Podman's and Docker's spelling
	CapAdd, CapDrop []string // --cap-add, --cap-drop: with or without CAP_, ALL, any case
	Privileged      bool     // --privileged: all of the container's own namespaces, still rootless
	Ulimits         []string // --ulimit name=soft[:hard] or "host"
	Sysctls         []string // --sysctl key=value
	Devices         []string // --device, for the report only

	// Namespaces shared with the host. They decide which sysctls are the
	// container's own, and each is a relaxation of its own.
	HostNetwork, HostIPC, HostPID, HostUTS, HostCgroup, HostUser bool
	// SharePID says that other containers live in the same PID namespace
	// (a pod, --pid=container:), so signals between them must pass.
	SharePID bool
	// NonRoot says that the first process does not run as the container's root:
	// it then starts with no capabilities at all.
	NonRoot bool
	// ReadOnly says that the root filesystem is read-only, for the report.
	ReadOnly bool
	// HostRoot says that the root filesystem is the host's own (the image "host"),
	// whose files keep their SELinux labels.
	HostRoot bool
	// Level is the MCS level ("s0:c1,c2") reserved for this container, from
	// ReserveLevel. Used only where SELinux is on.
	Level string
}

// Host is what the running kernel offers, found by Probe.
type Host struct {
	Arch     string // as runtime.GOARCH
	Kernel   string // major.minor, as in "6.1"
	SELinux  SELinuxState
	AppArmor AppArmorState
	Landlock int // ABI version; 0: none
	// Hard are the hard limits of the calling process, by lower-case name.
	Hard map[string]uint64
	// CPUThrottle are the thermal_throttle directories of this machine's CPUs.
	CPUThrottle []string
}

// Policy is the compiled confinement of one container. It is a value: nothing
// changes it after Compile.
type Policy struct {
	Capabilities    Capabilities
	NoNewPrivileges bool
	// Seccomp is nil where no filter is loaded.
	Seccomp *Filter
	// Landlock is nil where no ruleset is loaded.
	Landlock *Ruleset
	SELinux  SELinux
	// AppArmor is the profile to change to on exec; "" leaves it alone.
	AppArmor      string
	MaskedPaths   []string
	ReadonlyPaths []string
	ProcOptions   []string // mount options of /proc
	// WritableCgroups asks for a writable /sys/fs/cgroup.
	WritableCgroups bool
	Rlimits         []Rlimit
	// Sysctls are the namespaced settings asked for, by dotted key.
	Sysctls map[string]string
	// MaxUserNamespaces is written to user.max_user_namespaces of the
	// container's own user namespace; nil leaves the limit alone. It is the
	// second line of defence behind seccomp against nested user namespaces.
	MaxUserNamespaces *int
	// Relaxations are all deviations from the default, in a stable order.
	Relaxations []Deviation

	host           Host
	privilege      privilege
	landlockReason string // why Landlock is nil
	readOnly       bool
}

// Capabilities are the sets of the first process. The inheritable and ambient
// sets are always empty.
type Capabilities struct {
	Bounding, Effective, Permitted []string
}

// Deviation is one relaxation of the default: which layer, which flag caused
// it, and what it means.
type Deviation struct {
	ID      string `json:"id"` // stable, for policy files: "seccomp-unconfined"
	Layer   string `json:"layer"`
	Flag    string `json:"flag"` // as the user typed it
	Meaning string `json:"meaning"`
}

// privilege is what several layers need to know about each other.
type privilege struct {
	caps     capSet
	compat32 bool
	nesting  bool
}
