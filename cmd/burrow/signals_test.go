package main

import (
	"bufio"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/burrow-run/burrow/engine/spec"
)

const relayEnv = "BURROW_TEST_RELAY"

// TestRelay: until the payload may have them, signals do what they would do to a process
// that takes none; from then on they are handed on. The process is this test again.
func TestRelay(t *testing.T) {
	if mode := os.Getenv(relayEnv); mode != "" {
		relayProcess(mode)
	}
	for _, c := range []struct {
		mode string
		sent []syscall.Signal
		ends syscall.Signal // 0: it exits with the number of the last one
	}{
		{"before", []syscall.Signal{syscall.SIGWINCH, syscall.SIGCHLD, 40, syscall.SIGTERM}, syscall.SIGTERM},
		{"before", []syscall.Signal{syscall.SIGINT}, syscall.SIGINT},
		{"after", []syscall.Signal{syscall.SIGTERM}, 0},
		{"after", []syscall.Signal{syscall.SIGWINCH}, 0},
		{"after", []syscall.Signal{64}, 0},
		{"no proxy", []syscall.Signal{syscall.SIGTERM}, syscall.SIGTERM},
		{"no proxy", []syscall.Signal{syscall.SIGWINCH}, 0},
	} {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestRelay$")
		cmd.Env = append(os.Environ(), relayEnv+"="+c.mode)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err == nil {
			_, err = bufio.NewReader(out).ReadString('\n')
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, sig := range c.sent {
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
		}
		_ = cmd.Wait()
		status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
		last := c.sent[len(c.sent)-1]
		if c.ends != 0 && status.Signal() != c.ends || c.ends == 0 && status.ExitStatus() != int(last) {
			t.Errorf("%s, sent %v: status %#x", c.mode, c.sent, status)
		}
	}
}

// relayProcess exits with the number of the first signal that is handed on.
func relayProcess(mode string) {
	r := newRelay(spec.Stdio{SigProxy: mode != "no proxy"})
	if mode == "before" {
		_, _ = os.Stdout.WriteString("ready\n")
		time.Sleep(20 * time.Second)
		os.Exit(0)
	}
	ch := r.signals()
	_, _ = os.Stdout.WriteString("ready\n")
	sig, ok := (<-ch).(syscall.Signal)
	if !ok {
		os.Exit(0)
	}
	os.Exit(int(sig))
}
