package security

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/internal/hint"
)

func TestDefaultCapabilities(t *testing.T) {
	want := []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
		"CAP_SETUID", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_SETFCAP",
	}
	c := mustCompile(t, Options{}, testHost()).Capabilities
	for name, got := range map[string][]string{"bounding": c.Bounding, "effective": c.Effective, "permitted": c.Permitted} {
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want Podman's eleven", name, got)
		}
	}
}

func TestMergeCaps(t *testing.T) {
	for name, c := range map[string]struct {
		add, drop  []string
		privileged bool
		want       capSet
		err        bool
	}{
		"add":                {add: []string{"NET_RAW"}, want: capDefault | capNetRaw},
		"any spelling":       {add: []string{"cap_net_raw", "Sys_Admin", "CAP_NET_RAW"}, want: capDefault | capNetRaw | capSysAdmin},
		"list":               {add: []string{"net_raw,SYS_ADMIN"}, want: capDefault | capNetRaw | capSysAdmin},
		"drop":               {drop: []string{"chown"}, want: capDefault &^ 1},
		"drop absent":        {drop: []string{"SYS_ADMIN"}, want: capDefault},
		"drop all":           {drop: []string{"all"}, want: 0},
		"drop all, add one":  {add: []string{"net_raw"}, drop: []string{"ALL"}, want: capNetRaw},
		"add all":            {add: []string{"ALL"}, want: capAll},
		"add all, drop one":  {add: []string{"ALL"}, drop: []string{"CHOWN"}, want: capAll &^ 1},
		"privileged":         {privileged: true, want: capAll},
		"privileged, drop":   {privileged: true, drop: []string{"CHOWN"}, want: capAll &^ 1},
		"all and all":        {add: []string{"ALL"}, drop: []string{"ALL"}, err: true},
		"same in both":       {add: []string{"CHOWN"}, drop: []string{"chown"}, err: true},
		"unknown":            {add: []string{"NET_RAV"}, err: true},
		"unknown drop":       {drop: []string{"everything"}, err: true},
		"empty":              {add: []string{""}, err: true},
		"twice the prefix":   {add: []string{"CAP_CAP_CHOWN"}, err: true},
		"newline in the way": {add: []string{"CHOWN\nSYS_ADMIN"}, err: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := mergeCaps(Options{CapAdd: c.add, CapDrop: c.drop, Privileged: c.privileged})
			if c.err {
				if !errors.Is(err, ErrOption) {
					t.Errorf("got %v, want ErrOption", err)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("got %x, %v; want %x", got, err, c.want)
			}
		})
	}
}

func TestCapSuggestion(t *testing.T) {
	for word, want := range map[string]string{"NET_ADMN": "NET_ADMIN", "sysadmin": "SYS_ADMIN", "chwon": "CHOWN"} {
		_, err := mergeCaps(Options{CapAdd: []string{word}})
		if h := hint.Of(err); !strings.Contains(h, "--cap-add="+want) {
			t.Errorf("%s: hint %q does not name %s", word, h, want)
		}
	}
}

// TestNoCapsForNonRoot is V13 and I04: what a process that is not root is given
// through the ambient set, all it starts would inherit.
func TestNoCapsForNonRoot(t *testing.T) {
	p := mustCompile(t, Options{NonRoot: true, CapAdd: []string{"NET_RAW"}}, testHost())
	if c := p.Capabilities; len(c.Effective) != 0 || len(c.Permitted) != 0 || !slices.Contains(c.Bounding, "CAP_NET_RAW") {
		t.Errorf("%+v", c)
	}
	if r := p.Report().Capabilities; len(r.Inheritable) != 0 || len(r.Ambient) != 0 {
		t.Errorf("%+v", r)
	}
}

// TestCapNames compares with the kernel's own list.
func TestCapNames(t *testing.T) {
	last, err := readNumber("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		t.Fatal(err)
	}
	if last >= len(capNames) {
		t.Errorf("the kernel has capability %d, our table ends before it", last)
	}
}
