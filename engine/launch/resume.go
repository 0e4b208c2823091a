package launch

import (
	"fmt"
	"os"
	"sync"

	"github.com/burrow-run/burrow/internal/sys"
)

// Resume is the container whose payload an earlier program of this process has let run:
// pid is that of its first process, a child of this one. stateDir is Config.StateDir. It
// can be waited for, signalled and destroyed.
func Resume(pid int, stateDir string) (*Container, error) {
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	pidfd, err := sys.OpenPidfd(pid)
	if err != nil {
		return nil, fmt.Errorf("wait for container: %w", err)
	}
	c := &Container{process: child{p, pidfd}, path: stateDir}
	c.ended = sync.OnceValues(c.reap)
	return c, nil
}

// child is a child that waits for nobody's thread.
type child struct {
	process *os.Process
	pidfd   *os.File
}

func (c child) Pid() (int, error) { return c.process.Pid, nil }

func (c child) Signal(sig os.Signal) error { return c.process.Signal(sig) }

func (c child) Wait() (*os.ProcessState, error) {
	if err := sys.AwaitEnd(c.pidfd); err != nil {
		return nil, err
	}
	state, err := c.process.Wait()
	c.pidfd.Close()
	return state, err
}
