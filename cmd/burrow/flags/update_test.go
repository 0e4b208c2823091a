package flags

import (
	"testing"

	"github.com/spf13/pflag"

	"github.com/burrow-run/burrow/engine/spec"
)

func update(s *spec.Spec, argv ...string) error {
	fs := pflag.NewFlagSet("update", pflag.ContinueOnError)
	u := AddUpdate(fs)
	if err := fs.Parse(argv); err != nil {
		return err
	}
	return u.Apply(s)
}

func made() spec.Spec {
	s := spec.Default()
	s.Image = "x"
	s.Resources = spec.Resources{Memory: 64 << 20, CPUQuota: 50000, CPUPeriod: 100000}
	return s
}

func TestUpdateKeepsTheRest(t *testing.T) {
	for _, c := range []struct {
		argv []string
		want spec.Resources
	}{
		{[]string{"-m", "128m"}, spec.Resources{Memory: 128 << 20, CPUQuota: 50000, CPUPeriod: 100000}},
		{[]string{"--cpus", "2"}, spec.Resources{Memory: 64 << 20, CPUQuota: 200000, CPUPeriod: 100000}},
		{[]string{"--cpus", "0"}, spec.Resources{Memory: 64 << 20}},
		{[]string{"--cpu-quota", "20000"}, spec.Resources{Memory: 64 << 20, CPUQuota: 20000, CPUPeriod: 100000}},
		{[]string{"--memory", "0"}, spec.Resources{CPUQuota: 50000, CPUPeriod: 100000}},
		{[]string{"--blkio-weight", "20", "--cpuset-cpus", "0"}, spec.Resources{Memory: 64 << 20, CPUQuota: 50000, CPUPeriod: 100000, BlkioWeight: 20, CPUSetCPUs: "0"}},
	} {
		s := made()
		if err := update(&s, c.argv...); err != nil || s.Resources != c.want {
			t.Errorf("%v: %+v, %v", c.argv, s.Resources, err)
		}
	}
	s := made()
	if err := update(&s, "--restart", "on-failure:3"); err != nil || s.Restart.Policy != spec.RestartOnFailure || s.Restart.Max != 3 {
		t.Errorf("%+v, %v", s.Restart, err)
	}
}

func TestUpdateRefuses(t *testing.T) {
	for _, argv := range [][]string{
		{},
		{"--cgroup-parent", "/x"},
		{"--health-cmd", "true"},
		{"--health-startup-retries", "3"},
		{"--no-healthcheck"},
		{"--cgroups", "disabled"},
		{"-m", "x"},
		{"-m", ""},
		{"--memory-swap", "1m"},
		{"--cpus", "1", "--cpu-quota", "5000"},
		{"--restart", "x"},
		{"--network", "none"},
	} {
		s := made()
		if err := update(&s, argv...); err == nil {
			t.Errorf("%v: %+v", argv, s.Resources)
		}
	}
}
