package security

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLevelNames(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "s0:c0,c1", 1: "s0:c0,c2", 2: "s0:c1,c2", 3: "s0:c0,c3", levelPairs - 1: "s0:c1021,c1023",
	} {
		if got := levelName(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestReserveLevel(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mcs")
	first, err := ReserveLevel(dir, "a")
	if err != nil {
		t.Fatal(err)
	}
	// The same seed while the first holds its level, as if by chance.
	seen := map[string]bool{first.Value: true}
	for range 50 {
		l, err := ReserveLevel(dir, "a")
		if err != nil {
			t.Fatal(err)
		}
		if seen[l.Value] {
			t.Fatalf("%s given out twice", l.Value)
		}
		seen[l.Value] = true
		defer func() { _ = l.Close() }()
	}
	value := first.Value
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := ReserveLevel(dir, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if again.Value != value {
		t.Errorf("after a restart %s, before it %s", again.Value, value)
	}
}

// TestSELinuxOff: nothing is applied, nothing is claimed, and asking for a label
// is no error where there is no SELinux, as everywhere else.
func TestSELinuxOff(t *testing.T) {
	p := mustCompile(t, Options{SecurityOpt: []string{"label=type:foo_t"}}, testHost())
	if p.SELinux != (SELinux{}) || p.Report().SELinux.Mode != "none" {
		t.Errorf("%+v", p.Report().SELinux)
	}
}

// TestSELinuxEnforcingRefuses: a host that enforces, but on which nothing can be
// applied (this one has no selinuxfs, whatever it says), must not start.
func TestSELinuxEnforcingRefuses(t *testing.T) {
	if probeSELinux().Mounted {
		t.Skip("SELinux is on; the virtual machine test covers it")
	}
	h := testHost()
	h.SELinux = SELinuxState{Mounted: true, Enforcing: true}
	if _, err := Compile(Options{Level: "s0:c1,c2"}, h); !errors.Is(err, ErrLabel) {
		t.Errorf("got %v, want ErrLabel", err)
	}
	if _, err := Compile(Options{}, h); !errors.Is(err, ErrLabel) {
		t.Errorf("without a level: got %v, want ErrLabel", err)
	}
}

func TestLabelOverrides(t *testing.T) {
	process, err := parseContext(defaultProcessLabel)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parseContext(defaultFileLabel)
	if err != nil {
		t.Fatal(err)
	}
	process.level, file.level = "s0:c1,c2", "s0:c1,c2"
	o, err := parseOpts([]string{"label=type:a_t", "label=level:s0:c5", "label=filetype:b_t", "label=user:u", "label=role:r"})
	if err != nil {
		t.Fatal(err)
	}
	o.label.override(&process, &file)
	if got := process.String() + " " + file.String(); got != "u:r:a_t:s0:c5 u:object_r:b_t:s0:c5" {
		t.Error(got)
	}
}

func TestRelabelRefuses(t *testing.T) {
	for _, p := range []string{
		"/", "/usr", "/usr/share/x", "/etc", "/etc/ssl", "/home", "/home/me", "/home/other", "/root", "/var", "/var/lib",
		"/tmp", "/run", "/run/user/1000", "/proc/1", "/sys/fs", "/dev/shm", "/data/homes/me", "/data", "/opt", "/boot/x",
	} {
		home := "/home/me"
		if strings.HasPrefix(p, "/data") {
			home = "/data/homes/me"
		}
		if err := relabelAllowed(p, home); !errors.Is(err, ErrOption) {
			t.Errorf("%s: got %v, want a refusal", p, err)
		}
	}
	for _, p := range []string{"/home/me/project", "/srv/www", "/var/lib/app", "/tmp/x", "/data/x", "/opt/app", "/run/user/1000/x"} {
		if err := relabelAllowed(p, "/home/me"); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	if err := Relabel("/usr/../usr", defaultFileLabel, true, ""); !errors.Is(err, ErrOption) {
		t.Errorf("got %v, want a refusal", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/usr", link); err != nil {
		t.Fatal(err)
	}
	if err := Relabel(link, defaultFileLabel, true, ""); !errors.Is(err, ErrOption) {
		t.Errorf("through a link: got %v, want a refusal", err)
	}
}

func labelOf(t *testing.T, path string) string {
	t.Helper()
	buf := make([]byte, 256)
	n, err := unix.Lgetxattr(path, labelAttribute, buf)
	if errors.Is(err, unix.ENODATA) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimRight(string(buf[:n]), "\x00")
}

// TestRelabel labels a tree with links out of it. Without SELinux the attribute
// is only a string, which the privileged may write.
func TestRelabel(t *testing.T) {
	base := t.TempDir()
	volume, outside := filepath.Join(base, "volume"), filepath.Join(base, "outside")
	for _, d := range []string{volume + "/dir/deep", outside} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{volume + "/file", volume + "/dir/deep/file", outside + "/file"} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(volume+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"/out": outside, "/dir/out": outside + "/file", "/dangling": "/nowhere"} {
		if err := os.Symlink(to, volume+link); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Lsetxattr(outside+"/file", labelAttribute, []byte("old"), 0); err != nil {
		t.Skipf("may not write %s: %v", labelAttribute, err)
	}
	for _, c := range []struct {
		shared bool
		want   string
	}{{false, "system_u:object_r:container_file_t:s0:c1,c2"}, {true, "system_u:object_r:container_file_t:s0"}} {
		if err := Relabel(volume, "system_u:object_r:container_file_t:s0:c1,c2", c.shared, ""); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{"", "/file", "/fifo", "/dir", "/dir/deep", "/dir/deep/file", "/out", "/dir/out", "/dangling"} {
			if got := labelOf(t, volume+p); got != c.want {
				t.Errorf("%s: %q, want %q", p, got, c.want)
			}
		}
		if got := labelOf(t, outside+"/file"); got != "old" {
			t.Errorf("outside: %q", got)
		}
		if got := labelOf(t, outside); got != "" {
			t.Errorf("outside: %q", got)
		}
	}
	if err := Relabel(volume+"/file", "x:y:z_t:s0", false, ""); err != nil {
		t.Fatal(err)
	}
	if got := labelOf(t, volume+"/file"); got != "x:y:z_t:s0" {
		t.Errorf("a single file: %q", got)
	}
}

// TestRelabelRace swaps a directory for a link out of the volume while it is
// labelled. Nothing outside may change.
func TestRelabelRace(t *testing.T) {
	base := t.TempDir()
	volume, outside := filepath.Join(base, "volume"), filepath.Join(base, "outside")
	for _, d := range []string{volume + "/dir/sub", outside + "/sub"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, volume+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := unix.Lsetxattr(outside+"/sub", labelAttribute, []byte("old"), 0); err != nil {
		t.Skipf("may not write %s: %v", labelAttribute, err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, volume+"/dir", unix.AT_FDCWD, volume+"/link", unix.RENAME_EXCHANGE)
			}
		}
	}()
	for i := range 2000 {
		if err := Relabel(volume, fmt.Sprintf("u:r:t:s0:c%d", i%categories), false, ""); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	<-done
	if got := labelOf(t, outside+"/sub"); got != "old" {
		t.Errorf("outside/sub: %q", got)
	}
	if got := labelOf(t, outside); got != "" {
		t.Errorf("outside: %q", got)
	}
}
