package spec

import (
	"syscall"
	"time"
)

// Spec describes one container. [Default] gives the values that hold where the
// command line says nothing; the zero Spec is not one.
type Spec struct {
	// Exactly one of Image, Rootfs and Host says where the root filesystem
	// comes from.
	Image  string  // a name, short name or ID as typed
	Rootfs *Rootfs // a directory of the caller
	Host   bool    // the built-in image "host": the caller's own root filesystem

	Entrypoint *[]string // nil: the image's; empty: none
	Args       []string  // replace the image's command when not empty
	Pull       Pull

	Name        string
	Labels      map[string]string
	Annotations map[string]string
	CIDFile     string   // absolute path that receives the container ID, or ""
	PIDFile     string   // absolute path that receives the host pid, or ""
	Remove      bool     // --rm
	Replace     bool     // take the name from the container that has it, which is removed
	RemoveImage bool     // --rmi: afterwards, unless another container has it; needs Remove
	Requires    []string // containers that run before this one; names, in a Record IDs
	Timeout     time.Duration
	Stop        Stop
	Healthcheck *Healthcheck // nil: the image's
	Log         Log
	Restart     Restart
	SDNotify    SDNotify

	Process    Process
	Stdio      Stdio
	Namespaces Namespaces
	Network    Network
	Mounts     []Mount
	// VolumesFrom are containers whose mounts this one shares; none once it is made.
	VolumesFrom []VolumesFrom `json:",omitempty"`
	Secrets     []Secret      `json:",omitempty"` // names; what they are is nowhere in here
	Root        Root
	Devices     []Device
	Resources   Resources
	Security    Security
	// SecurityReport is the form in which the kernel's view of the payload is printed
	// at each start: one of the Report constants; "": it is not.
	SecurityReport string `json:",omitempty"`
}

// Log says what becomes of the container's output.
type Log struct {
	// Driver is one of the Log constants; "": passthrough in the foreground, k8s-file detached.
	Driver  string
	MaxSize int64  // bytes; 0: no rotation
	MaxFile int    // files kept; 0: one
	Path    string // absolute; "": the container's directory
	Tag     string // a template over a LogTag; "": the container's name
}

// The log drivers, by Docker's and Podman's names.
const (
	LogK8sFile     = "k8s-file"
	LogJSONFile    = "json-file"
	LogJournald    = "journald"
	LogPassthrough = "passthrough"
	LogNone        = "none"
)

// Stored says whether the output is kept somewhere, and so needs a supervisor
// that takes it there.
func (l Log) Stored() bool {
	return l.Driver == LogK8sFile || l.Driver == LogJSONFile || l.Driver == LogJournald
}

// Restart says when a container that has ended starts again.
type Restart struct {
	Policy RestartPolicy
	Max    int // of on-failure; 0: no bound
}

// RestartPolicy is the name of a policy, as Docker's.
type RestartPolicy string

// The restart policies.
const (
	RestartNo            RestartPolicy = ""
	RestartOnFailure     RestartPolicy = "on-failure"
	RestartAlways        RestartPolicy = "always"
	RestartUnlessStopped RestartPolicy = "unless-stopped"
)

// SDNotify says who tells the service manager that the container is ready,
// where there is a manager that wants to know.
type SDNotify string

// The ways of --sdnotify.
const (
	SDNotifyContainer SDNotify = ""        // the payload, through a socket of its own; the default
	SDNotifyConmon    SDNotify = "conmon"  // the supervisor, once the payload runs
	SDNotifyHealthy   SDNotify = "healthy" // the supervisor, once a health check has passed
	SDNotifyIgnore    SDNotify = "ignore"  // nobody
)

// String is the word of the command line.
func (n SDNotify) String() string {
	if n == SDNotifyContainer {
		return "container"
	}
	return string(n)
}

// Systemd says when the container is made for systemd as its first process.
type Systemd string

// The values of --systemd.
const (
	SystemdAuto   Systemd = ""     // if the command is one, and it can be
	SystemdTrue   Systemd = "true" // if the command is one
	SystemdAlways Systemd = "always"
	SystemdFalse  Systemd = "false"
)

// Rootfs is a directory used in place of an image.
type Rootfs struct {
	Dir     string // absolute
	Overlay bool   // leave Dir unchanged: writes go to a throw-away layer
}

// PullPolicy says when an image is fetched although it may be present.
type PullPolicy string

// The pull policies of Podman.
const (
	PullMissing PullPolicy = "missing"
	PullAlways  PullPolicy = "always"
	PullNever   PullPolicy = "never"
	PullNewer   PullPolicy = "newer"
)

// Pull is how the image is found and fetched.
type Pull struct {
	Policy    PullPolicy
	Platform  Platform
	AuthFile  string // absolute, or "" for the default places
	TLSVerify *bool  // nil: as registries.conf says
	Quiet     bool
}

