package unit

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// Flag is one flag of the command line that made a container.
type Flag struct {
	Name  string   // the long one
	Value string   // "true" for one that stands without
	Args  []string // as it was typed
}

// Create is that command line, taken apart: `run` or `create`, FLAGS, IMAGE ARGS.
type Create struct {
	Flags []Flag
	Rest  []string // the image and what follows it
	Dir   string   // where it was typed; "" if that is not known
}

// ErrNoCommand means that it is not known how a container was made.
var ErrNoCommand = errors.New("it is not known with which command it was made")

// replaced are the flags that the unit has its own words for.
var replaced = []string{ //nolint:gochecknoglobals // constant
	"detach", "rm", "replace", "cidfile", "name", "sdnotify", "restart", "attach", "sig-proxy",
}

// last is the value of the flag, the last one as everywhere; "" if it is not given.
func (c Create) last(name string) string {
	for _, f := range slices.Backward(c.Flags) {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// sdnotify says who reports. That systemd shall hear nothing cannot be meant in a
// unit of systemd's; and a payload reports only where somebody says that it does.
func (c Create) sdnotify() string {
	if mode := c.last("sdnotify"); mode != "" && mode != "ignore" {
		return mode
	}
	return "conmon"
}

// again is the command line for a unit, each element a line of it.
func (c Create) again(u *unit) ([]string, error) {
	if len(c.Rest) == 0 {
		return nil, hint.New(fmt.Errorf("container %s: %w", u.rec.Name, ErrNoCommand), "leave out --new")
	}
	lines := []string{argument(u.o.Executable) + " run", "--cidfile=" + idFile, "--rm", "-d", "--sdnotify=" + argument(c.sdnotify())}
	if name := u.name(); name != "" {
		lines = append(lines, "--name "+name)
	}
	for _, f := range c.Flags {
		if !slices.Contains(replaced, f.Name) {
			lines = append(lines, arguments(f.Args))
		}
	}
	return append(lines, arguments(c.Rest)), nil
}

func arguments(args []string) string {
	out := make([]string, 0, len(args))
	for _, a := range args {
		out = append(out, argument(a))
	}
	return strings.Join(out, " ")
}

// relative says whether the command line names files from where it was typed.
func (c Create) relative() bool {
	if c.last("rootfs") == "true" && !filepath.IsAbs(c.Rest[0]) {
		return true
	}
	return slices.ContainsFunc(c.Flags, func(f Flag) bool {
		switch f.Name {
		case "env-file", "label-file", "authfile", "pidfile", "init-path":
			return f.Value != "" && !filepath.IsAbs(f.Value)
		case "volume":
			return strings.HasPrefix(f.Value, ".")
		case "mount":
			return strings.Contains(f.Value, "=.")
		}
		return false
	})
}
