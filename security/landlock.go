package security

// Landlock access rights and scopes (linux/landlock.h).
const (
	llExecute = 1 << iota
	llWriteFile
	llReadFile
	llReadDir
	llRemoveDir
	llRemoveFile
	llMakeChar
	llMakeDir
	llMakeReg
	llMakeSock
	llMakeFifo
	llMakeBlock
	llMakeSym
	llRefer       // ABI 2
	llTruncate    // ABI 3
	llIoctlDev    // ABI 5
	llResolveUnix // ABI 9

	llScopeAbstract = 1 << 0 // ABI 6
	llScopeSignal   = 1 << 1 // ABI 6
)

// Ruleset is a Landlock domain as data. Loaded by the gate, once the
// container's root is "/": whatever lies outside stays out of reach, even
// through a directory descriptor that leaked in (CVE-2024-21626).
//
// It does not hide what is below "/", and does not close descriptors: reading
// from a file that is already open is not access to a path.
type Ruleset struct {
	ABI       int           `json:"abi"`
	HandledFS uint64        `json:"handledFS"`
	Scoped    uint64        `json:"scoped"`
	Rules     []BeneathRule `json:"rules"`
}

// BeneathRule allows Access to what is beneath a file: either Path, or, where
// that is empty, the open descriptor FD.
type BeneathRule struct {
	Path   string `json:"path,omitempty"`
	FD     int    `json:"fd"`
	Access uint64 `json:"access"`
	// Optional says to add the rule only if FD is a regular file or a character
	// device. A pipe or socket needs none, a closed descriptor can have none, and
	// a directory mustn't get one: all below it would be in reach.
	Optional bool `json:"optional,omitempty"`
}

// landlockFS are all rights that an ABI version can handle.
func landlockFS(abi int) uint64 {
	switch {
	case abi < 1:
		return 0
	case abi < 2:
		return llRefer - 1
	case abi < 3:
		return llTruncate - 1
	case abi < 5:
		return llIoctlDev - 1
	case abi < 9:
		return llResolveUnix - 1
	}
	return llResolveUnix<<1 - 1
}

// landlockMinimum is the first ABI that can allow a rename or link between
// directories. The one before it always refuses them (EXDEV), which breaks mv.
const landlockMinimum = 2

// newRuleset is the default domain.
func newRuleset(abi int, sharePID bool) *Ruleset {
	all := landlockFS(abi)
	r := &Ruleset{ABI: abi, HandledFS: all, Rules: []BeneathRule{{Path: "/", FD: -1, Access: all}}}
	if abi >= 6 {
		r.Scoped = llScopeAbstract | llScopeSignal
		if sharePID {
			r.Scoped &^= llScopeSignal
		}
	}
	// Standard streams may be files or terminals of the host. Programs open them
	// again by name (/dev/stdout), which is access to a path.
	file := all & (llWriteFile | llReadFile | llTruncate | llIoctlDev)
	for fd := range 3 {
		r.Rules = append(r.Rules, BeneathRule{FD: fd, Access: file, Optional: true})
	}
	return r
}

// landlockOff says why no ruleset is loaded, or "". The order is that of what
// to tell the user first.
func landlockOff(o opts, privileged, nnp bool, caps capSet, abi int) string {
	switch {
	case o.landlockOff:
		return "landlock=off"
	case privileged:
		return "--privileged"
	case o.nesting:
		return "nesting: a Landlock domain cannot mount"
	case caps.has(capSysAdmin):
		return "CAP_SYS_ADMIN: a Landlock domain cannot mount"
	case !nnp:
		return "no-new-privileges=false"
	case abi == 0:
		return "the kernel has no Landlock"
	case abi < landlockMinimum:
		return "the kernel's Landlock (ABI 1) cannot allow renames between directories"
	}
	return ""
}

func landlockDeviations(o opts, privileged, nnp bool, caps capSet) []Deviation {
	if privileged {
		return nil
	}
	const meaning = "files outside the container are out of reach by mount namespace only"
	d := Deviation{ID: "landlock-off", Layer: "landlock", Meaning: meaning}
	switch {
	case o.landlockOff:
		d.Flag = "--security-opt landlock=off"
	case o.nesting:
		d.Flag = "--security-opt nesting"
	case caps.has(capSysAdmin):
		d.Flag = "--cap-add=SYS_ADMIN"
	case !nnp:
		d.Flag = "--security-opt no-new-privileges=false"
	default:
		return nil
	}
	return []Deviation{d}
}

// ForExec is the policy of a further process started in a running container.
//
// Landlock has no way to join a domain: a process with a domain of its own
// could neither signal nor trace the container's processes. So its domain has
// no scopes (the PID and network namespaces hold them already), and none at all
// with CAP_SYS_PTRACE, granted for nothing else than to trace them.
func (p Policy) ForExec() Policy {
	switch {
	case p.Landlock == nil:
	case p.privilege.caps.has(capSysPtrace):
		p.Landlock, p.landlockReason = nil, "CAP_SYS_PTRACE: a process outside the domain can trace inside it"
	default:
		r := *p.Landlock
		r.Scoped = 0
		p.Landlock = &r
	}
	return p
}