// Platform selects one image of a multi-platform index. Empty fields mean the
// machine's own.
type Platform struct {
	OS, Arch, Variant string
}

// Stop is how the container is asked to end, and how long that may take.
type Stop struct {
	Signal  syscall.Signal // 0: the image's, else SIGTERM
	Timeout time.Duration  // then SIGKILL
}

// Process is what the payload sees of itself.
type Process struct {
	Env        Env
	User       string   // name|uid[:group|gid], checked by [ParseUser]; "": the image's
	Groups     []string // supplementary, names or numbers
	KeepGroups bool     // keep the caller's supplementary groups (setgroups denied)
	Workdir    string   // absolute; "": the image's
	Umask      uint32
	Timezone   string // zone name, "local" for the host's, "": the image's
	Hostname   string // "": made from the container ID
	Domainname string // NIS domain, and in /etc/hosts behind the host's name; "": none
	Init       bool
	InitPath   string // absolute host path; "": the engine's own
	Systemd    Systemd
	// PasswdEntry and GroupEntry replace the line that is added for a user
	// whom the image does not know. Passwd says whether one is added at all.
	Passwd      bool
	PasswdEntry string
	GroupEntry  string
	OOMScoreAdj *int // nil: inherited
}

// Stdio is how the payload is connected to the caller.
type Stdio struct {
	Interactive bool   // connect stdin
	Detach      bool   // do not wait for the container
	TTY         bool   // allocate a terminal
	Attach      Attach // what to connect
	DetachKeys  []byte // key sequence, empty: disabled
	SigProxy    bool   // forward signals to the payload
	PreserveFDs []int  // further descriptors handed in, same numbers, ascending
}

// Attach names the standard streams that are connected to the caller.
type Attach struct {
	Stdin, Stdout, Stderr bool
}

// Namespaces says which namespaces are the container's own. Userns and the maps
// are interpreted by package idmap.
type Namespaces struct {
	Userns                 string // mode as typed; "": the default, unique
	UIDMap, GIDMap         []string
	SubUIDName, SubGIDName string
	PID, IPC, UTS, Cgroup  Namespace
}

// Root is how the root filesystem is presented.
type Root struct {
	ReadOnly      bool
	ReadOnlyTmpfs bool // with ReadOnly: tmpfs on /run, /tmp and /var/tmp
	ShmSize       int64
	ImageVolumes  ImageVolumes
}

// ImageVolumes says what becomes of the volumes that an image declares.
type ImageVolumes string

// The treatments of image volumes.
const (
	ImageVolumesAnonymous ImageVolumes = "anonymous" // a volume that lives as long as the container
	ImageVolumesTmpfs     ImageVolumes = "tmpfs"
	ImageVolumesIgnore    ImageVolumes = "ignore"
)

// Device is a device node of the host.
type Device struct {
	Host, Container    string // absolute
	Read, Write, Mknod bool
}

// Resources are the limits asked for. A zero field is no wish; what is asked
// for and cannot be honoured is an error.
type Resources struct {
	Memory            int64 // bytes
	MemorySwap        int64 // memory plus swap in bytes; -1: unlimited
	MemoryReservation int64
	CPUPeriod         uint64 // microseconds
	CPUQuota          int64  // microseconds per period; --cpus arrives here
	CPUShares         uint64 // cgroup v1 scale, 2–262144
	CPUSetCPUs        string
	CPUSetMems        string
	PidsLimit         *int64 // nil: [DefaultPidsLimit] if it can be had; -1: unlimited
	BlkioWeight       uint16 // 10–1000
	CgroupParent      string
	NoCgroup          bool // --cgroups=disabled
}

// DefaultPidsLimit holds where the command line gives no limit.
const DefaultPidsLimit = 2048

// Security holds the wishes that package security interprets.
type Security struct {
	Options    []string // --security-opt, as typed
	CapAdd     []string
	CapDrop    []string
	Privileged bool
	Ulimits    []string // as typed
	Sysctls    []string // KEY=VALUE, as typed
}

// The forms of a security report.
const (
	ReportTable = "table"
	ReportJSON  = "json"
)

// Defaults of the command line.
const (
	DefaultUmask       = 0o022
	DefaultShmSize     = 64 << 20
	DefaultStopTimeout = 10 * time.Second
)

// Default returns the Spec of a command line without flags and without image.
func Default() Spec {
	return Spec{
		Pull:    Pull{Policy: PullMissing},
		Stop:    Stop{Timeout: DefaultStopTimeout},
		Process: Process{Umask: DefaultUmask, Passwd: true},
		Stdio: Stdio{
			Attach:     Attach{Stdout: true, Stderr: true},
			DetachKeys: []byte{16, 17}, // ctrl-p,ctrl-q
			SigProxy:   true,
		},
		Root: Root{ReadOnlyTmpfs: true, ShmSize: DefaultShmSize, ImageVolumes: ImageVolumesAnonymous},
	}
}
