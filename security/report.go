package security

// Report is the confinement of a container as inspect shows it (SecurityReport).
// Its JSON form is stable: keys are added, never renamed or removed.
type Report struct {
	// Default says that nothing deviates from the default.
	Default         bool              `json:"default"`
	Capabilities    CapabilityReport  `json:"capabilities"`
	NoNewPrivileges bool              `json:"noNewPrivileges"`
	Seccomp         SeccompReport     `json:"seccomp"`
	Landlock        LandlockReport    `json:"landlock"`
	SELinux         SELinuxReport     `json:"selinux"`
	AppArmor        string            `json:"apparmor"` // profile, "unconfined" or "none"
	ReadOnlyRoot    bool              `json:"readOnlyRoot"`
	MaskedPaths     []string          `json:"maskedPaths"`
	ReadonlyPaths   []string          `json:"readonlyPaths"`
	ProcOptions     []string          `json:"procOptions"`
	Rlimits         []Rlimit          `json:"rlimits"`
	Sysctls         map[string]string `json:"sysctls"`
	// MaxUserNamespaces is the container's own limit; nil: none.
	MaxUserNamespaces *int        `json:"maxUserNamespaces"`
	Deviations        []Deviation `json:"deviations"`
}

// CapabilityReport lists the sets of the first process.
type CapabilityReport struct {
	Bounding    []string `json:"bounding"`
	Effective   []string `json:"effective"`
	Permitted   []string `json:"permitted"`
	Inheritable []string `json:"inheritable"`
	Ambient     []string `json:"ambient"`
}

// SeccompReport says which filter is loaded.
type SeccompReport struct {
	Mode    string `json:"mode"`    // "filter" or "none"
	Profile string `json:"profile"` // "default", a path, or ""
	Key     string `json:"key"`     // of the compiled filter
	// ABIs are the system call ABIs that the filter lets in.
	ABIs []string `json:"abis"`
}

// LandlockReport says which domain the container is in.
type LandlockReport struct {
	Mode   string   `json:"mode"` // "enforced" or "none"
	Reason string   `json:"reason,omitempty"`
	ABI    int      `json:"abi"`
	Scopes []string `json:"scopes"`
}

// SELinuxReport says which labels apply.
type SELinuxReport struct {
	Mode string `json:"mode"` // "enforcing", "permissive" or "none"
	SELinux
}

// Report describes the policy. Slices are never nil, so that JSON has no null
// where a list is meant.
func (p Policy) Report() Report {
	r := Report{
		Default: len(p.Relaxations) == 0,
		Capabilities: CapabilityReport{
			Bounding: list(p.Capabilities.Bounding), Effective: list(p.Capabilities.Effective),
			Permitted: list(p.Capabilities.Permitted), Inheritable: []string{}, Ambient: []string{},
		},
		NoNewPrivileges:   p.NoNewPrivileges,
		Seccomp:           p.seccompReport(),
		Landlock:          p.landlockReport(),
		SELinux:           p.selinuxReport(),
		AppArmor:          p.appArmorReport(),
		ReadOnlyRoot:      p.readOnly,
		MaskedPaths:       list(p.MaskedPaths),
		ReadonlyPaths:     list(p.ReadonlyPaths),
		ProcOptions:       list(p.ProcOptions),
		Rlimits:           list(p.Rlimits),
		Sysctls:           p.Sysctls,
		MaxUserNamespaces: p.MaxUserNamespaces,
		Deviations:        list(p.Relaxations),
	}
	if r.Sysctls == nil {
		r.Sysctls = map[string]string{}
	}
	return r
}

func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func (p Policy) seccompReport() SeccompReport {
	if p.Seccomp == nil {
		return SeccompReport{Mode: "none", ABIs: []string{"all"}}
	}
	r := SeccompReport{Mode: "filter", Profile: p.Seccomp.Source(), Key: p.Seccomp.Key()}
	for _, a := range p.Seccomp.architectures() {
		r.ABIs = append(r.ABIs, string(a))
	}
	return r
}

func (p Policy) landlockReport() LandlockReport {
	r := LandlockReport{Mode: "none", ABI: p.host.Landlock, Scopes: []string{}}
	if p.Landlock == nil {
		r.Reason = p.landlockReason
		return r
	}
	r.Mode = "enforced"
	if p.Landlock.Scoped&llScopeAbstract != 0 {
		r.Scopes = append(r.Scopes, "abstract-unix-socket")
	}
	if p.Landlock.Scoped&llScopeSignal != 0 {
		r.Scopes = append(r.Scopes, "signal")
	}
	return r
}

func (p Policy) selinuxReport() SELinuxReport {
	mode := "none"
	switch {
	case p.host.SELinux.Enforcing:
		mode = "enforcing"
	case p.host.SELinux.Mounted:
		mode = "permissive"
	}
	return SELinuxReport{Mode: mode, SELinux: p.SELinux}
}

func (p Policy) appArmorReport() string {
	switch {
	case p.AppArmor != "":
		return p.AppArmor
	case p.host.AppArmor.Enabled:
		return "unconfined"
	}
	return "none"
}
