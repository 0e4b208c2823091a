package sys

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestProcID(t *testing.T) {
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := ProcIDOf(cmd.Process.Pid)
	if err != nil || id.Start == 0 || !id.Alive() {
		t.Errorf("ProcIDOf() = %+v, %v", id, err)
	}
	later := ProcID{PID: id.PID, Start: id.Start + 1}
	if later.Alive() {
		t.Error("another start time is the same process")
	}
	_ = cmd.Process.Kill()
	for range 1000 { // until it is a zombie
		if st, err := readStat(id.PID); err != nil || st.state == 'Z' {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if id.Alive() {
		t.Error("a zombie is alive")
	}
	_ = cmd.Wait()
	if id.Alive() {
		t.Error("a process that was waited for is alive")
	}
	if _, err := ProcIDOf(id.PID); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("ProcIDOf a dead process: %v", err)
	}
	if (ProcID{}).Alive() {
		t.Error("nobody is alive")
	}
}
