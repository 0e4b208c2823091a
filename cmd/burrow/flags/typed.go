package flags

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// Typed is one flag of a command line as it was typed.
type Typed struct {
	Name  string   // the long one
	Value string   // "true" for one that stands without
	Args  []string // the arguments that say so; shorthands of one argument are taken apart
}

// Split takes the arguments of `run` or `create` apart: the flags, and what
// follows them.
func Split(args []string) (typed []Typed, rest []string, err error) {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	Add(fs)
	for len(args) > 0 {
		a := args[0]
		switch {
		case a == "--":
			return typed, args[1:], nil
		case len(a) < 2 || a[0] != '-':
			return typed, args, nil
		}
		var found []Typed
		var n int
		if strings.HasPrefix(a, "--") {
			found, n, err = long(fs, args)
		} else {
			found, n, err = short(fs, args)
		}
		if err != nil {
			return nil, nil, err
		}
		typed, args = append(typed, found...), args[n:]
	}
	return typed, nil, nil
}

// long reads --name, --name=value or --name value, and says how many arguments it is.
func long(fs *pflag.FlagSet, args []string) ([]Typed, int, error) {
	name, value, has := strings.Cut(args[0][2:], "=")
	f := fs.Lookup(name)
	switch {
	case f == nil:
		return nil, 0, fmt.Errorf("unknown flag: --%s", name)
	case has:
		return []Typed{{f.Name, value, args[:1]}}, 1, nil
	case f.NoOptDefVal != "":
		return []Typed{{f.Name, f.NoOptDefVal, args[:1]}}, 1, nil
	case len(args) < 2:
		return nil, 0, fmt.Errorf("flag needs an argument: --%s", name)
	}
	return []Typed{{f.Name, args[1], args[:2]}}, 2, nil
}

// short reads -abc, where the last may have a value: -n value, -nvalue, -n=value.
func short(fs *pflag.FlagSet, args []string) (out []Typed, n int, err error) {
	for letters := args[0][1:]; letters != ""; {
		letter, rest := letters[:1], letters[1:]
		f := fs.ShorthandLookup(letter)
		switch {
		case f == nil:
			return nil, 0, fmt.Errorf("unknown shorthand flag: -%s", letter)
		case strings.HasPrefix(rest, "="):
			return append(out, Typed{f.Name, rest[1:], []string{"-" + letter + rest}}), 1, nil
		case f.NoOptDefVal != "":
			out, letters = append(out, Typed{f.Name, f.NoOptDefVal, []string{"-" + letter}}), rest
			continue
		case rest != "":
			return append(out, Typed{f.Name, rest, []string{"-" + letter, rest}}), 1, nil
		case len(args) < 2:
			return nil, 0, fmt.Errorf("flag needs an argument: -%s", letter)
		}
		return append(out, Typed{f.Name, args[1], []string{"-" + letter, args[1]}}), 2, nil
	}
	return out, 1, nil
}
