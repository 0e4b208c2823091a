package doctor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/engine/doctor"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

// childHome makes this test binary a doctor: it prints its findings about the
// namespaces it was started in, with the variable's value as home.
const childHome = "BURROW_DOCTOR_HOME"

func TestMain(m *testing.M) {
	home, child := os.LookupEnv(childHome)
	if !child {
		os.Exit(elsewhere(m.Run))
	}
	env := here(home)
	env.UID, env.User = os.Getuid(), "someone"
	err := errors.New("create user namespace")
	if os.Getenv("BURROW_DOCTOR_EXPLAIN") != "" {
		err = doctor.Explain(context.Background(), env, err)
		fmt.Printf("%v\n%s\n", err, hint.Of(err))
		os.Exit(0)
	}
	if err := doctor.PrintJSON(os.Stdout, doctor.Check(context.Background(), env)); err != nil {
		panic(err)
	}
	os.Exit(0)
}

// elsewhere calls run in a directory of its own: where an Env names none the doctor
// tries the working directory.
func elsewhere(run func() int) int {
	dir, err := os.MkdirTemp("", "doctor-")
	if err == nil {
		err = os.Chdir(dir)
	}
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	return run()
}

func here(home string) doctor.Env {
	return doctor.Env{
		User: "root", UID: os.Getuid(), Path: os.Getenv("PATH"),
		Dirs:       paths.For(paths.Env{Home: home, RuntimeDir: home}, os.Getuid()),
		RuntimeDir: home,
	}
}

// hostile runs the doctor as root of a user and mount namespace in which
// script, a shell script, has got in the way. $HOME is a directory of the test.
func hostile(t *testing.T, explain, script string) string {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "unshare", "-Urm", "true").CombinedOutput(); err != nil {
		t.Skipf("no user namespace to play the host in: %v: %s", err, out)
	}
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "unshare", "-Urmpf", "sh", "-euc", script+"\nexec \"$0\"", exe(t))
	cmd.Env = append(os.Environ(), childHome+"="+home, "HOME="+home, "BURROW_DOCTOR_EXPLAIN="+explain)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	return string(out)
}

func exe(t *testing.T) string {
	t.Helper()
	p, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestHostileHosts(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		finding      string
		status       doctor.Status
		detail, fix  string // parts of them
	}{
		{
			"user namespaces limited to none", "echo 0 >/proc/sys/user/max_user_namespaces",
			"user namespaces", doctor.Fail,
			"user.max_user_namespaces is 0", "sysctl -w user.max_user_namespaces=65536",
		},
		{
			"network namespaces limited to none", "echo 0 >/proc/sys/user/max_net_namespaces",
			"limits", doctor.Fail,
			"user.max_net_namespaces is 0", "sysctl -w user.max_net_namespaces=65536",
		},
		{
			"read-only home", `mount -t tmpfs -o ro none "$HOME"`,
			"images", doctor.Fail, "read-only file system", "XDG_DATA_HOME",
		},
		{
			"full disk", `mount -t tmpfs -o size=64k none "$HOME"`,
			"images", doctor.Fail, "64KiB free", "burrow rmi",
		},
		{
			"out of inodes", `mount -t tmpfs -o nr_inodes=10 none "$HOME"`,
			"images", doctor.Fail, "inodes free", "df -i",
		},
		{
			"little space", `mount -t tmpfs -o size=64m none "$HOME"`,
			"images", doctor.Warn, "64MiB free", "burrow rmi",
		},
		{
			"no tun device", `mount -t tmpfs none /dev/net`,
			"/dev/net/tun", doctor.Fail, "is missing", "m",
		},
		{
			"something else as tun device", `touch "$HOME/tun"; mount --bind "$HOME/tun" /dev/net/tun; chmod 0 /dev/net/tun; mount -o remount,bind,ro /dev/net/tun`,
			"/dev/net/tun", doctor.Fail, "", "modprobe tun",
		},
		{
			"covered proc", `mount -t proc proc /proc; mount -t tmpfs none /proc/fs`,
			"namespaces", doctor.Fail, "proc cannot be mounted", "unmask=ALL",
		},
		{
			"hidden processes", `mount -t proc -o hidepid=2 proc /proc`,
			"/proc", doctor.Warn, "hidepid=", "hidepid=0",
		},
		{
			"read-only sysctls", `mount -t proc proc /proc; mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys`,
			"/proc", doctor.Warn, "read-only", "unmask=ALL",
		},
		{
			"no cgroups", `umount -l /sys/fs/cgroup 2>/dev/null || mount -t tmpfs none /sys/fs`,
			"cgroups", doctor.Warn, "", "cgroup",
		},
		{"nothing in the way", ":", "overlay", doctor.OK, "works in a user namespace", ""},
		{"nothing in the way", ":", "surroundings", doctor.OK, "in a user namespace", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var rep doctor.Report
			if err := json.Unmarshal([]byte(hostile(t, "", tt.script)), &rep); err != nil {
				t.Fatal(err)
			}
			f := find(t, rep.Findings, tt.finding)
			if f.Status != tt.status || !strings.Contains(f.Detail, tt.detail) || !strings.Contains(f.Fix, tt.fix) {
				t.Errorf("got %+v", f)
			}
			if f.Status != doctor.OK && (f.Cost == "" || f.Fix == "") {
				t.Errorf("neither cost nor fix may be empty: %+v", f)
			}
			if f.Status == doctor.Fail && rep.CanRun {
				t.Error("can_run in spite of a failure")
			}
		})
	}
}

func TestExplain(t *testing.T) {
	got := hostile(t, "1", "echo 0 >/proc/sys/user/max_user_namespaces")
	want := "create user namespace (user.max_user_namespaces is 0)\nsysctl -w user.max_user_namespaces=65536\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
