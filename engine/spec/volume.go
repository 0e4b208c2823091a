package spec

import (
	"errors"
	"fmt"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// ParseVolume reads one -v value: [SOURCE:]DEST[:OPTIONS]. A source that begins
// with '/' or '.' is a path, resolved against cwd; any other is the name of a
// volume; none makes an anonymous volume. A ':' in a path is written '\:'.
func ParseVolume(value, cwd string) (Mount, error) {
	m, err := parseVolume(value, cwd)
	if err != nil {
		return Mount{}, badErr(value, err)
	}
	return m, nil
}

func parseVolume(value, cwd string) (Mount, error) {
	fields := splitEscaped(value)
	if len(fields) > 3 {
		return Mount{}, errors.New("has more than SOURCE:DESTINATION:OPTIONS")
	}
	m := newMount(MountVolume)
	dest := fields[0]
	if len(fields) > 1 {
		var err error
		if m, err = volumeSource(fields[0], cwd); err != nil {
			return Mount{}, err
		}
		dest = fields[1]
	}
	var err error
	if m.Dest, err = checkDest(dest); err != nil {
		return Mount{}, err
	}
	if len(fields) < 3 {
		return m, nil
	}
	opts := optionsOf(&m)
	if err := opts.list(fields[2]); err != nil {
		return Mount{}, err
	}
	return m, opts.finish()
}

// VolumesFrom is a container whose volumes and binds another one shares.
type VolumesFrom struct {
	Container string // name or ID
	ReadOnly  bool
	Relabel   bool // for both, as z
}

// ParseVolumesFrom reads one --volumes-from value: CONTAINER[:OPTIONS].
func ParseVolumesFrom(value string) (VolumesFrom, error) {
	name, opts, has := strings.Cut(value, ":")
	v := VolumesFrom{Container: name}
	if name == "" {
		return v, bad(value, "names no container")
	}
	if !has {
		return v, nil
	}
	for opt := range strings.SplitSeq(opts, ",") {
		switch opt {
		case "ro":
			v.ReadOnly = true
		case "rw":
		case "z":
			v.Relabel = true
		default:
			return v, bad(value, "has an option that is none of ro, rw and z")
		}
	}
	return v, nil
}

func volumeSource(src, cwd string) (Mount, error) {
	switch {
	case src == "":
		return Mount{}, errors.New("has an empty source")
	case src[0] == '/' || src[0] == '.':
		m := newMount(MountBind)
		path, err := absPath(src, cwd)
		m.Source = path
		return m, err
	case strings.Contains(src, "/"):
		return Mount{}, hint.New(fmt.Errorf("source %s is neither a path nor the name of a volume", Quote(src)),
			"a relative path begins with ./ or ../")
	}
	m := newMount(MountVolume)
	m.Source = src
	return m, CheckName(src)
}

// splitEscaped splits at ':' where no '\' stands before it, and takes such a
// '\' away.
func splitEscaped(s string) []string {
	fields := []string{""}
	for i := 0; i < len(s); i++ {
		last := len(fields) - 1
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == ':':
			fields[last] += ":"
			i++
		case s[i] == ':':
			fields = append(fields, "")
		default:
			fields[last] += s[i : i+1]
		}
	}
	return fields
}

// ParseTmpfs reads one --tmpfs value: DEST[:OPTIONS]. Defaults are
// rw,noexec,nosuid,nodev,tmpcopyup.
func ParseTmpfs(value string) (Mount, error) {
	dest, opts, has := strings.Cut(value, ":")
	m := newMount(MountTmpfs)
	var err error
	if m.Dest, err = checkDest(dest); err != nil {
		return Mount{}, badErr(value, err)
	}
	if !has {
		return m, nil
	}
	if err := optionsOf(&m).list(opts); err != nil {
		return Mount{}, badErr(value, err)
	}
	return m, nil
}
