package flags

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/burrow-run/burrow/engine/spec"
)

// Run holds the flags of one `run` or `create` command line.
type Run struct {
	fs      *pflag.FlagSet
	groups  []group
	refused []refusal
}

// group is a set of flags that belong together in help and in the Spec.
type group interface {
	define(d definer)
	fill(c *call)
}

// Add defines the flags on fs. The first argument that is no flag is the image,
// and what follows it belongs to the container.
func Add(fs *pflag.FlagSet) *Run {
	r := &Run{
		fs: fs,
		groups: []group{
			&imageFlags{}, &containerFlags{}, &processFlags{}, &envFlags{}, &stdioFlags{}, &mountFlags{},
			&namespaceFlags{}, &networkFlags{}, &limitFlags{}, &securityFlags{}, &healthFlags{},
		},
		refused: refusals(),
	}
	fs.SetInterspersed(false)
	fs.SortFlags = false
	fs.SetNormalizeFunc(normalize)
	for _, g := range r.groups {
		g.define(definer{fs: fs})
	}
	for i := range r.refused {
		r.refused[i].define(fs)
	}
	// Of our own, without a shorthand: -h is the host name, as with Podman.
	fs.Bool("help", false, "show this help")
	return r
}

// normalize maps other spellings to the one that is defined.
func normalize(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch name {
	case "net":
		name = "network"
	case "net-alias":
		name = "network-alias"
	case "dns-opt":
		name = "dns-option"
	case "timezone":
		name = "tz"
	case "healthcheck-command":
		name = "health-cmd"
	}
	if rest, ok := strings.CutPrefix(name, "healthcheck-"); ok {
		name = "health-" + rest
	}
	if rest, ok := strings.CutPrefix(name, "override-"); ok { // arch, os, variant
		name = rest
	}
	return pflag.NormalizedName(name)
}

// call is one translation: what is read, what is made, and the first error.
type call struct {
	fs      *pflag.FlagSet
	spec    *spec.Spec
	env     func(string) (string, bool)
	environ []string
	cwd     string
	warn    []string
	err     error
}

// Spec translates the parsed flags. args is what follows them: the image, or
// the root directory after --rootfs, and the container's arguments. env and
// environ are the caller's environment, cwd its working directory. The strings
// it returns are warnings.
func (r *Run) Spec(args []string, env func(string) (string, bool), environ []string, cwd string) (
	spec.Spec, []string, error,
) {
	for i := range r.refused {
		if err := r.refused[i].check(r.fs); err != nil {
			return spec.Spec{}, nil, err
		}
	}
	s := spec.Default()
	c := &call{fs: r.fs, spec: &s, env: env, environ: environ, cwd: cwd}
	if len(args) > 0 {
		s.Args = args[1:]
		s.Image = args[0]
	}
	for _, g := range r.groups {
		if g.fill(c); c.err != nil {
			return spec.Spec{}, nil, c.err
		}
	}
	if err := s.Validate(); err != nil {
		return spec.Spec{}, nil, err
	}
	return s, append(c.warn, s.Warnings()...), nil
}

// fail keeps the first error, naming the flag it comes from.
func (c *call) fail(flag string, err error) {
	if c.err == nil && err != nil {
		c.err = fmt.Errorf("--%s %w", flag, err)
	}
}

// changed says whether the flag was given.
func (c *call) changed(flag string) bool { return c.fs.Changed(flag) }

// path stores an absolute form of raw, a file of the caller.
func (c *call) path(dst *string, flag, raw string) {
	parse(c, dst, flag, raw, func(s string) (string, error) { return spec.AbsPath(s, c.cwd) })
}

// checked stores raw if check allows it.
func (c *call) checked(dst *string, flag, raw string, check func(string) error) {
	parse(c, dst, flag, raw, func(s string) (string, error) { return s, check(s) })
}

// parse stores what fn makes of raw. An empty value is as good as no flag, so
// that scripts may write --name "$NAME".
func parse[T any](c *call, dst *T, flag, raw string, fn func(string) (T, error)) {
	if raw != "" {
		require(c, dst, flag, raw, fn)
	}
}

// require is parse for flags whose empty value is no harmless default.
func require[T any](c *call, dst *T, flag, raw string, fn func(string) (T, error)) {
	if c.err != nil || !c.changed(flag) {
		return
	}
	v, err := fn(raw)
	if err != nil {
		c.fail(flag, err)
		return
	}
	*dst = v
}

// each appends what fn makes of every value.
func each[T any](c *call, dst *[]T, flag string, values []string, fn func(string) (T, error)) {
	for _, raw := range values {
		v, err := fn(raw)
		if err != nil {
			c.fail(flag, err)
			return
		}
		*dst = append(*dst, v)
	}
}

// open hands the file at path to read; flag names it in errors.
func (c *call) open(flag, path string, read func(*os.File) error) {
	abs, err := spec.AbsPath(path, c.cwd)
	if err != nil {
		c.fail(flag, err)
		return
	}
	f, err := os.Open(abs)
	if err != nil {
		c.fail(flag, err)
		return
	}
	defer f.Close()
	if err := read(f); err != nil {
		c.fail(flag, fmt.Errorf("%s: %w", abs, err))
	}
}

// plain passes a value on that another package will read, unless it is empty or
// holds a control character.
func plain(value string) (string, error) { return value, spec.CheckPlain(value) }
