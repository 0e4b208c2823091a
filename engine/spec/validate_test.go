package spec

import (
	"errors"
	"strings"
	"testing"
)

// image returns the Spec of a plain command line, changed.
func image(change func(*Spec)) *Spec {
	s := Default()
	s.Image = "debian"
	change(&s)
	return &s
}

func TestValidateAccepts(t *testing.T) {
	for name, s := range map[string]*Spec{
		"plain":         image(func(*Spec) {}),
		"host image":    image(func(s *Spec) { s.Image, s.Host = "", true }),
		"rootfs":        image(func(s *Spec) { s.Image, s.Rootfs = "", &Rootfs{Dir: "/r"} }),
		"tty without i": image(func(s *Spec) { s.Stdio.TTY = true }),
		"no limits in a disabled cgroup": image(func(s *Spec) {
			pids := int64(-1)
			s.Resources.NoCgroup, s.Resources.PidsLimit = true, &pids
		}),
		"dns none": image(func(s *Spec) { s.Network.DNS = []string{"none"} }),
		"swap":     image(func(s *Spec) { s.Resources.Memory, s.Resources.MemorySwap = 1, -1 }),
	} {
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	for name, change := range map[string]func(*Spec){
		"no image":         func(s *Spec) { s.Image = "" },
		"two roots":        func(s *Spec) { s.Host = true },
		"image newline":    func(s *Spec) { s.Image = "a\nb" },
		"args NUL":         func(s *Spec) { s.Args = []string{"a\x00"} },
		"entrypoint NUL":   func(s *Spec) { s.Entrypoint = &[]string{"a\x00"} },
		"name":             func(s *Spec) { s.Name = "../x" },
		"label":            func(s *Spec) { s.Labels = map[string]string{"a": "b\nc"} },
		"label key":        func(s *Spec) { s.Labels = map[string]string{"": "b"} },
		"annotation":       func(s *Spec) { s.Annotations = map[string]string{"org.systemd.property.X": "b"} },
		"env":              func(s *Spec) { s.Process.Env.Set = []string{"A"} },
		"env host":         func(s *Spec) { s.Process.Env.Host = []string{"=A"} },
		"env merge":        func(s *Spec) { s.Process.Env.Merge = []string{"A\n=B"} },
		"user":             func(s *Spec) { s.Process.User = "a b" },
		"workdir":          func(s *Spec) { s.Process.Workdir = "a" },
		"keep-groups":      func(s *Spec) { s.Process.KeepGroups, s.Process.Groups = true, []string{"a"} },
		"init path":        func(s *Spec) { s.Process.InitPath = "/x" },
		"hostname":         func(s *Spec) { s.Process.Hostname = strings.Repeat("a", 65) },
		"userns and map":   func(s *Spec) { s.Namespaces.Userns, s.Namespaces.UIDMap = "auto", []string{"0:0:1"} },
		"map and name":     func(s *Spec) { s.Namespaces.SubUIDName, s.Namespaces.UIDMap = "a", []string{"0:0:1"} },
		"uts and hostname": func(s *Spec) { s.Namespaces.UTS.Mode, s.Process.Hostname = NamespaceHost, "a" },
		"hosts":            func(s *Spec) { s.Network.NoHosts, s.Network.AddHosts = true, []string{"a:1.1.1.1"} },
		"dns":              func(s *Spec) { s.Network.DNS = []string{"none", "1.1.1.1"} },
		"rm and restart":   func(s *Spec) { s.Remove, s.Restart.Policy = true, RestartOnFailure },
		"ports of another": func(s *Spec) { s.Network.Mode, s.Network.Publish = "container:a", []string{"80"} },
		"mount /":          func(s *Spec) { s.Mounts = []Mount{{Type: MountTmpfs, Dest: "/"}} },
		"mount /proc":      func(s *Spec) { s.Mounts = []Mount{{Type: MountTmpfs, Dest: "/a/../proc/sys"}} },
		"mount twice":      func(s *Spec) { s.Mounts = []Mount{{Dest: "/a"}, {Dest: "/b/../a"}} },
		"device twice":     func(s *Spec) { s.Devices = []Device{{Container: "/a"}, {Container: "/a"}} },
		"cgroup limits":    func(s *Spec) { s.Resources.NoCgroup, s.Resources.Memory = true, 1 },
		"cgroup parent":    func(s *Spec) { s.Resources.NoCgroup, s.Resources.CgroupParent = true, "a" },
		"parent ..":        func(s *Spec) { s.Resources.CgroupParent = "/a/../../b" },
		"swap alone":       func(s *Spec) { s.Resources.MemorySwap = 1 },
		"swap less":        func(s *Spec) { s.Resources.Memory, s.Resources.MemorySwap = 2, 1 },
		"reservation":      func(s *Spec) { s.Resources.Memory, s.Resources.MemoryReservation = 1, 2 },
	} {
		if err := image(change).Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error has more than one line: %q", name, err)
		}
	}
	err := image(func(s *Spec) { s.Resources.NoCgroup, s.Resources.Memory = true, 1 }).Validate()
	if !errors.Is(err, ErrConflict) {
		t.Errorf("%v is no ErrConflict", err)
	}
}

func TestWarnings(t *testing.T) {
	if w := image(func(*Spec) {}).Warnings(); len(w) != 0 {
		t.Errorf("plain: %q", w)
	}
	// They are refused there.
	if w := image(func(s *Spec) { s.Network.Mode, s.Network.PublishAll = "none", true }).Warnings(); len(w) != 0 {
		t.Errorf("no network: %q", w)
	}
	for name, change := range map[string]func(*Spec){
		"host ports": func(s *Spec) { s.Network.Mode, s.Network.Publish = "host", []string{"80:80"} },
		"host, all":  func(s *Spec) { s.Network.Mode, s.Network.PublishAll = "host", true },
	} {
		if w := image(change).Warnings(); len(w) != 1 {
			t.Errorf("%s: %q, want one", name, w)
		}
	}
}
