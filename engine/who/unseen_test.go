package who

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// A file of a process that was opened before its end reads as ESRCH after it: for
// whoever asks, there is no such process.
func TestProcessThatEndsMeanwhile(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	status, err := os.Open(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	defer status.Close()
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	_, err = status.Read(make([]byte, 1))
	if !errors.Is(err, unix.ESRCH) {
		t.Fatalf("the kernel says %v", err)
	}
	if got := unseen(7, err); !errors.Is(got, ErrNoProcess) {
		t.Error(got)
	}
	if got := unseen(7, unix.EPERM); errors.Is(got, ErrNoProcess) {
		t.Error(got)
	}
}
