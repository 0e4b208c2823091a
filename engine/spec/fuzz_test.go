package spec

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// oneLine checks what holds for every refusal: one short line of text.
func oneLine(t *testing.T, err error) {
	t.Helper()
	if s := err.Error(); len(s) > 1000 || strings.ContainsAny(s, "\n\r\x00\x1b") {
		t.Errorf("error is not one short line: %q", s)
	}
}

// goodMount checks what holds for every mount that is accepted.
func goodMount(t *testing.T, m Mount) {
	t.Helper()
	for _, s := range []string{m.Source, m.Dest, m.Size, m.Inodes} {
		if strings.ContainsAny(s, "\x00\n\r") {
			t.Errorf("control character in %+v", m)
		}
	}
	if !filepath.IsAbs(m.Dest) || filepath.Clean(m.Dest) != m.Dest || m.Dest == "/" || within(m.Dest, "/proc") {
		t.Errorf("destination %q", m.Dest)
	}
	if strings.ContainsAny(m.Size+m.Inodes, ",=") {
		t.Errorf("size %q or inodes %q would be several options", m.Size, m.Inodes)
	}
	switch m.Type {
	case MountBind:
		if !filepath.IsAbs(m.Source) || !isPropagation(string(m.Propagation)) {
			t.Errorf("bind %+v", m)
		}
	case MountVolume:
		if m.Source != "" && CheckName(m.Source) != nil {
			t.Errorf("volume %+v", m)
		}
	case MountArtifact:
		if m.Source == "" || !m.ReadOnly || m.SUID || m.Dev || m.Chown || m.Overlay || strings.Contains(m.Artifact.Name, "/") {
			t.Errorf("artifact %+v %+v", m, m.Artifact)
		}
	case MountTmpfs, MountDevpts, MountMqueue:
		if m.Source != "" || m.Propagation != "" {
			t.Errorf("%+v", m)
		}
	default:
		t.Errorf("type %q", m.Type)
	}
	s := Default()
	s.Image, s.Mounts = "x", []Mount{m}
	if err := s.Validate(); err != nil {
		t.Errorf("parsed but not valid: %v", err)
	}
}

func FuzzVolume(f *testing.F) {
	for _, s := range []string{"/s:/d:ro,z", "./s:/d", "v:/d:nocopy", "/d", "a\\:b:/c", "/s:/d:O,upperdir=/x", "/s:/proc"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseVolume(s, cwd)
		if err != nil {
			oneLine(t, err)
			return
		}
		goodMount(t, m)
	})
}

func FuzzMount(f *testing.F) {
	for _, s := range []string{
		"type=artifact,src=a:1,dst=/d,title=t,name=n", "type=artifact,src=a,dst=/d,rw", "type=artifact,src=a,dst=/d,name=../x,U",
		"type=bind,src=/s,dst=/d,ro=true", `type=bind,"src=/a,b",dst=/d`, "type=tmpfs,dst=/d,tmpfs-size=1m",
		"dst=/d,bind-propagation=rshared,type=bind,src=.", "type=devpts,dst=/d,max=5", "type=volume,src=v,dst=/d,nocopy",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMount(s, cwd)
		if err != nil {
			oneLine(t, err)
			return
		}
		goodMount(t, m)
	})
}

func FuzzTmpfs(f *testing.F) {
	for _, s := range []string{"/t", "/t:size=50%,mode=1777", "/t:ro,exec,uid=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseTmpfs(s)
		if err != nil {
			oneLine(t, err)
			return
		}
		goodMount(t, m)
	})
}

func FuzzDevice(f *testing.F) {
	for _, s := range []string{"/dev/a", "/dev/a:/dev/b:rw", "/dev/a:m", "v/c=d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDevice(s)
		if err != nil {
			oneLine(t, err)
			return
		}
		goodMount(t, Mount{Type: MountTmpfs, Dest: d.Container})
		if !filepath.IsAbs(d.Host) || !d.Read && !d.Write && !d.Mknod {
			t.Errorf("%+v", d)
		}
	})
}

func FuzzEnv(f *testing.F) {
	for _, s := range []string{"A=b", "A", "LC_*", "HOME=/x:y", "=x", "A=a\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		vars, err := ParseEnv(s, environ())
		if err != nil {
			oneLine(t, err)
			return
		}
		for _, kv := range vars {
			if CheckEnv(kv) != nil || strings.IndexByte(kv, 0) >= 0 {
				t.Errorf("%q", kv)
			}
		}
	})
}

func FuzzEnvFile(f *testing.F) {
	for _, s := range []string{"A=1\nB\n# c\n", "\ufeffA=1\r\n", "A B=1", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		vars, err := ParseEnvFile(bytes.NewReader(b), environ())
		if err != nil {
			oneLine(t, err)
			return
		}
		for _, kv := range vars {
			if err := CheckEnv(kv); err != nil {
				t.Errorf("%q: %v", kv, err)
			}
		}
	})
}

func FuzzLabel(f *testing.F) {
	for _, s := range []string{"a=b", "a", "a=b=c", "=b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, v, err := ParseLabel(s)
		if err != nil {
			oneLine(t, err)
			return
		}
		if k == "" || strings.ContainsAny(k+v, "\x00\n\r") || (s != k+"="+v && s != k) {
			t.Errorf("%q became %q, %q", s, k, v)
		}
	})
}

func FuzzUser(f *testing.F) {
	for _, s := range []string{"root", "0:0", "a:b", "4294967295"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, g, err := ParseUser(s)
		if err != nil {
			oneLine(t, err)
			return
		}
		if u == "" || strings.ContainsAny(u+g, ":\n\x00/ ") || (s != u && s != u+":"+g) {
			t.Errorf("%q became %q, %q", s, u, g)
		}
	})
}

func FuzzSize(f *testing.F) {
	for _, s := range []string{"0", "1.5g", "64m", "9223372036854775807", "8191p", "1e9", "1 k"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseSize(s)
		if err != nil {
			oneLine(t, err)
			return
		}
		if n < 0 {
			t.Errorf("ParseSize(%q) = %d", s, n)
		}
	})
}
