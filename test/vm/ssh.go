package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Result of a command in the machine.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// master is one ssh connection that later commands share: a login takes a second
// on an emulated processor, a command over an open connection 70 ms.
type master struct {
	socket string
	cmd    *exec.Cmd
	ended  chan struct{}
}

func (s *master) stop() {
	_ = s.cmd.Process.Kill()
	<-s.ended
	_ = os.Remove(s.socket)
}

// Run runs a script with the login shell of user, in a session that stays open from
// one Run to the next, and waits for it. The error is about the way there; how the
// script ended is in the result.
func (m *Machine) Run(ctx context.Context, user, script string) (Result, error) {
	s, err := m.master(ctx, user)
	if err != nil {
		return Result{}, fmt.Errorf("log in as %s: %w", user, err)
	}
	return m.ssh(ctx, user, script, "-S", s.socket, "-o", "ControlMaster=no")
}

// Login is Run with a login, and so a session, of its own. With a terminal, the
// script's output is all in Stdout.
func (m *Machine) Login(ctx context.Context, user, script string, terminal bool) (Result, error) {
	args := []string{"-S", "none"}
	if terminal {
		args = append(args, "-tt")
	}
	return m.ssh(ctx, user, script, args...)
}

func (m *Machine) ssh(ctx context.Context, user, script string, args ...string) (Result, error) {
	cmd := exec.CommandContext(ctx, "ssh", append(m.sshArguments(user, args...), script)...)
	cmd.WaitDelay = 2 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	result := Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return result, fmt.Errorf("run as %s: %w", user, ctx.Err())
	case m.Alive() != nil:
		return result, fmt.Errorf("run as %s: %w", user, ErrDied)
	case err != nil && !errors.As(err, &exit):
		return result, fmt.Errorf("run as %s: %w", user, err)
	}
	return result, nil
}

func (m *Machine) sshArguments(user string, more ...string) []string {
	args := []string{
		"-F", "none", "-i", m.base.key(), "-p", strconv.Itoa(m.port), "-l", user,
		"-o", "UserKnownHostsFile=" + m.base.knownHosts(), "-o", "HostKeyAlias=vm",
		"-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
		"-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10",
	}
	return append(append(args, more...), "127.0.0.1")
}

// master returns the shared connection of user, opening it when there is none.
func (m *Machine) master(ctx context.Context, user string) (*master, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.masters[user]; s != nil {
		select {
		case <-s.ended: // the test restarted sshd, or logged the user out
			delete(m.masters, user)
		default:
			return s, nil
		}
	}
	// Two tries: QEMU accepts a connection whether or not the guest answers it.
	s, err := m.openMaster(ctx, user)
	if err != nil && ctx.Err() == nil {
		m.log.Info("log in again", slog.String("user", user), slog.Any("err", err))
		s, err = m.openMaster(ctx, user)
	}
	if err != nil {
		return nil, err
	}
	m.masters[user] = s
	return s, nil
}

func (m *Machine) openMaster(ctx context.Context, user string) (*master, error) {
	ctx, cancel := context.WithTimeout(ctx, 45*time.Second)
	defer cancel()
	s := &master{socket: filepath.Join(m.dir, "ssh-"+user), ended: make(chan struct{})}
	var stderr bytes.Buffer
	//nolint:noctx // lives until Close, longer than the caller
	s.cmd = exec.Command("ssh", m.sshArguments(user, "-M", "-S", s.socket, "-N")...)
	s.cmd.Stderr = &stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the test, not for its connections
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start ssh: %w", err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	for {
		if _, err := os.Stat(s.socket); err == nil {
			return s, nil // ssh makes it when it has logged in
		}
		select {
		case <-s.ended:
			return nil, fmt.Errorf("ssh ended: %s", stderr.String())
		case <-ctx.Done():
			s.stop()
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// SSH returns the arguments with which ssh logs in as user.
func (m *Machine) SSH(user string) []string { return m.sshArguments(user) }
