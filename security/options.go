package security

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// opts is --security-opt taken apart.
type opts struct {
	seccomp         string // "", "unconfined" or the path of a profile
	noNewPrivileges bool
	label           labelOpts
	appArmor        string // "", "unconfined" or the name of a profile
	mask, unmask    []string
	procOpts        []string
	landlockOff     bool
	compat32        bool
	nesting         bool
	writableCgroups bool
}

// labelOpts are the label= options.
type labelOpts struct {
	disable                           bool
	user, role, typ, level, fileLabel string
}

// optNames are the keys of --security-opt, for suggestions.
var optNames = []string{
	"seccomp", "no-new-privileges", "label", "apparmor", "mask", "unmask", "proc-opts",
	"systempaths", "writable-cgroups", "landlock", "compat32", "nesting",
}

// parseOpts takes every --security-opt apart. A key may be split from its value
// by "=" (Podman, Docker) or ":" (Docker before 1.11). The last of two
// contradicting options wins, except that paths and labels add up.
func parseOpts(words []string) (opts, error) {
	o := opts{noNewPrivileges: true}
	for _, word := range words {
		if err := o.set(word); err != nil {
			return opts{}, err
		}
	}
	return o, nil
}

// cutOpt splits at the first "=" or ":", whichever comes first.
func cutOpt(word string) (key, value string, found bool) {
	if i := strings.IndexAny(word, "=:"); i >= 0 {
		return word[:i], word[i+1:], true
	}
	return word, "", false
}

func (o *opts) set(word string) error {
	if strings.ContainsAny(word, "\x00\n\r") {
		return optError(word, "contains a control character")
	}
	key, value, found := cutOpt(word)
	switch key {
	case "no-new-privileges", "landlock", "compat32", "nesting", "writable-cgroups":
		return o.setSwitch(word, key, value, found)
	}
	if !found || value == "" {
		return o.bare(word, key)
	}
	switch key {
	case "seccomp":
		o.seccomp = value
		if value == "default" || value == "builtin" {
			o.seccomp = ""
		}
	case "apparmor":
		return o.setAppArmor(word, value)
	case "label":
		return o.label.set(word, value)
	case "mask":
		return o.addMasks(word, value)
	case "unmask":
		return o.addUnmasks(word, value)
	case "systempaths": // Docker's spelling of unmask=ALL
		if value != "unconfined" {
			return optError(word, `the only value is "unconfined"`)
		}
		o.unmask = append(o.unmask, "ALL")
	case "proc-opts":
		return o.addProcOpts(word, value)
	default:
		return unknownOpt(word, key)
	}
	return nil
}

func (o *opts) bare(word, key string) error {
	if slices.Contains(optNames, key) {
		return optError(word, "needs a value")
	}
	return unknownOpt(word, key)
}

// setSwitch handles what is on or off. A missing value means on; landlock can
// only be spelled out.
func (o *opts) setSwitch(word, key, value string, found bool) error {
	on := true
	if found {
		v, err := parseSwitch(value)
		if err != nil {
			return optError(word, "not on or off")
		}
		on = v
	}
	switch key {
	case "no-new-privileges":
		o.noNewPrivileges = on
	case "landlock":
		if !found {
			return optError(word, "needs a value")
		}
		o.landlockOff = !on
	case "compat32":
		o.compat32 = on
	case "nesting":
		o.nesting = on
	case "writable-cgroups":
		o.writableCgroups = on
	}
	return nil
}

func parseSwitch(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "on", "yes":
		return true, nil
	case "off", "no":
		return false, nil
	}
	return strconv.ParseBool(value)
}

func (o *opts) setAppArmor(word, value string) error {
	for _, r := range value {
		if r <= ' ' || r == 0x7f {
			return optError(word, "not a profile name")
		}
	}
	o.appArmor = value
	return nil
}

func (o *opts) addMasks(word, value string) error {
	for p := range strings.SplitSeq(value, ":") {
		if !path.IsAbs(p) {
			return optError(word, "not an absolute path")
		}
		p = path.Clean(p)
		if p == "/" || p == "/proc" || p == "/sys" || p == "/dev" {
			return optError(word, p+" cannot be masked: nothing would run")
		}
		o.mask = append(o.mask, p)
	}
	return nil
}

func (o *opts) addUnmasks(word, value string) error {
	for p := range strings.SplitSeq(value, ":") {
		if strings.EqualFold(p, "ALL") {
			o.unmask = append(o.unmask, "ALL")
			continue
		}
		if !path.IsAbs(p) {
			return optError(word, "not ALL and not an absolute path")
		}
		if _, err := path.Match(p, "/"); err != nil {
			return optError(word, "bad pattern")
		}
		o.unmask = append(o.unmask, path.Clean(p))
	}
	return nil
}

// addProcOpts accepts the mount options of procfs that restrict; nothing else,
// so that no other mount option can be smuggled in (CVE-2024-9407's class).
func (o *opts) addProcOpts(word, value string) error {
	for p := range strings.SplitSeq(value, ",") {
		switch p {
		case "hidepid=0", "hidepid=1", "hidepid=2", "hidepid=4", "hidepid=off",
			"hidepid=noaccess", "hidepid=invisible", "hidepid=ptraceable",
			"subset=pid", "nosuid", "nodev", "noexec", "ro":
			o.procOpts = append(o.procOpts, p)
			continue
		}
		gid, ok := strings.CutPrefix(p, "gid=")
		if _, err := strconv.ParseUint(gid, 10, 32); !ok || err != nil {
			return optError(word, strconv.Quote(p)+" is not a procfs option (hidepid=, gid=, subset=pid, nosuid, nodev, noexec, ro)")
		}
		o.procOpts = append(o.procOpts, p)
	}
	return nil
}

// set handles one label= option.
func (l *labelOpts) set(word, value string) error {
	switch value {
	case "disable":
		l.disable = true
		return nil
	case "nested": // would need the host's selinuxfs in the container
		return optError(word, "not supported")
	}
	key, v, ok := strings.Cut(value, ":")
	if !ok || v == "" || strings.ContainsAny(v, " \t") {
		return optError(word, "want label=disable or label=user|role|type|level|filetype:VALUE")
	}
	switch key {
	case "user":
		l.user = v
	case "role":
		l.role = v
	case "type":
		l.typ = v
	case "level":
		l.level = v
	case "filetype":
		l.fileLabel = v
	default:
		return optError(word, "want label=disable or label=user|role|type|level|filetype:VALUE")
	}
	return nil
}

func optError(word, why string) error {
	return fmt.Errorf("--security-opt %q: %s: %w", word, why, ErrOption)
}

func unknownOpt(word, key string) error {
	err := optError(word, "unknown option")
	if near := closest(key, optNames); near != "" {
		return hint.New(err, "did you mean --security-opt "+near+"?")
	}
	return hint.New(err, "known options: "+strings.Join(optNames, ", "))
}
