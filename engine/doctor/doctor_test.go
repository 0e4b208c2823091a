package doctor_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/burrow-run/burrow/engine/doctor"
	"github.com/burrow-run/burrow/internal/hint"
)

func TestExplainKeepsWhatIsClear(t *testing.T) {
	if err := doctor.Explain(t.Context(), here(t.TempDir()), nil); err != nil {
		t.Errorf("nil became %v", err)
	}
	err := hint.New(errors.New("no"), "do this")
	if got := doctor.Explain(t.Context(), here(t.TempDir()), err); got != err { //nolint:errorlint // the very same is asked for
		t.Errorf("got %v, %q", got, hint.Of(got))
	}
}

func TestCheckIsQuickAndLeavesNothing(t *testing.T) {
	home := t.TempDir()
	start := time.Now()
	found := doctor.Check(t.Context(), here(home))
	// The promise is 100 ms on an idle machine; this one may be busy.
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	if len(found) < 20 {
		t.Errorf("only %d findings", len(found))
	}
	seen := map[string]bool{}
	for _, f := range found {
		if f.Name == "" || f.Detail == "" || seen[f.Name] {
			t.Errorf("nameless, empty or repeated: %+v", f)
		}
		seen[f.Name] = true
		if f.Status == doctor.OK && f.Fix != "" {
			t.Errorf("ok, and yet a fix: %+v", f)
		}
	}
	left, err := os.ReadDir(home)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestNoNewPrivileges(t *testing.T) {
	me, err := user.Current()
	if err != nil || os.Getuid() == 0 {
		t.Skip("root needs no newuidmap")
	}
	out, err := exec.CommandContext(t.Context(), "setpriv", "--no-new-privs", "env", childHome+"="+t.TempDir(), exe(t)).Output()
	if err != nil {
		t.Fatal(err)
	}
	var rep doctor.Report
	if err := json.Unmarshal(out, &rep); err != nil {
		t.Fatal(err)
	}
	if f := find(t, rep.Findings, "newuidmap"); f.Status != doctor.Fail || !strings.Contains(f.Detail, "no_new_privs") {
		t.Errorf("for %s: %+v", me.Username, f)
	}
}

func find(t *testing.T, found []doctor.Finding, name string) doctor.Finding {
	t.Helper()
	for _, f := range found {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no finding %q", name)
	return doctor.Finding{}
}

func TestPrint(t *testing.T) {
	found := []doctor.Finding{
		{Name: "kernel", Status: doctor.OK, Detail: "6.18"},
		{Name: "lingering", Status: doctor.Warn, Detail: "not enabled", Cost: "ends at logout", Fix: "loginctl enable-linger"},
		{Name: "sub-IDs", Status: doctor.Fail, Detail: "none <&>"},
	}
	var b bytes.Buffer
	if err := doctor.Print(&b, found); err != nil {
		t.Fatal(err)
	}
	want := `ok    kernel     6.18
warn  lingering  not enabled
                 costs: ends at logout
                 fix:   loginctl enable-linger
FAIL  sub-IDs    none <&>

Containers cannot run as things are. 1 ok, 1 to consider, 1 in the way.
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	if err := doctor.PrintJSON(&b, found); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `"can_run": false`) || !strings.Contains(b.String(), "none <&>") {
		t.Errorf("got %s", b.String())
	}
}

func TestSubIDs(t *testing.T) {
	for _, tt := range []struct {
		name, subuid, subgid, passwd string
		status                       doctor.Status
		detail, fix                  string
	}{
		{"as useradd makes them", "u:100000:65536\n", "u:100000:65536\n", "u:x:1000:1000::/:/bin/sh\n", doctor.OK, "65536 for u", ""},
		{"by number", "1000:100000:65536\n", "1000:100000:65536\n", "", doctor.OK, "65536 for u", ""},
		{"no file", "", "", "", doctor.Fail, "/etc/subuid", "sudo usermod --add-subuids 100000-165535 u"},
		{"no group line", "u:100000:65536\n", "v:100000:65536\n", "", doctor.Fail, "/etc/subgid", "sudo usermod --add-subgids 165536-231071 u"},
		{"not a number", "u:abc:1\n", "u:100000:65536\n", "", doctor.Fail, "abc", "sudo sed"},
		{"another user's", "u:100000:65536\nv:150000:65536\n", "u:100000:65536\n", "", doctor.Fail, "of v", "sudo usermod"},
		{"a real account's", "u:100000:65536\n", "u:100000:65536\n", "w:x:100005:1::/:/bin/sh\n", doctor.Fail, "account w", "sudo usermod"},
		{"few", "u:100000:100\n", "u:100000:65536\n", "", doctor.Warn, "100 for u", "sudo usermod"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := doctor.Env{User: "u", UID: 1000, Root: root(t, map[string]string{
				"/etc/subuid": tt.subuid, "/etc/subgid": tt.subgid, "/etc/passwd": tt.passwd,
			})}
			f := find(t, doctor.Check(t.Context(), env), "sub-IDs")
			if f.Status != tt.status || !strings.Contains(f.Detail, tt.detail) || !strings.Contains(f.Fix, tt.fix) {
				t.Errorf("got %+v", f)
			}
		})
	}
}

// root is a directory that stands for the host's root.
func root(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestMapHelpers(t *testing.T) {
	tools := t.TempDir()
	env := doctor.Env{User: "u", UID: 1000, Path: tools}
	ask := func(status doctor.Status, detail, fix string) {
		t.Helper()
		f := find(t, doctor.Check(t.Context(), env), "newuidmap")
		if f.Status != status || !strings.Contains(f.Detail, detail) || !strings.Contains(f.Fix, fix) {
			t.Errorf("got %+v", f)
		}
	}
	ask(doctor.Fail, "newuidmap is not installed", "sudo apt-get install uidmap")
	for _, name := range []string{"newuidmap", "newgidmap"} {
		if err := os.WriteFile(filepath.Join(tools, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tool := filepath.Join(tools, "newuidmap")
	ask(doctor.Fail, "neither setuid nor", "sudo chmod u+s "+tool)
	if err := syscall.Chmod(tool, 0o4755); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(tool, 4242, 4242); err != nil { // takes the setuid bit off
			t.Fatal(err)
		}
		if err := syscall.Chmod(tool, 0o4755); err != nil {
			t.Fatal(err)
		}
	}
	ask(doctor.Fail, "belongs to UID ", "sudo chown root: "+tool)

	env.UID, env.Path = 0, ""
	ask(doctor.OK, "you are root", "")
}

func TestFedoraNames(t *testing.T) {
	for release, want := range map[string]string{
		"ID=fedora\n":                        "sudo dnf install shadow-utils",
		"ID=\"rocky\"\nID_LIKE=\"rhel f\"\n": "sudo dnf install shadow-utils",
		"ID=ubuntu\nID_LIKE=debian\n":        "sudo apt-get install uidmap",
		"":                                   "sudo apt-get install uidmap",
	} {
		env := doctor.Env{User: "u", UID: 1000, Root: root(t, map[string]string{"/etc/os-release": release})}
		if f := find(t, doctor.Check(t.Context(), env), "newuidmap"); f.Fix != want {
			t.Errorf("%q: got %q", release, f.Fix)
		}
	}
}

func TestRuntimeDir(t *testing.T) {
	mine := t.TempDir()
	if err := os.Chmod(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(mine, "open")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	me := os.Getuid()
	if me == 0 { // who has none
		me = 4243
		for _, dir := range []string{mine, open} {
			if err := os.Chown(dir, me, me); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		dir    string
		uid    int
		status doctor.Status
		detail string
	}{
		{mine, me, doctor.OK, mine},
		{"", me, doctor.Warn, "is not set"},
		{filepath.Join(mine, "missing"), me, doctor.Warn, "does not exist"},
		{open, me, doctor.Warn, "mode 0755"},
		{mine, 4242, doctor.Warn, "belongs to UID " + strconv.Itoa(me)},
		{mine, 0, doctor.OK, "not used for root"},
	} {
		env := doctor.Env{User: "u", UID: tt.uid, RuntimeDir: tt.dir}
		f := find(t, doctor.Check(t.Context(), env), "XDG_RUNTIME_DIR")
		if f.Status != tt.status || !strings.Contains(f.Detail, tt.detail) {
			t.Errorf("%q: got %+v", tt.dir, f)
		}
	}
}
