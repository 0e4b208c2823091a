package idmap

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Kind is what a container's user namespace looks like.
type Kind int

// The values of --userns.
const (
	Unique    Kind = iota // 0 is the user, the rest a slice
	Auto                  // all of it a slice
	KeepID                // a chosen ID is the user, the rest a slice
	Single                // 0 is the user, and that is all
	NoMap                 // all of it a slice; Podman's name for it
	Host                  // no user namespace but the anchor
	Container             // the user namespace of another container
	Path                  // the user namespace at a path
	Explicit              // --uidmap, --gidmap, --subuidname, --subgidname
)

var kindNames = [...]string{"unique", "auto", "keep-id", "single", "nomap", "host", "container", "ns", "explicit"}

// String is the name as --userns takes it.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("bug: kind %d", int(k))
	}
	return kindNames[k]
}

// Mode is a parsed --userns, or the map options that replace it. The zero
// value is the default.
type Mode struct {
	Kind Kind
	// Size is the block size asked for; 0 is the default.
	Size uint32
	// UID and GID are the chosen IDs of keep-id; nil is the user's own.
	UID, GID *uint32
	// UIDs and GIDs are the mappings of auto and explicit.
	UIDs, GIDs []Mapping
	// Target is the container of kind Container, or the path of kind Path.
	Target string
}

// NeedsSlice says whether the container holds a slice of the Ledger.
func (m Mode) NeedsSlice() bool {
	switch m.Kind {
	case Unique, Auto, KeepID, NoMap:
		return true
	case Single, Host, Container, Path, Explicit:
	}
	return false
}

// OwnNamespace says whether the container gets a user namespace of its own, so
// that Maps has an answer.
func (m Mode) OwnNamespace() bool {
	return m.Kind != Host && m.Kind != Container && m.Kind != Path
}

// ParseMode reads the value of --userns:
//
//	unique | single | nomap | host
//	auto[:size=N,uidmapping=C:A:N,gidmapping=C:A:N]
//	keep-id[:uid=N,gid=N,size=N]
//	container:ID | ns:PATH
//
// The empty value is unique.
func ParseMode(s string) (Mode, error) {
	name, arg, hasArg := strings.Cut(s, ":")
	bad := func(why string) (Mode, error) {
		return Mode{}, fmt.Errorf("%w: --userns=%s: %s", ErrSyntax, s, why)
	}
	switch name {
	case "", "unique", "single", "nomap", "host":
		if hasArg {
			return bad(name + " takes no options")
		}
		return Mode{Kind: plainKinds[name]}, nil
	case "auto":
		return parseOptions(s, Mode{Kind: Auto}, arg, hasArg)
	case "keep-id":
		return parseOptions(s, Mode{Kind: KeepID}, arg, hasArg)
	case "container":
		if arg == "" {
			return bad("names no container")
		}
		return Mode{Kind: Container, Target: arg}, nil
	case "ns":
		if !filepath.IsAbs(arg) || strings.ContainsRune(arg, 0) {
			return bad("needs an absolute path")
		}
		return Mode{Kind: Path, Target: arg}, nil
	}
	return bad("no such mode; there are unique, auto, keep-id, single, nomap, host, container:ID and ns:PATH")
}

var plainKinds = map[string]Kind{"": Unique, "unique": Unique, "single": Single, "nomap": NoMap, "host": Host}

// parseOptions reads what follows "auto:" and "keep-id:".
func parseOptions(s string, m Mode, arg string, has bool) (Mode, error) {
	if !has {
		return m, nil
	}
	seen := map[string]bool{}
	for opt := range strings.SplitSeq(arg, ",") {
		key, value, _ := strings.Cut(opt, "=")
		repeats := key == "uidmapping" || key == "gidmapping"
		if seen[key] && !repeats {
			return Mode{}, fmt.Errorf("%w: --userns=%s: %s is given twice", ErrSyntax, s, key)
		}
		seen[key] = true
		if err := m.setOption(key, value); err != nil {
			return Mode{}, fmt.Errorf("%w: --userns=%s: %w", ErrSyntax, s, err)
		}
	}
	return m, nil
}

func (m *Mode) setOption(key, value string) error {
	switch {
	case key == "size":
		n, err := parseID(value)
		if err != nil || n == 0 {
			return fmt.Errorf("size %q is not a number of IDs", value)
		}
		m.Size = n
	case m.Kind == KeepID && (key == "uid" || key == "gid"):
		n, err := parseID(value)
		if err != nil {
			return fmt.Errorf("%s %w", key, err)
		}
		if key == "uid" {
			m.UID = &n
		} else {
			m.GID = &n
		}
	case m.Kind == Auto && (key == "uidmapping" || key == "gidmapping"):
		p, err := parseMapping(value)
		if err != nil {
			return err
		}
		if p.Extend || p.UIDOnly || p.GIDOnly {
			return fmt.Errorf("mapping %q: flags have no meaning here", value)
		}
		if key == "uidmapping" {
			m.UIDs = append(m.UIDs, p)
		} else {
			m.GIDs = append(m.GIDs, p)
		}
	default:
		return fmt.Errorf("%s has no option %q", m.Kind, key)
	}
	return nil
}

// parseID reads one ID. (uid_t)-1 is none.
func parseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == noID {
		return 0, fmt.Errorf("%q is not an ID", s)
	}
	return uint32(n), nil
}
