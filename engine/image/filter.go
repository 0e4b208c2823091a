package image

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/burrow-run/burrow/internal/hint"
)

// Filter picks images. The zero value picks all.
type Filter struct {
	labels []test // all must hold
	others map[string][]test
}

type test func(*Summary) bool

// NewFilter reads filters of the form KEY=VALUE. Several of one key pick what
// any of them picks; of different keys, and of labels, all must hold.
func (s *Store) NewFilter(specs []string) (*Filter, error) {
	f := &Filter{others: map[string][]test{}}
	for _, spec := range specs {
		key, value, ok := strings.Cut(spec, "=")
		if !ok || value == "" && key != "label" {
			return nil, fmt.Errorf("filter %q is not of the form KEY=VALUE", spec)
		}
		if err := s.addFilter(f, key, value); err != nil {
			return nil, fmt.Errorf("filter %q: %w", spec, err)
		}
	}
	return f, nil
}

func (s *Store) addFilter(f *Filter, key, value string) error {
	var t test
	var err error
	switch key {
	case "label":
		f.labels = append(f.labels, hasLabel(value))
		return nil
	case "label!":
		has := hasLabel(value)
		f.labels = append(f.labels, func(i *Summary) bool { return !has(i) })
		return nil
	case "dangling":
		t, err = isDangling(value)
	case "reference":
		t, err = matches(value)
	case "id":
		t = func(i *Summary) bool { return strings.HasPrefix(i.ID, strings.TrimPrefix(value, "sha256:")) }
	case "digest":
		t = func(i *Summary) bool { return strings.HasPrefix(i.Digest.String(), value) }
	case "before", "since", "after":
		t, err = s.relative(key, value)
	case "until":
		t, err = isOlder(value)
	case "containers", "intermediate", "manifest", "readonly":
		t, err = s.hasProperty(key, value)
	default:
		return hint.New(errors.New("unknown key"), "use after, before, containers, dangling, digest, id, intermediate, label, manifest, readonly, reference, since or until")
	}
	f.others[key] = append(f.others[key], t)
	return err
}

// Match says whether the filter picks i.
func (f *Filter) Match(i *Summary) bool {
	for _, t := range f.labels {
		if !t(i) {
			return false
		}
	}
	for _, tests := range f.others {
		if !slices.ContainsFunc(tests, func(t test) bool { return t(i) }) {
			return false
		}
	}
	return true
}

func hasLabel(spec string) test {
	key, value, hasValue := strings.Cut(spec, "=")
	return func(i *Summary) bool {
		for k, v := range i.Labels {
			if ok, err := path.Match(key, k); (k == key || ok && err == nil) && (!hasValue || v == value) {
				return true
			}
		}
		return false
	}
}

func isDangling(value string) (test, error) {
	want, err := strconv.ParseBool(value)
	return func(i *Summary) bool { return (len(i.Names) == 0) == want }, err
}

// hasProperty picks images by what they are.
func (s *Store) hasProperty(key, value string) (test, error) {
	want, err := strconv.ParseBool(value)
	if err != nil {
		return nil, errors.New("neither true nor false")
	}
	var has func(i *Summary) bool
	switch key {
	case "containers":
		has = func(i *Summary) bool {
			if s.opts.Users == nil {
				return false
			}
			users, err := s.opts.Users(i.ID)
			return err == nil && len(users) > 0
		}
	case "intermediate": // without name, and other images stand on it
		layers, err := s.layers()
		if err != nil {
			return nil, err
		}
		has = func(i *Summary) bool { return len(i.Names) == 0 && i.top != "" && hasChild(layers, i.top) }
	case "manifest":
		has = func(i *Summary) bool { return i.Index }
	default:
		has = func(i *Summary) bool { return i.ReadOnly }
	}
	return func(i *Summary) bool { return has(i) == want }, nil
}

// matches compares a pattern with each name: whole, without registry, without
// leading path components; with and without tag.
func matches(pattern string) (test, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, err
	}
	return func(i *Summary) bool {
		for _, n := range i.Names {
			if matchName(pattern, n) {
				return true
			}
		}
		return false
	}, nil
}

func matchName(pattern, name string) bool {
	repo := name
	if at := strings.IndexByte(name, '@'); at >= 0 {
		repo = name[:at]
	} else if c := strings.LastIndexByte(name, ':'); c > strings.LastIndexByte(name, '/') {
		repo = name[:c]
	}
	for {
		for _, s := range []string{name, repo} {
			if ok, err := path.Match(pattern, s); ok && err == nil {
				return true
			}
		}
		_, rest, ok := strings.Cut(repo, "/")
		if !ok {
			return false
		}
		name, repo = name[len(repo)-len(rest):], rest
	}
}

// relative compares with the time when another image was made.
func (s *Store) relative(key, ref string) (test, error) {
	f, err := s.lookup(ref)
	if err != nil {
		return nil, err
	}
	created := f.img.Created
	if key == "before" {
		return func(i *Summary) bool { return i.Created.Before(created) }, nil
	}
	return func(i *Summary) bool { return i.Created.After(created) }, nil
}

// isOlder takes a time, or a duration back from now.
func isOlder(value string) (test, error) {
	var limit time.Time
	if d, err := time.ParseDuration(value); err == nil {
		limit = time.Now().Add(-d)
	} else if sec, err := strconv.ParseInt(value, 10, 64); err == nil {
		limit = time.Unix(sec, 0)
	} else if limit, err = parseTime(value); err != nil {
		return nil, errors.New("neither a duration like 24h nor a time like 2006-01-02T15:04:05")
	}
	return func(i *Summary) bool { return i.Created.Before(limit) }, nil
}

func parseTime(s string) (t time.Time, err error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err = time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return t, err
}
