package conf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Apply gives the flags of a parsed command line the values that it leaves open.
func (d Defaults) Apply(fs *pflag.FlagSet) error {
	for _, one := range d {
		if err := one.apply(fs); err != nil {
			return fmt.Errorf("containers.conf: --%s %w", one.Flag, err)
		}
	}
	return nil
}

func (d Default) apply(fs *pflag.FlagSet) error {
	f := fs.Lookup(d.Flag)
	if f == nil {
		return errors.New("is no flag")
	}
	if f.Changed && !d.Before {
		return nil
	}
	values := d.Values
	if d.Flag == "cap-drop" {
		values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return added(fs, v) })
	}
	list, several := f.Value.(pflag.SliceValue)
	if !several || !f.Changed {
		for _, v := range values {
			if err := fs.Set(d.Flag, v); err != nil {
				return err
			}
		}
		return nil
	}
	typed := list.GetSlice()
	if d.Unless != "" && slices.ContainsFunc(typed, func(v string) bool { return strings.HasPrefix(v, d.Unless) }) {
		return nil
	}
	// Of a key that both have, the command line's is the last word and the only one.
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool {
		key, _, ok := strings.Cut(v, "=")
		return ok && d.keyed() && slices.ContainsFunc(typed, func(t string) bool { return strings.HasPrefix(t, key+"=") })
	})
	return list.Replace(slices.Concat(values, typed))
}

// keyed says that the flag's values are KEY=VALUE, one of each key.
func (d Default) keyed() bool {
	return slices.Contains([]string{"ulimit", "sysctl", "env", "annotation"}, d.Flag)
}

// added says that the command line asks for a capability.
func added(fs *pflag.FlagSet, name string) bool {
	if f := fs.Lookup("privileged"); f != nil && f.Value.String() == "true" {
		return true
	}
	f := fs.Lookup("cap-add")
	if f == nil {
		return false
	}
	list, ok := f.Value.(pflag.SliceValue)
	return ok && slices.ContainsFunc(list.GetSlice(), func(v string) bool {
		v = strings.ToUpper(v)
		return v == "ALL" || strings.TrimPrefix(v, "CAP_") == strings.TrimPrefix(name, "CAP_")
	})
}
