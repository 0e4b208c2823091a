package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/volume"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

// Volume is a volume as its user sees it.
type Volume struct {
	volume.Volume
	Mountpoint string   // its files, as they are named inside the anchor; "" for a tmpfs
	Users      []Record // containers that have it, running or not
}

// CreateVolume makes a named volume. Errors are volume.ErrExists and
// volume.ErrOption.
func CreateVolume(d paths.Dirs, name string, labels, options map[string]string) error {
	err := volumeStore(d).Create(volume.Volume{Name: name, Labels: labels, Options: options})
	if err == nil {
		noteVolume(d, name, audit.Create)
	}
	return err
}

// FindVolume returns a volume by its name, or by the beginning of it.
func FindVolume(d paths.Dirs, name string) (Volume, error) {
	s := volumeStore(d)
	v, err := s.Find(name)
	if err != nil {
		return Volume{Volume: v}, err
	}
	users, err := VolumeUsers(d)
	return seen(s, v, users), err
}

// Volumes returns all volumes by name. What cannot be read is in damaged.
func Volumes(d paths.Dirs) (list []Volume, damaged []error, err error) {
	s := volumeStore(d)
	all, damaged, err := s.List()
	if err != nil || len(all) == 0 {
		return nil, damaged, err
	}
	users, err := VolumeUsers(d)
	if err != nil {
		return nil, damaged, err
	}
	for _, v := range all {
		list = append(list, seen(s, v, users))
	}
	return list, damaged, nil
}

func seen(s volume.Store, v volume.Volume, users map[string][]Record) Volume {
	out := Volume{Volume: v, Users: users[v.Name], Mountpoint: s.Data(v.Name)}
	if kind, err := v.Mount(); err == nil {
		switch kind.Type {
		case volume.Bind:
			out.Mountpoint = kind.Source
		case volume.Tmpfs:
			out.Mountpoint = ""
		case volume.Directory:
		}
	}
	return out
}

// RemoveUnused deletes a volume that no container has, running or not. With
// force the containers that have it are killed and removed first.
func RemoveUnused(ctx context.Context, d paths.Dirs, name string, force bool) (string, error) {
	v, err := FindVolume(d, name)
	if err != nil && (!force || !errors.Is(err, volume.ErrDamaged)) {
		return "", err
	}
	if len(v.Users) > 0 && !force {
		var names []string
		for _, u := range v.Users {
			names = append(names, u.Name)
		}
		return v.Name, hint.New(fmt.Errorf("%s: %w by %s", v.Name, volume.ErrInUse, strings.Join(names, ", ")),
			"burrow rm "+strings.Join(names, " ")+"; or burrow volume rm -f "+v.Name)
	}
	for _, u := range v.Users {
		if _, err := Remove(ctx, d, u.ID, true); err != nil && !errors.Is(err, ErrNoContainer) {
			return v.Name, err
		}
	}
	err = RemoveVolume(ctx, d, v.Name)
	if errors.Is(err, volume.ErrNotFound) && len(v.Users) > 0 {
		err = nil // anonymous: it went with its container
	}
	return v.Name, err
}

// PruneVolumes deletes the volumes that no container has and that the filter
// chooses; of the named ones only with all.
func PruneVolumes(ctx context.Context, d paths.Dirs, f *VolumeFilter, all bool) (removed []string, err error) {
	list, _, err := Volumes(d) // of the damaged ones nobody knows whether they are wanted
	if err != nil {
		return nil, err
	}
	for _, v := range list {
		if len(v.Users) > 0 || !all && !v.Anonymous() || !f.Match(v) {
			continue
		}
		e := RemoveVolume(ctx, d, v.Name)
		switch {
		case errors.Is(e, volume.ErrInUse), errors.Is(e, volume.ErrNotFound):
		case e != nil:
			err = errors.Join(err, e)
		default:
			removed = append(removed, v.Name)
		}
	}
	return removed, err
}

// VolumeFilter chooses among volumes.
type VolumeFilter struct {
	any map[string][]func(Volume) bool // of one key: any
	all []func(Volume) bool
}

var volumeKeys = []string{"anonymous", "dangling", "driver", "label", "label!", "name", "opt", "scope", "since", "until"}

// NewVolumeFilter reads --filter values, KEY=VALUE.
func NewVolumeFilter(values []string) (*VolumeFilter, error) {
	f := &VolumeFilter{any: map[string][]func(Volume) bool{}}
	for _, text := range values {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("--filter %q: %w", text, errFilter)
		}
		if !slices.Contains(volumeKeys, key) {
			return nil, hint.New(fmt.Errorf("--filter %q: unknown key", text), "the keys are "+strings.Join(volumeKeys, ", "))
		}
		test, err := volumeTest(key, value)
		if err != nil {
			return nil, fmt.Errorf("--filter %q: %w", text, err)
		}
		if strings.HasPrefix(key, "label") || key == "opt" {
			f.all = append(f.all, test)
			continue
		}
		f.any[key] = append(f.any[key], test)
	}
	return f, nil
}

// Match says whether the volume is chosen.
func (f *VolumeFilter) Match(v Volume) bool {
	if f == nil {
		return true
	}
	for _, test := range f.all {
		if !test(v) {
			return false
		}
	}
	for tests := range maps.Values(f.any) {
		if !slices.ContainsFunc(tests, func(t func(Volume) bool) bool { return t(v) }) {
			return false
		}
	}
	return true
}

func volumeTest(key, value string) (func(Volume) bool, error) {
	name, want, has := strings.Cut(value, "=")
	in := func(m map[string]string) bool {
		got, ok := m[name]
		return ok && (!has || got == want)
	}
	switch key {
	case "anonymous", "dangling":
		var on bool
		switch strings.ToLower(value) {
		case "true", "1":
			on = true
		case "false", "0":
		default:
			return nil, errors.New("neither true nor false")
		}
		if key == "dangling" {
			return func(v Volume) bool { return (len(v.Users) == 0) == on }, nil
		}
		return func(v Volume) bool { return v.Anonymous() == on }, nil
	case "driver", "scope": // both have one value only
		return func(Volume) bool { return value == "local" }, nil
	case "label":
		return func(v Volume) bool { return in(v.Labels) }, nil
	case "label!":
		return func(v Volume) bool { return !in(v.Labels) }, nil
	case "opt":
		return func(v Volume) bool { return in(v.Options) }, nil
	case "since":
		t, err := pointInTime(value)
		return func(v Volume) bool { return v.Created.After(t) }, err
	case "until":
		t, err := pointInTime(value)
		return func(v Volume) bool { return v.Created.Before(t) }, err
	}
	re, err := regexp.Compile(value)
	return func(v Volume) bool { return re.MatchString(v.Name) }, err
}
