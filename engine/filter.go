package engine

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/burrow-run/burrow/engine/cgroup"
	"github.com/burrow-run/burrow/engine/health"
	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

// State is a container's state in one word, as Podman's: created, initialized,
// running, paused, exited or dead.
func (r Record) State() string {
	switch {
	case r.Running():
		if r.Cgroup != "" && cgroup.Frozen(r.Cgroup, r.ID) {
			return "paused"
		}
		if r.Initialized {
			return "initialized"
		}
		return "running"
	case r.Exited:
		return "exited"
	case r.PID == 0:
		return "created"
	case r.ending():
		return "running" // as long as nobody knows how it has ended
	}
	return "dead"
}

// ending says that the container's first process is gone, and that whoever waits for
// it lives and is about to record how it ended.
func (r Record) ending() bool {
	boot, err := bootID()
	return err == nil && boot == r.BootID && r.PID != 0 && !r.Exited && r.Owner.Alive()
}

// Filter chooses among containers.
type Filter struct {
	tests map[string][]func(Record) bool // of one key: any; labels and the keys among each other: all
}

// errFilter says what filters are like.
var errFilter = errors.New("not of the form KEY=VALUE")

// NewFilter reads --filter values. known are the keys that the command has, all
// if there are none.
func NewFilter(d paths.Dirs, values []string, known ...string) (*Filter, error) {
	f := &Filter{tests: map[string][]func(Record) bool{}}
	for i, v := range values {
		key, value, ok := strings.Cut(v, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("--filter %q: %w", v, errFilter)
		}
		if len(known) > 0 && !slices.Contains(known, key) {
			return nil, hint.New(fmt.Errorf("--filter %q: unknown key", v), "the keys are "+strings.Join(known, ", "))
		}
		test, err := f.test(d, key, value)
		if err != nil {
			return nil, fmt.Errorf("--filter %q: %w", v, err)
		}
		if strings.HasPrefix(key, "label") {
			key += strconv.Itoa(i) // all of them must hold
		}
		f.tests[key] = append(f.tests[key], test)
	}
	return f, nil
}

// Has says whether there is a filter with the key.
func (f *Filter) Has(key string) bool { return len(f.tests[key]) > 0 }

// Match says whether the container is chosen.
func (f *Filter) Match(r Record) bool {
	for _, tests := range f.tests {
		if !slices.ContainsFunc(tests, func(t func(Record) bool) bool { return t(r) }) {
			return false
		}
	}
	return true
}

func (f *Filter) test(d paths.Dirs, key, value string) (func(Record) bool, error) {
	switch key {
	case "id":
		return matcher(value, func(r Record) string { return r.ID })
	case "name":
		before := "" // Docker's names begin with a slash, and so do filters of who knows: ^/web$
		if strings.Contains(value, "/") {
			before = "/"
		}
		return matcher(value, func(r Record) string { return before + r.Name })
	case "label", "label!":
		k, v, has := strings.Cut(value, "=")
		return func(r Record) bool {
			got, ok := r.Metadata.Labels[k]
			return (ok && (!has || got == v)) == (key == "label")
		}, nil
	case "exited":
		code, err := strconv.Atoi(value)
		return func(r Record) bool { return r.Exited && !r.Running() && r.ExitCode == code }, err
	case "status":
		return statusTest(value)
	case "health":
		return healthTest(value)
	case "ancestor":
		return ancestorTest(d, value), nil
	case "before", "since":
		other, err := Lookup(d, value)
		return func(r Record) bool {
			if key == "before" {
				return r.Created.Before(other.Created)
			}
			return r.Created.After(other.Created)
		}, err
	case "until":
		t, err := pointInTime(value)
		return func(r Record) bool { return r.Created.Before(t) }, err
	case "restart-policy":
		return policyTest(d, value)
	case "should-start-on-boot":
		return bootTest(d, value)
	case "volume":
		return func(r Record) bool { return mounts(d, r, value) }, nil
	case "publish", "expose":
		return portTest(key, value)
	case "network":
		return func(r Record) bool { return r.Network == value || strings.HasPrefix(r.Network, value+":") }, nil
	}
	return nil, hint.New(errors.New("unknown key"),
		"the keys are ancestor, before, exited, health, id, label, label!, name, network, publish, expose, restart-policy, should-start-on-boot, since, status, until and volume")
}

// matcher is a regular expression, as in Podman; the beginning of an ID is one too.
func matcher(value string, of func(Record) string) (func(Record) bool, error) {
	re, err := regexp.Compile(value)
	return func(r Record) bool { return re.MatchString(of(r)) }, err
}

func statusTest(value string) (func(Record) bool, error) {
	states := []string{"created", "initialized", "running", "paused", "exited", "dead"}
	if value == "stopped" { // Podman's other word
		value = "exited"
	}
	if !slices.Contains(states, value) {
		return nil, hint.New(errors.New("no such state"), "the states are "+strings.Join(states, ", "))
	}
	return func(r Record) bool { return r.State() == value }, nil
}

func healthTest(value string) (func(Record) bool, error) {
	words := []string{string(health.None), string(health.Starting), string(health.Healthy), string(health.Unhealthy)}
	if !slices.Contains(words, value) {
		return nil, hint.New(errors.New("no such health"), "it is "+strings.Join(words, ", "))
	}
	return func(r Record) bool {
		if h := r.Health(); h != nil {
			return string(h.Status) == value
		}
		return value == string(health.None)
	}, nil
}

// ancestorTest finds the containers of an image by its ID or name, and those
// whose image had the name once.
func ancestorTest(d paths.Dirs, value string) func(Record) bool {
	var ids []string
	if p, err := plan.Resolve(d, value); err == nil {
		ids = append(ids, p.ID)
		for _, in := range p.Instances { // of a list of images, those
			ids = append(ids, in.ID)
		}
	}
	full, err := plan.Full(value)
	return func(r Record) bool {
		return r.ImageID != "" && slices.Contains(ids, r.ImageID) || r.Image == value || err == nil && r.Image == full ||
			len(value) >= 3 && strings.HasPrefix(r.ImageID, strings.TrimPrefix(value, "sha256:"))
	}
}

// mounts says whether a container has a source or destination mounted. It reads
// the details of the record, which a list lacks.
func mounts(d paths.Dirs, r Record, what string) bool {
	rec, err := Lookup(d, r.ID)
	if err != nil {
		return false
	}
	for _, m := range rec.Spec.Mounts {
		if m.Source == what || m.Dest == what {
			return true
		}
	}
	return false
}

// pointInTime is a date, a number of seconds since 1970, or a duration before now.
func pointInTime(value string) (time.Time, error) {
	if ago, err := time.ParseDuration(value); err == nil {
		return time.Now().Add(-ago), nil
	}
	if sec, err := strconv.ParseFloat(value, 64); err == nil {
		return time.Unix(0, int64(sec*1e9)), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, value, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("neither a date, nor seconds since 1970, nor a duration such as 24h")
}
