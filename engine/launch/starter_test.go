package launch

import (
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

const starterEnv = "LAUNCH_TEST_STARTER"

// TestEndWithStarter starts this test again as libcontainer's init would be, with
// and without the cgroup's directory behind the socket.
func TestEndWithStarter(t *testing.T) {
	if first := os.Getenv(starterEnv); first != "" {
		EndWithStarter(func(name string) string { return map[string]string{"_LIBCONTAINER_INITPIPE": first}[name] })
		_, _ = os.Stdout.WriteString("waits\n")
		time.Sleep(time.Minute)
		return
	}
	dir, err := os.Open(t.TempDir())
	must(t, err)
	defer dir.Close()
	for _, behind := range [][]*os.File{nil, {dir}} {
		read, write, err := newStatus()
		must(t, err)
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestEndWithStarter$")
		cmd.ExtraFiles = append([]*os.File{write}, behind...)
		cmd.Env = append(os.Environ(), starterEnv+"="+strconv.Itoa(3+len(cmd.ExtraFiles)))
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		write.Close()
		_, err = io.ReadFull(out, make([]byte, 6))
		must(t, err)
		read.Close() // as when the starter is killed
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 137 {
			t.Errorf("with %d files behind it: exit code %d, want 137", len(behind), code)
		}
	}
}

func TestStatusSocketIsNotGuessed(t *testing.T) {
	for _, value := range []string{"", "x", "0", "3"} {
		if fd := statusSocket(func(string) string { return value }); fd != -1 {
			t.Errorf("%q: %d", value, fd)
		}
	}
}
