package main_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/burrow-run/burrow/engine/posture"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/testbed"
)

// ofHost puts into what is expected of a container's process what depends on the
// host and was decided when it started: its cgroup and its label.
func (o *observer) ofHost(name string, want facts) facts {
	o.t.Helper()
	out := want.but(nil)
	words := strings.Fields(o.sh.run("burrow", "inspect", "--type", "container", "-f",
		"{{.State.CgroupPath}}. {{.SecurityReport.AppArmor}} {{.SecurityReport.SELinux.ProcessLabel}}", name))
	if cgroup := strings.TrimSuffix(words[0], "."); cgroup != "" {
		out["cgroup"] = "0::/" + strings.Trim(cgroup, "/")
	}
	if profile := words[1]; profile != "none" && profile != "unconfined" {
		out["label"] = profile + " (enforce)"
	}
	if len(words) > 2 {
		out["label"] = words[2]
	}
	for fact, which := range map[string]string{"uid map": "UidMap", "gid map": "GidMap"} {
		lines := o.sh.run("burrow", "inspect", "--type", "container", "-f", "{{range .IDMappings."+which+"}}{{.}} {{end}}", name)
		m, err := idmap.ParseMap(strings.NewReader(strings.ReplaceAll(strings.ReplaceAll(lines, " ", "\n"), ":", " ")))
		if err != nil {
			o.t.Fatal(err)
		}
		out[fact] = posture.MapText(m)
	}
	return out
}

// expect compares what is seen with what must be.
//
// A process that has just begun may still be getting there.
func (o *observer) expect(kind string, pid int, want facts) {
	o.t.Helper()
	var differ []string
	for range 20 {
		if differ = o.compare(kind, pid, want.but(nil)); len(differ) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, d := range differ {
		o.t.Errorf("%s: %s", kind, d)
	}
}

// compare looks at a process once; it may change want.
func (o *observer) compare(kind string, pid int, want facts) []string {
	o.t.Helper()
	got := o.look(pid)
	if !testbed.Root() {
		if want["to its user"] == posture.Hidden && (got["exe"] != posture.Hidden || got["descriptors"] != posture.Hidden) {
			o.t.Errorf("%s: its user sees %s, %s", kind, got["exe"], got["descriptors"])
		}
		for k, v := range got {
			if v == posture.Hidden { // root's run sees it
				want[k] = posture.Hidden
			}
		}
	}
	delete(want, "to its user")
	// Burrow's own processes hand on a login UID that the anchor does not show. No
	// other process has BURROW_NETWORK.
	got["environment"] = strings.Replace(got["environment"], "BURROW_LOGINUID BURROW_NETWORK ", "BURROW_NETWORK ", 1)
	return differences(got, want)
}

// expectFiles does the same for mounts and devices. Which of the kernel's files
// there are to mask depends on the host: the report names them.
func (o *observer) expectFiles(kind, name string, pid int, more facts) {
	o.t.Helper()
	got, want := o.files(pid), containerFiles.but(more)
	for list, how := range map[string]func(string) string{"MaskedPaths": masked, "ReadonlyPaths": readOnly} {
		paths := o.sh.run("burrow", "inspect", "--type", "container", "-f", "{{range .SecurityReport."+list+"}}{{.}} {{end}}", name)
		for path := range strings.FieldsSeq(paths) {
			info, err := os.Stat(o.path(pid, "root") + path)
			if err != nil {
				continue
			}
			if want["mount "+path] = how(path); info.IsDir() && list == "MaskedPaths" {
				want["mount "+path] = "tmpfs ro private"
			}
		}
	}
	if _, err := os.Stat(o.path(pid, "root") + "/sys/fs/cgroup/cgroup.controllers"); err == nil {
		want["mount /sys/fs/cgroup"] = "cgroup2 ro,nosuid,nodev,noexec private"
	}
	for _, d := range differences(got, want) {
		o.t.Errorf("%s: %s", kind, d)
	}
}

// files are the mounts that a process sees and its devices.
func (o *observer) files(pid int) facts {
	o.t.Helper()
	f, err := o.Files(pid)
	if err != nil {
		o.t.Fatal(err)
	}
	return facts(f)
}

func masked(string) string { return "devtmpfs /null rw private" }

func readOnly(path string) string {
	return "proc " + strings.TrimPrefix(path, "/proc") + " ro,nosuid,nodev,noexec private"
}

// differences lists what is not equal, missing or too much.
func differences(got, want facts) (out []string) {
	keys := slices.Sorted(maps.Keys(want))
	for k := range got {
		if _, ok := want[k]; !ok {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		g, isThere := got[k]
		w, isListed := want[k]
		switch {
		case !isListed:
			out = append(out, fmt.Sprintf("%s: %q is not listed", k, g))
		case !isThere:
			out = append(out, k+": is not there")
		case !posture.Matches(g, w):
			out = append(out, fmt.Sprintf("%s: %q, want %q", k, g, w))
		}
	}
	return out
}

func hasProcess(t *testing.T, sh *shell, prefix string) bool {
	t.Helper()
	return len(processes(t, sh, prefix)) > 0
}

// process is the one whose command line begins with prefix and has all of words.
func process(t *testing.T, sh *shell, prefix string, words ...string) int {
	t.Helper()
	for _, pid := range processes(t, sh, prefix) {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		command := strings.ReplaceAll(string(b), "\x00", " ")
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(command, w) }) {
			return pid
		}
	}
	t.Fatalf("no process %q", prefix)
	return 0
}

// processes are the user's, posture.Hidden ones too, whose command line begins with prefix.
func processes(t *testing.T, sh *shell, prefix string) (out []int) {
	t.Helper()
	ids, err := sh.user.SubIDs()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, _ := os.ReadFile(name) // it may be gone
		if !strings.HasPrefix(strings.ReplaceAll(string(b), "\x00", " "), prefix) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		s, err := os.ReadFile(filepath.Join(filepath.Dir(name), "status"))
		_, rest, _ := strings.Cut(string(s), "\nUid:")
		var uid int
		if _, scanErr := fmt.Sscan(rest, &uid); err == nil && scanErr == nil && testbed.Owns(ids, uid) {
			out = append(out, pid)
		}
	}
	return out
}
