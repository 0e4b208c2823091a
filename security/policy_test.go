package security

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

func ids(p Policy) []string {
	out := []string{}
	for _, d := range p.Relaxations {
		out = append(out, d.ID)
	}
	return out
}

// TestEveryRelaxationIsReported is I35.
func TestEveryRelaxationIsReported(t *testing.T) {
	opt := func(words ...string) Options { return Options{SecurityOpt: words} }
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"default":          {Options{}, ""},
		"stricter":         {Options{CapDrop: []string{"ALL"}, SecurityOpt: []string{"mask=/proc/version"}}, ""},
		"privileged":       {Options{Privileged: true}, "privileged"},
		"caps":             {Options{CapAdd: []string{"NET_RAW", "SYS_TIME"}}, "cap-net-raw cap-sys-time"},
		"all caps":         {Options{CapAdd: []string{"ALL"}}, "cap-all landlock-off"},
		"sys_admin":        {Options{CapAdd: []string{"SYS_ADMIN"}}, "cap-sys-admin landlock-off"},
		"unconfined":       {opt("seccomp=unconfined"), "seccomp-unconfined"},
		"compat32":         {opt("compat32"), "compat32"},
		"nesting":          {opt("nesting"), "nesting landlock-off"},
		"nnp":              {opt("no-new-privileges=false"), "new-privileges landlock-off"},
		"landlock":         {opt("landlock=off"), "landlock-off"},
		"unmask":           {opt("unmask=/proc/acpi"), "unmask"},
		"writable-cgroups": {opt("writable-cgroups"), "writable-cgroups"},
		"namespaces": {
			Options{HostNetwork: true, HostIPC: true, HostPID: true, HostUTS: true, HostCgroup: true, HostUser: true},
			"host-network host-pid host-ipc host-uts host-cgroup host-user",
		},
		"devices": {Options{Devices: []string{"/dev/kvm", "/dev/fuse"}}, "device device"},
		"apparmor": {
			opt("apparmor=unconfined"), "apparmor-unconfined",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := testHost()
			h.AppArmor = AppArmorState{Enabled: true, Profiles: []string{"containers-default-0.50.1"}}
			p := mustCompile(t, c.o, h)
			if got := strings.Join(ids(p), " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if r := p.Report(); r.Default != (c.want == "") || len(r.Deviations) != len(p.Relaxations) {
				t.Errorf("report says default=%t with %v", r.Default, r.Deviations)
			}
			for _, d := range p.Relaxations {
				if d.Flag == "" || d.Meaning == "" || d.Layer == "" {
					t.Errorf("incomplete: %+v", d)
				}
				if err := p.Forbid([]string{d.ID}); !errors.Is(err, ErrForbidden) {
					t.Errorf("forbidding %s: %v", d.ID, err)
				}
			}
			if err := p.Forbid([]string{"something-else"}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReport holds the JSON form, which inspect shows and scripts read.
func TestReport(t *testing.T) {
	for name, o := range map[string]Options{
		"report-default.json": {},
		"report-privileged.json": {
			Privileged: true, Ulimits: []string{"core=-1"}, Sysctls: []string{"kernel.sem=1 2 3 4"}, Devices: []string{"/dev/fuse"},
		},
	} {
		r := mustCompile(t, o, testHost()).Report()
		if r.Seccomp.Key != "" {
			r.Seccomp.Key = "(depends on libseccomp)"
		}
		data, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(strings.Fields(string(data)), "null,") && !o.Privileged {
			t.Errorf("%s has a null", name)
		}
		golden(t, name, append(data, '\n'))
	}
}

func TestMasks(t *testing.T) {
	const throttle = "/sys/devices/system/cpu/cpu0/thermal_throttle"
	for name, c := range map[string]struct {
		words         []string
		masked, ro    []string // must be there
		notMasked, rw []string // must not
	}{
		"default": {
			masked: append([]string{throttle}, maskedPaths...),
			ro:     []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
			rw:     []string{"/proc/asound"}, // masked is enough
		},
		"unmask all":  {words: []string{"unmask=ALL"}, notMasked: []string{throttle, "/proc/kcore"}, rw: []string{"/proc/sys", "/proc/asound"}},
		"unmask one":  {words: []string{"unmask=/proc/acpi"}, notMasked: []string{"/proc/acpi"}, masked: []string{"/proc/kcore"}, ro: []string{"/proc/sys"}},
		"unmask glob": {words: []string{"unmask=/proc/*"}, notMasked: []string{"/proc/acpi"}, rw: []string{"/proc/sys"}, masked: []string{"/sys/firmware"}},
		"glob does not cross a slash": {
			words: []string{"unmask=/sys/*"}, notMasked: []string{"/sys/firmware"}, masked: []string{"/sys/fs/selinux", throttle},
		},
		"mask":           {words: []string{"mask=/proc/version"}, masked: []string{"/proc/version", "/proc/kcore"}},
		"mask wins":      {words: []string{"unmask=ALL", "mask=/proc/kcore"}, masked: []string{"/proc/kcore"}, notMasked: []string{"/proc/acpi"}},
		"mask over ro":   {words: []string{"mask=/proc/bus"}, masked: []string{"/proc/bus"}, rw: []string{"/proc/bus"}},
		"asound read":    {words: []string{"unmask=/proc/nothing"}, masked: []string{"/proc/asound"}},
		"nesting":        {words: []string{"nesting"}, notMasked: []string{"/proc/kcore"}, rw: []string{"/proc/sys"}},
		"unmask nothing": {words: []string{"unmask=/proc"}, masked: []string{"/proc/kcore"}, ro: []string{"/proc/sys"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := mustCompile(t, Options{SecurityOpt: c.words}, testHost())
			check := func(what string, list, with, without []string) {
				for _, w := range with {
					if !slices.Contains(list, w) {
						t.Errorf("%s is not %s", w, what)
					}
				}
				for _, w := range without {
					if slices.Contains(list, w) {
						t.Errorf("%s is %s", w, what)
					}
				}
			}
			check("masked", p.MaskedPaths, c.masked, c.notMasked)
			check("read-only", p.ReadonlyPaths, c.ro, c.rw)
		})
	}
}

// TestUserNamespaces is I24: the limit holds even without a filter.
func TestUserNamespaces(t *testing.T) {
	for _, o := range []Options{{}, {SecurityOpt: []string{"seccomp=unconfined"}}, {CapAdd: []string{"ALL"}}} {
		if n := mustCompile(t, o, testHost()).MaxUserNamespaces; n == nil || *n != 0 {
			t.Errorf("%+v: %v, want 0", o, n)
		}
	}
	for _, o := range []Options{{Privileged: true}, {SecurityOpt: []string{"nesting"}}} {
		if n := mustCompile(t, o, testHost()).MaxUserNamespaces; n != nil {
			t.Errorf("%+v: %d, want none", o, *n)
		}
	}
}

func TestAppArmorChoice(t *testing.T) {
	loaded := AppArmorState{Enabled: true, Profiles: []string{"x", "containers-default-0.50.1", "containers-default-0.60.0"}}
	for name, c := range map[string]struct {
		word string
		st   AppArmorState
		want string
		err  error
	}{
		"none":            {"", AppArmorState{}, "", nil},
		"podman's newest": {"", loaded, "containers-default-0.60.0", nil},
		"ours":            {"", AppArmorState{Enabled: true, Profiles: append([]string{ownProfile}, loaded.Profiles...)}, ownProfile, nil},
		"nothing loaded":  {"", AppArmorState{Enabled: true}, "", nil},
		"asked":           {"apparmor=x", loaded, "x", nil},
		"unknown list":    {"apparmor=y", AppArmorState{Enabled: true}, "y", nil},
		"not loaded":      {"apparmor=y", loaded, "", ErrAppArmor},
		"no AppArmor":     {"apparmor=x", AppArmorState{}, "", ErrAppArmor},
		"unconfined":      {"apparmor=unconfined", loaded, "", nil},
	} {
		h := testHost()
		h.AppArmor = c.st
		o := Options{}
		if c.word != "" {
			o.SecurityOpt = []string{c.word}
		}
		p, err := Compile(o, h)
		if !errors.Is(err, c.err) || p.AppArmor != c.want {
			t.Errorf("%s: got %q, %v; want %q, %v", name, p.AppArmor, err, c.want, c.err)
		}
	}
}

// TestPrivilegedKeepsNamedProfile is Podman's rule.
func TestPrivilegedKeepsNamedProfile(t *testing.T) {
	o := Options{Privileged: true, SecurityOpt: []string{"seccomp=" + profileFile(t, `{"defaultAction":"SCMP_ACT_ALLOW"}`)}}
	if p := mustCompile(t, o, testHost()); p.Seccomp == nil {
		t.Error("no filter")
	}
}
