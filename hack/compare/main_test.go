package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	c := column{engine: engine{name: "X", how: "x run"}, versionLine: "x version 1.2 (abc)"}
	c.read("CapEff 00000000800405fb\nCapBnd 0000000000000000\nNoNewPrivs 1\nSeccomp 2\nkernel 9.9\nleak leads nowhere\n" +
		"== syscalls\nunshare-user EPERM\nbpf EFAULT\n== sockets\nfamily-1 ok\nfamily-2 EPERM\n")
	c.outside = []process{{os.Getuid(), [][2]int{{os.Getuid(), 1}, {100000, 10}}}, {os.Getuid(), [][2]int{{os.Getuid(), 1}, {100005, 10}}}}
	var out strings.Builder
	if err := write(&out, []column{c, {engine: engine{name: "Y"}, why: "not installed"}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"|  | X |\n", "| version | 1.2 |\n", "| its root is, on the host | you |\n", "| IDs that two containers have in common | 6 |\n",
		"| capabilities: effective, bounding | 11, 0 |\n", "| system calls that get past the filter | 1 of 2 |\n", "| socket families | 1 of 2 |\n",
		"| kernel that answers system calls | its own (9.9) |\n", "| no_new_privs | yes |\n", "Not measured:\n\n- Y: not installed\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// What is a container's shell, and what only has it among its arguments.
func TestShells(t *testing.T) {
	const script = "echo marker-of-the-test; read x"
	for _, args := range [][]string{{"sh", "-c", script}, {"sh", "-c", `read x; : "$@"`, "sh", "sh", "-c", script}} {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			in.Close()
			_ = cmd.Wait()
		}()
	}
	got := shells("marker-of-the-test")
	if len(got) != 1 || got[0].uid != os.Getuid() || len(got[0].ids) == 0 {
		t.Errorf("%+v", got)
	}
}

func TestRewrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(`{"process":{"args":["sh"],"terminal":true,"cwd":"/"},"root":{"path":"rootfs"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rewrite(path, "/r", []string{"a"}); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Process struct {
			Args     []string
			Terminal bool
			Cwd      string
		}
		Root struct{ Path string }
	}
	b, _ := os.ReadFile(path)
	if err := json.Unmarshal(b, &got); err != nil || got.Process.Args[0] != "a" || got.Process.Terminal || got.Process.Cwd != "/" || got.Root.Path != "/r" {
		t.Errorf("%s, %v", b, err)
	}
	if err := os.WriteFile(path, []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if rewrite(path, "/r", nil) == nil {
		t.Error("no configuration is rewritten")
	}
}
