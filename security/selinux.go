package security

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/opencontainers/selinux/go-selinux"

	"github.com/burrow-run/burrow/internal/hint"
)

// SELinuxState is whether the kernel enforces SELinux.
type SELinuxState struct {
	Mounted   bool // selinuxfs is there and a policy is loaded
	Enforcing bool
}

// SELinux are the labels of one container; empty where SELinux is off.
type SELinux struct {
	ProcessLabel string `json:"processLabel,omitempty"`
	MountLabel   string `json:"mountLabel,omitempty"`
}

var errNoSELinux = errors.New("SELinux is not enabled")

// The labels where the distribution names none in contexts/lxc_contexts.
const (
	defaultProcessLabel = "system_u:system_r:container_t:s0"
	defaultFileLabel    = "system_u:object_r:container_file_t:s0"
	// hostType is the domain for the image "host", whose files keep the host's labels.
	hostType = "container_host_t"
)

// selinuxContext is an SELinux label taken apart.
type selinuxContext struct{ user, role, typ, level string }

func parseContext(label string) (selinuxContext, error) {
	p := strings.SplitN(label, ":", 4)
	if len(p) < 3 {
		return selinuxContext{}, fmt.Errorf("SELinux label %q: want user:role:type[:level]", label)
	}
	c := selinuxContext{user: p[0], role: p[1], typ: p[2]}
	if len(p) == 4 {
		c.level = p[3]
	}
	return c, nil
}

func (c selinuxContext) String() string {
	s := c.user + ":" + c.role + ":" + c.typ
	if c.level != "" {
		s += ":" + c.level
	}
	return s
}

// selinuxLabels computes the labels. The library is not touched, and so reads no
// file, unless SELinux is on. Where the labels cannot be applied the container
// does not start, unless SELinux only warns anyway.
func selinuxLabels(l labelOpts, o Options, nnp bool, st SELinuxState) (SELinux, error) {
	if !st.Mounted {
		return SELinux{}, nil
	}
	if l.disable || o.Privileged {
		return SELinux{MountLabel: unconfinedMountLabel()}, nil
	}
	if l.level == "" && o.Level == "" {
		return SELinux{}, fmt.Errorf("bug: no MCS level reserved: %w", ErrLabel)
	}
	process, file, err := baseContexts()
	if err != nil {
		return SELinux{}, err
	}
	process.level, file.level = o.Level, o.Level
	if o.HostRoot {
		process.typ = hostType
	}
	l.override(&process, &file)
	chosen, err := usable(process, l, nnp)
	if err == nil {
		file, err = writable(file, l)
	}
	if err != nil {
		if !st.Enforcing {
			return SELinux{}, nil
		}
		err = fmt.Errorf("%w: %s: %w", ErrLabel, process, err)
		if o.HostRoot {
			return SELinux{}, hint.New(err, "use an image, or --security-opt label=disable")
		}
		if checkLabel(process.String()) == nil {
			return SELinux{}, hint.New(err, "start it from a login or with systemd-run --user, or use --security-opt label=disable")
		}
		return SELinux{}, hint.New(err, "sudo semodule -i burrow_container.cil (security/selinux in Burrow's sources)")
	}
	return SELinux{ProcessLabel: chosen.String(), MountLabel: file.String()}, nil
}

// unconfinedMountLabel is what the files of a container show that has no domain
// of its own: the distribution's label for that, or none where the policy that is
// loaded does not know it.
func unconfinedMountLabel() string {
	_, _ = selinux.ContainerLabels() //nolint:staticcheck // loads the contexts file, which sets the label below
	label := selinux.PrivContainerMountLabel()
	if label == "" || checkLabel(label) != nil {
		return ""
	}
	return label
}

// checkLabel asks the kernel whether the policy that is loaded knows a label.
// Without SELinux the library would write a file of that name where we are.
func checkLabel(label string) error {
	if !selinux.GetEnabled() {
		return errNoSELinux
	}
	return selinux.SecurityCheckContext(label)
}

// baseContexts are the distribution's labels for containers.
func baseContexts() (process, file selinuxContext, err error) {
	p, f := selinux.ContainerLabels() //nolint:staticcheck // the only reader of lxc_contexts there is
	if p == "" {
		p = defaultProcessLabel
	}
	if f == "" {
		f = defaultFileLabel
	}
	if process, err = parseContext(p); err != nil {
		return selinuxContext{}, selinuxContext{}, err
	}
	file, err = parseContext(f)
	return process, file, err
}

