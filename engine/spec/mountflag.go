package spec

import (
	"encoding/csv"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// ParseMount reads one --mount value: comma-separated KEY=VALUE in CSV quoting.
// The type is volume if none is given, as with Docker.
func ParseMount(value, cwd string) (Mount, error) {
	m, err := parseMount(value, cwd)
	if err != nil {
		return Mount{}, badErr(value, err)
	}
	return m, nil
}

func parseMount(value, cwd string) (Mount, error) {
	if err := checkText(value); err != nil {
		return Mount{}, err
	}
	if value == "" {
		return Mount{}, errors.New("is empty")
	}
	fields, err := csv.NewReader(strings.NewReader(value)).Read()
	if err != nil {
		return Mount{}, errors.New("has unbalanced quotes")
	}
	t, err := mountType(fields)
	if err != nil {
		return Mount{}, err
	}
	m := newMount(t)
	p := mountFlag{mountOptions: optionsOf(&m), cwd: cwd}
	for _, f := range fields {
		if err := p.field(f); err != nil {
			return Mount{}, err
		}
	}
	return m, p.finish()
}

func mountType(fields []string) (MountType, error) {
	found := MountVolume
	n := 0
	for _, f := range fields {
		val, ok := strings.CutPrefix(f, "type=")
		if !ok {
			continue
		}
		n++
		found = MountType(val)
	}
	if n > 1 {
		return "", errors.New("key \"type\" is given twice")
	}
	switch found {
	case MountBind, MountVolume, MountTmpfs, MountDevpts, MountMqueue, MountArtifact:
		return found, nil
	case "image", "glob", "ramfs", "cluster", "npipe":
		return "", fmt.Errorf("type %s is %w", found, ErrUnsupported)
	}
	return "", fmt.Errorf("unknown type %s", Quote(string(found)))
}

// mountFlag adds the keys of --mount to the options of -v.
type mountFlag struct {
	*mountOptions
	cwd string
}

func (p mountFlag) field(field string) error {
	key, val, has := strings.Cut(field, "=")
	if known, err := p.artifact(key, val); known || err != nil {
		return err
	}
	switch key {
	case "type":
		return nil
	case "source", "src":
		return p.source(key, val)
	case "destination", "dest", "dst", "target":
		dest, err := checkDest(val)
		if err != nil {
			return err
		}
		p.m.Dest = dest
		return p.claim("destination", key)
	case "bind-propagation":
		if !isPropagation(val) {
			return fmt.Errorf("option %q: unknown propagation %s", key, Quote(val))
		}
		return p.apply(field, val, "", false)
	case "relabel":
		return p.relabel(val)
	case "bind-recursive":
		return p.recursive(val)
	case "consistency":
		return nil // of Docker on macOS: no meaning on Linux
	case "subpath", "volume-subpath", "volume-opt", "volume-driver", "volume-label":
		return p.volume(key, val)
	case "tmpfs-options", "no-dereference", "bind-create-src":
		return fmt.Errorf("key %q is %w", key, ErrUnsupported)
	}
	return p.option(field, key, val, has)
}

func (p mountFlag) source(key, val string) error {
	if err := p.claim("source", key); err != nil {
		return err
	}
	switch p.m.Type {
	case MountBind:
		path, err := absPath(val, p.cwd)
		p.m.Source = path
		return err
	case MountVolume:
		p.m.Source = val
		return CheckName(val)
	case MountArtifact:
		p.m.Source = val
		return checkText(val)
	case MountTmpfs, MountDevpts, MountMqueue:
	}
	return fmt.Errorf("a mount of type %s has no source", p.m.Type)
}

// artifact applies the keys that artifacts alone have; and refuses, for them,
// those that say how files are mounted: they are read-only, and nobody's but the store's.
func (p mountFlag) artifact(key, val string) (known bool, err error) {
	to := map[string]*string{}
	if a := p.m.Artifact; a != nil {
		to["title"], to["digest"], to["name"] = &a.Title, &a.Digest, &a.Name
	}
	at, ok := to[key]
	switch {
	case ok:
	case p.m.Type == MountArtifact:
		switch key {
		case "type", "source", "src", "destination", "dest", "dst", "target":
			return false, nil
		case "ro", "readonly":
			if on, err := strconv.ParseBool(val); val == "" || err == nil && on {
				return true, p.claim("ro", key)
			}
		}
		return true, fmt.Errorf("option %s is not for mounts of type %s, which are read-only", Quote(key), p.m.Type)
	case key == "title" || key == "digest":
		return true, fmt.Errorf("key %q is not for mounts of type %s", key, p.m.Type)
	default:
		return false, nil
	}
	if val == "" {
		return true, fmt.Errorf("key %q is empty", key)
	}
	if err := checkText(val); err != nil {
		return true, fmt.Errorf("key %q %w", key, err)
	}
	if key == "name" && (strings.Contains(val, "/") || val == "." || val == "..") {
		return true, fmt.Errorf("key %q: %s is no name for a file", key, Quote(val))
	}
	*at = val
	return true, p.claim(key, key)
}

// volume applies the keys that volumes alone have.
func (p mountFlag) volume(key, val string) error {
	if p.m.Type != MountVolume {
		return fmt.Errorf("key %q is not for mounts of type %s", key, p.m.Type)
	}
	switch key {
	case "volume-driver":
		if val != "local" && val != "" {
			return fmt.Errorf("key %q: driver %s is %w", key, Quote(val), ErrUnsupported)
		}
		return p.claim(key, key)
	case "volume-label", "volume-opt":
		name, value, _ := strings.Cut(val, "=")
		if name == "" {
			return fmt.Errorf("key %q has no name", key)
		}
		to := &p.m.VolumeLabels
		if key == "volume-opt" {
			to = &p.m.VolumeOptions
		}
		if *to == nil {
			*to = map[string]string{}
		}
		(*to)[name] = value
		return nil
	}
	clean, err := subpath(val)
	p.m.Subpath = clean
	if err != nil {
		return fmt.Errorf("key %q: %w", key, err)
	}
	return p.claim("subpath", key)
}

// subpath checks a path in a volume, which must not lead out of it.
func subpath(val string) (string, error) {
	if err := checkText(val); err != nil {
		return "", err
	}
	if val == "" || path.IsAbs(val) || !filepath.IsLocal(val) {
		return "", fmt.Errorf("%s is not a path in the volume", Quote(val))
	}
	return path.Clean(val), nil
}

func (p mountFlag) relabel(val string) error {
	short, ok := map[string]string{"shared": "z", "private": "Z", "z": "z", "Z": "Z"}[val]
	if !ok {
		return fmt.Errorf("option \"relabel\": %s is neither shared nor private", Quote(val))
	}
	return p.apply("relabel", short, "", false)
}

// recursive maps Docker's spelling. Its "writable" and "readonly" are about
// read-only mounts: ours cover what is mounted below, or fail.
func (p mountFlag) recursive(val string) error {
	word := "rbind"
	switch val {
	case "enabled", "readonly":
	case "disabled":
		word = "bind"
	case "writable":
		return fmt.Errorf("option \"bind-recursive=writable\" is %w", ErrUnsupported)
	default:
		return fmt.Errorf("option \"bind-recursive\": unknown value %s", Quote(val))
	}
	return p.apply("bind-recursive", word, "", false)
}

// option applies a key that -v and --tmpfs know too, under its name there. A
// word may be followed by =true or =false.
func (p mountFlag) option(field, key, val string, has bool) error {
	if name, ok := strings.CutPrefix(key, "tmpfs-"); ok && (name == "size" || name == "mode") {
		return p.apply(field, name, val, has)
	}
	word, negated := mountWord(key)
	if word == "" {
		return p.apply(field, key, val, has)
	}
	if !has {
		return p.apply(field, word, "", false)
	}
	on, err := strconv.ParseBool(val)
	if err != nil {
		return fmt.Errorf("option %q: %s is neither true nor false", key, Quote(val))
	}
	if !on {
		word = negated
	}
	if word == "" {
		return nil // the default
	}
	return p.apply(field, word, "", false)
}

// mountWord returns the option of -v that the key means, and the one that it
// means with =false: "" where that is the default.
func mountWord(key string) (word, negated string) {
	switch key {
	case "ro", "readonly":
		return "ro", "rw"
	case "rw", "readwrite":
		return "rw", "ro"
	case "U", "chown":
		return "U", ""
	case "O":
		return "O", ""
	case "idmap":
		return "idmap", ""
	case "bind-nonrecursive":
		return "bind", "rbind"
	case "volume-nocopy":
		return "nocopy", "copy"
	case "exec", "suid", "dev", "tmpcopyup", "copy":
		return key, "no" + key
	case "noexec", "nosuid", "nodev", "notmpcopyup", "nocopy":
		return key, strings.TrimPrefix(key, "no")
	}
	return "", ""
}

// finish checks that the keys make a whole.
func (p mountFlag) finish() error {
	if p.m.Dest == "" {
		return errors.New("has no destination")
	}
	if p.m.Type == MountBind && p.m.Source == "" {
		return errors.New("a bind mount needs a source")
	}
	if a := p.m.Artifact; a != nil {
		switch {
		case p.m.Source == "":
			return errors.New("a mount of type artifact needs a source")
		case a.Title != "" && a.Digest != "":
			return errors.New("keys \"title\" and \"digest\" exclude each other")
		}
	}
	if p.m.Overlay && (p.m.ReadOnly || p.m.Chown || p.m.Relabel != "") {
		return errors.New("option \"O\" excludes ro, U and relabel")
	}
	return nil
}
