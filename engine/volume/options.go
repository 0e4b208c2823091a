package volume

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
)

// ParseOptions reads the options of the driver "local", as docker-volume-create(1)
// and podman-volume-create(1) have them: type, device, o.
func ParseOptions(options map[string]string) (Mount, error) {
	var m Mount
	for key := range options {
		switch key {
		case "type", "device", "o", "copy", "nocopy":
		default:
			return m, fmt.Errorf("%w %s: unknown; the driver local knows type, device, o, copy and nocopy", ErrOption, spec.Quote(key))
		}
	}
	_, m.NoCopy = options["nocopy"]
	if _, both := options["copy"]; both && m.NoCopy {
		return m, fmt.Errorf("%w copy: excludes nocopy", ErrOption)
	}
	o := parser{m: &m}
	if err := o.list(options["o"]); err != nil {
		return m, err
	}
	if err := o.kind(options["type"], options["device"]); err != nil {
		return m, err
	}
	return m, o.finish()
}

type parser struct {
	m          *Mount
	bind       bool
	size, mode string
	flags      []string
}

// kind decides what the volume is.
func (p *parser) kind(kind, device string) error {
	bind := p.bind || kind == "bind"
	switch {
	case bind && kind != "" && kind != "none" && kind != "bind":
		return fmt.Errorf("%w type=%s: excludes o=bind", ErrOption, kind)
	case bind && device == "":
		return fmt.Errorf("%w o=bind: needs device=DIRECTORY", ErrOption)
	case bind && !filepath.IsAbs(device):
		return fmt.Errorf("%w device=%s: is not an absolute path", ErrOption, spec.Quote(device))
	case bind:
		p.m.Type, p.m.Source = Bind, filepath.Clean(device)
	case kind == "tmpfs":
		p.m.Type = Tmpfs
	case kind != "" && kind != "none":
		return hint.New(fmt.Errorf("%w type=%s: mounting it needs root", ErrOption, spec.Quote(kind)),
			"mount it as root, then burrow volume create -o type=none -o o=bind -o device=/MOUNTPOINT")
	case device != "":
		return fmt.Errorf("%w device: needs o=bind or type=tmpfs", ErrOption)
	}
	return nil
}

// list reads the value of o.
func (p *parser) list(text string) error {
	if text == "" {
		return nil
	}
	for opt := range strings.SplitSeq(text, ",") {
		key, value, has := strings.Cut(opt, "=")
		if err := p.one(key, value, has); err != nil {
			return fmt.Errorf("%w o=%s: %w", ErrOption, spec.Quote(opt), err)
		}
	}
	return nil
}

func (p *parser) one(key, value string, has bool) error {
	switch {
	case has && (key == "uid" || key == "gid"):
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return errors.New("is not an ID")
		}
		id := uint32(n)
		if key == "uid" {
			p.m.UID = &id
			return nil
		}
		p.m.GID = &id
		return nil
	case has && key == "size":
		n, err := spec.ParseSize(value)
		p.size = strconv.FormatInt(n, 10)
		return err
	case has && key == "mode":
		n, err := strconv.ParseUint(value, 8, 32)
		if err != nil || n > 0o7777 {
			return errors.New("is not an octal file mode")
		}
		p.mode = fmt.Sprintf("%04o", n)
		return nil
	case has && (key == "nr_inodes" || key == "inodes"):
		n, err := spec.ParseSize(value)
		p.flags = append(p.flags, "nr_inodes="+strconv.FormatInt(n, 10))
		return err
	case !has && (key == "bind" || key == "rbind"):
		p.bind = true
		return nil
	case !has && (key == "ro" || key == "rw"):
		p.m.ReadOnly = key == "ro"
		return nil
	case !has && slices.Contains([]string{"nodev", "nosuid", "noquota"}, key):
		return nil // true of every volume
	}
	return errors.New("is unknown, or needs root")
}

// finish checks what belongs to one type only, and writes a tmpfs's options down.
func (p *parser) finish() error {
	if p.m.Type != Tmpfs {
		if p.size != "" || p.mode != "" || len(p.flags) > 0 {
			return hint.New(fmt.Errorf("%w o=size, mode or inodes: limits need quotas of the file system, which need root", ErrOption),
				"-o type=tmpfs -o device=tmpfs -o o=size=SIZE makes one in memory")
		}
		return nil
	}
	data := []string{"mode=" + cmp.Or(p.mode, "1777")}
	if p.size != "" {
		data = append(data, "size="+p.size)
	}
	p.m.Data = strings.Join(append(data, p.flags...), ",")
	return nil
}
