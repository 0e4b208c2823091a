package sys_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/burrow-run/burrow/internal/sys"
)

// TestTraceExec looks at the second program that a shell becomes, when it is that
// already and has not run yet; what follows is as if nobody had looked.
func TestTraceExec(t *testing.T) {
	cmd, in := waitingShell(t, "exec sh -c 'exec sh -c \"exit 7\"'")
	exe, argv := "", ""
	done, err := sys.TraceExec(cmd.Process.Pid, 2, func() {
		exe, _ = os.Readlink(fmt.Sprintf("/proc/%d/exe", cmd.Process.Pid))
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid))
		argv = string(b)
	})
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	if !done() || exe == "" || argv != "sh\x00-c\x00exit 7\x00" {
		t.Errorf("looked at %q, %q", exe, argv)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("%v", err)
	}
}

// A child that ends before that is its parent's to collect.
func TestTraceExecOfWhoEnds(t *testing.T) {
	for script, code := range map[string]int{"exec sh -c 'exit 3'": 3, "kill -TERM $$": -1} {
		cmd, in := waitingShell(t, script)
		done, err := sys.TraceExec(cmd.Process.Pid, 2, func() { t.Error("looked") })
		if err != nil {
			t.Fatal(err)
		}
		in.Close()
		if done() {
			t.Error("says that it looked")
		}
		if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != code {
			t.Errorf("%s: %v, want %d", script, cmd.ProcessState, code)
		}
	}
}

// waitingShell is a shell that runs script once its input ends.
func waitingShell(t *testing.T, script string) (*exec.Cmd, *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ready, says, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "echo >&3; exec 3>&-; read x; "+script)
	cmd.Stdin, cmd.ExtraFiles = r, []*os.File{says}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	says.Close()
	if _, err := io.ReadFull(ready, make([]byte, 1)); err != nil { // till then it may be in its first execve
		t.Fatal(err)
	}
	return cmd, w
}