func (l labelOpts) override(process, file *selinuxContext) {
	set := func(to *string, v string) {
		if v != "" {
			*to = v
		}
	}
	set(&process.user, l.user)
	set(&process.role, l.role)
	set(&process.typ, l.typ)
	set(&process.level, l.level)
	set(&file.user, l.user)
	set(&file.level, l.level)
	set(&file.typ, l.fileLabel)
}

// usable returns the process label that the loaded policy knows and that our own
// domain may enter: as the distribution gives it, else with the user and role
// of the caller, whom the policy may not let change them.
func usable(process selinuxContext, l labelOpts, nnp bool) (selinuxContext, error) {
	current, err := selinux.CurrentLabel()
	if err != nil {
		return selinuxContext{}, err
	}
	err = enterable(current, process, nnp)
	if err == nil {
		return process, nil
	}
	own, parseErr := parseContext(current)
	if parseErr != nil || l.user != "" || l.role != "" {
		return selinuxContext{}, err
	}
	mine := process
	mine.user, mine.role = own.user, own.role
	if enterable(current, mine, nnp) == nil {
		return mine, nil
	}
	return selinuxContext{}, err
}

// writable returns the file label that we may give to files: as the distribution
// gives it, else with the user of the caller.
func writable(file selinuxContext, l labelOpts) (selinuxContext, error) {
	current, err := selinux.CurrentLabel()
	if err != nil {
		return selinuxContext{}, err
	}
	if own, err := parseContext(current); err == nil && l.user == "" &&
		!policyAllows(current, file.String(), "file", "relabelto") {
		file.user = own.user
	}
	return file, checkLabel(file.String())
}

// enterable asks the policy whether current may exec into target.
func enterable(current string, target selinuxContext, nnp bool) error {
	label := target.String()
	if err := checkLabel(label); err != nil {
		return fmt.Errorf("the loaded policy does not know it: %w", err)
	}
	if !policyAllows(current, label, "process", "transition") {
		return fmt.Errorf("%s may not change to it", current)
	}
	if nnp && !policyAllows(current, label, "process2", "nnp_transition") {
		return fmt.Errorf("%s may not change to it under no_new_privs", current)
	}
	return nil
}

// policyAllows computes one permission through selinuxfs. Where the policy does
// not let us ask, the answer is yes: the kernel decides at execve anyway, and
// then the start fails.
func policyAllows(source, target, class, perm string) bool {
	const root = "/sys/fs/selinux/"
	index, err := selinux.ClassIndex(class)
	if err != nil {
		return true
	}
	bit, err := readNumber(root + "class/" + class + "/perms/" + perm)
	if err != nil || bit < 1 || bit > 32 {
		return true
	}
	f, err := os.OpenFile(root+"access", os.O_RDWR, 0)
	if err != nil {
		return true
	}
	defer func() { _ = f.Close() }()
	if _, err := fmt.Fprintf(f, "%s %s %x", source, target, index); err != nil {
		return true
	}
	var allowed uint32
	if _, err := fmt.Fscanf(f, "%x", &allowed); err != nil {
		return true
	}
	return allowed&(1<<(bit-1)) != 0
}

func selinuxDeviations(l labelOpts, privileged bool, st SELinuxState) []Deviation {
	if privileged || !st.Mounted {
		return nil
	}
	if l.disable {
		return []Deviation{{
			ID: "label-disable", Layer: "selinux", Flag: "--security-opt label=disable",
			Meaning: "the container runs in the user's own SELinux domain",
		}}
	}
	var out []Deviation
	if l.typ != "" {
		out = append(out, Deviation{
			ID: "label-type", Layer: "selinux", Flag: "--security-opt label=type:" + l.typ,
			Meaning: "the process runs in a domain of the user's choice",
		})
	}
	if l.level != "" {
		out = append(out, Deviation{
			ID: "label-level", Layer: "selinux", Flag: "--security-opt label=level:" + l.level,
			Meaning: "the MCS level is the user's choice, perhaps another container's",
		})
	}
	return out
}
