package spec

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// mountOptions applies options to a mount and remembers which were given, for
// those that say the same thing twice or contradict each other.
type mountOptions struct {
	m    *Mount
	seen map[string]string // group → option as typed
}

func optionsOf(m *Mount) *mountOptions {
	return &mountOptions{m: m, seen: map[string]string{}}
}

// claim notes that opt decides group; only one option may.
func (o *mountOptions) claim(group, opt string) error {
	if was, ok := o.seen[group]; ok {
		if was == opt {
			return fmt.Errorf("option %s is given twice", Quote(opt))
		}
		return fmt.Errorf("options %s and %s exclude each other", Quote(was), Quote(opt))
	}
	o.seen[group] = opt
	return nil
}

// list applies a comma-separated list, as -v and --tmpfs have it.
func (o *mountOptions) list(opts string) error {
	for opt := range strings.SplitSeq(opts, ",") {
		key, val, has := strings.Cut(opt, "=")
		if err := o.apply(opt, key, val, has); err != nil {
			return err
		}
	}
	return nil
}

func (o *mountOptions) apply(opt, key, val string, has bool) error {
	if opt == "" {
		return errors.New("empty option")
	}
	tries := []func(string, string, bool) (bool, error){o.valued, o.word, o.ofSource}
	for _, try := range tries {
		if known, err := try(key, val, has); known || err != nil {
			return err
		}
	}
	return fmt.Errorf("unknown option %s", Quote(opt))
}

// word applies the options without a value that all types know.
func (o *mountOptions) word(key, _ string, has bool) (bool, error) {
	m := o.m
	if has {
		return false, nil
	}
	switch key {
	case "ro", "rw":
		m.ReadOnly = key == "ro"
		return true, o.claim("ro", key)
	case "exec", "noexec":
		m.Exec = key == "exec"
		return true, o.claim("exec", key)
	case "suid", "nosuid":
		m.SUID = key == "suid"
		return true, o.claim("suid", key)
	case "dev", "nodev":
		m.Dev = key == "dev"
		return true, o.claim("dev", key)
	case "U", "chown":
		m.Chown = true
		return o.only(key, MountBind, MountVolume, MountTmpfs)
	case "tmpcopyup", "notmpcopyup":
		m.NoCopyUp = key == "notmpcopyup"
		return o.onlyIn("copy", key, MountTmpfs)
	case "copy", "nocopy":
		m.NoCopyUp = key == "nocopy"
		return o.onlyIn("copy", key, MountVolume)
	}
	return false, nil
}

// ofSource applies the options of mounts that have a source.
func (o *mountOptions) ofSource(key, _ string, has bool) (bool, error) {
	m := o.m
	if key == "idmap" {
		return true, fmt.Errorf("option \"idmap\" is %w", ErrUnsupported)
	}
	if has || (m.Type != MountBind && m.Type != MountVolume) {
		return false, nil
	}
	switch key {
	case "z", "Z":
		m.Relabel = Relabel(key)
		return true, o.claim("relabel", key)
	case "O":
		m.Overlay = true
		return true, o.claim("overlay", key)
	case "bind", "rbind":
		m.NonRecursive = key == "bind"
		return o.onlyIn("bind", key, MountBind)
	case "cached", "delegated", "consistent": // of Docker on macOS: no meaning on Linux
		return true, o.claim("consistency", key)
	}
	if isPropagation(key) {
		m.Propagation = Propagation(key)
		return o.onlyIn("propagation", key, MountBind)
	}
	return false, nil
}

func isPropagation(s string) bool {
	return slices.Contains([]Propagation{
		Private, RPrivate, Shared, RShared, Slave, RSlave, Unbindable, RUnbindable,
	}, Propagation(s))
}

// valued applies the options with a value.
func (o *mountOptions) valued(key, val string, has bool) (bool, error) {
	if !has {
		return false, nil
	}
	m := o.m
	var err error
	switch key {
	case "size":
		m.Size, err = tmpfsSize(val)
		return o.valueOf(key, err, MountTmpfs)
	case "nr_inodes":
		m.Inodes, err = tmpfsCount(val)
		return o.valueOf(key, err, MountTmpfs)
	case "mode":
		m.Mode, err = fileMode(val)
		return o.valueOf(key, err, MountTmpfs, MountDevpts)
	case "uid":
		m.UID, err = number(val, maxID)
		return o.valueOf(key, err, MountTmpfs, MountDevpts)
	case "gid":
		m.GID, err = number(val, maxID)
		return o.valueOf(key, err, MountTmpfs, MountDevpts)
	case "max":
		m.Max, err = number(val, 1<<20)
		return o.valueOf(key, err, MountDevpts)
	case "upperdir", "workdir":
		return true, fmt.Errorf("option %q is %w", key, ErrUnsupported)
	}
	return false, nil
}

// valueOf reports key as known, with what is wrong about its value or place.
func (o *mountOptions) valueOf(key string, err error, types ...MountType) (bool, error) {
	if err != nil {
		return true, fmt.Errorf("option %q: %w", key, err)
	}
	return o.only(key, types...)
}

// only claims key as its own group, for these types.
func (o *mountOptions) only(key string, types ...MountType) (bool, error) {
	return o.onlyIn(key, key, types...)
}

func (o *mountOptions) onlyIn(group, key string, types ...MountType) (bool, error) {
	if !slices.Contains(types, o.m.Type) {
		return true, fmt.Errorf("option %s is not for mounts of type %s", Quote(key), o.m.Type)
	}
	return true, o.claim(group, key)
}

// finish checks what only the whole list shows.
func (o *mountOptions) finish() error {
	if o.m.Overlay && len(o.seen) > 1 {
		return errors.New("option \"O\" excludes all others")
	}
	return nil
}

func tmpfsSize(val string) (string, error) {
	if pct, ok := strings.CutSuffix(val, "%"); ok {
		n, err := strconv.ParseUint(pct, 10, 8)
		if err != nil || n < 1 || n > 100 {
			return "", bad(val, "is not a percentage of memory")
		}
		return val, nil
	}
	n, err := ParseSize(val)
	if err != nil {
		return "", err
	}
	return strconv.FormatInt(n, 10), nil
}

func tmpfsCount(val string) (string, error) {
	n, err := ParseSize(val)
	if err != nil {
		return "", bad(val, "is not a number")
	}
	return strconv.FormatInt(n, 10), nil
}

func fileMode(val string) (*uint32, error) {
	n, err := strconv.ParseUint(val, 8, 32)
	if err != nil || n > 0o7777 {
		return nil, bad(val, "is not an octal file mode")
	}
	mode := uint32(n)
	return &mode, nil
}

func number(val string, limit uint64) (*uint32, error) {
	n, err := strconv.ParseUint(val, 10, 32)
	if err != nil || n > limit {
		return nil, bad(val, "is not a number from 0 to "+strconv.FormatUint(limit, 10))
	}
	u := uint32(n)
	return &u, nil
}
