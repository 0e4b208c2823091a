package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options of a boot. The zero value boots the oldest kernel with SELinux permissive.
type Options struct {
	Kernel    string // "6.1" (default) or "6.12"
	Enforcing bool   // SELinux
	MemoryMiB int    // 1280 if 0
	CPUs      int    // 2 if 0
	Payload   Payload
	Log       *slog.Logger
}

// Machine is a running virtual machine.
type Machine struct {
	base Base
	held *os.File // base's lock
	dir  string   // sockets, console, payload disk; removed by Close
	port int
	log  *slog.Logger

	pid    int
	exited chan struct{} // closed when QEMU has ended

	mu      sync.Mutex
	masters map[string]*master // one ssh connection per user
}

// Boot starts a machine from base and returns when root can log in.
func Boot(ctx context.Context, base Base, opts Options) (*Machine, error) {
	held, err := base.hold()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "burrow-vm-") // short: a path of a socket has 108 bytes
	if err != nil {
		held.Close()
		return nil, fmt.Errorf("create machine directory: %w", err)
	}
	m := &Machine{base: base, held: held, dir: dir, log: opts.Log, exited: make(chan struct{}), masters: map[string]*master{}}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if err := m.boot(ctx, opts); err != nil {
		err = fmt.Errorf("boot the machine: %w\nconsole: %s", err, lastLines(m.Console(), 15))
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *Machine) boot(ctx context.Context, opts Options) error {
	started := time.Now()
	payload, err := opts.Payload.disk(ctx, m.dir)
	if err != nil {
		return err
	}
	if m.port, err = freePort(ctx); err != nil {
		return err
	}
	if err := m.start(m.arguments(opts, payload)); err != nil {
		return err
	}
	if err := m.waitReady(ctx, 1); err != nil {
		return err
	}
	// QEMU has it open; a killed test must not leave hundreds of megabytes.
	if err := os.Remove(payload); err != nil {
		return fmt.Errorf("remove payload disk: %w", err)
	}
	if _, err := m.master(ctx, "root"); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	m.log.Info("booted", slog.Duration("after", time.Since(started)), slog.Int("pid", m.pid))
	return nil
}

const readyLine = "machine: ready"

// waitReady waits for the line that recipe/guest/…/machine-ready.service writes, once
// for each boot.
func (m *Machine) waitReady(ctx context.Context, boots int) error {
	for {
		console := m.Console()
		switch {
		case strings.Count(console, readyLine) >= boots:
			return nil
		case strings.Contains(console, "Kernel panic"):
			return errors.New("the kernel panicked")
		}
		select {
		case <-m.exited:
			return ErrDied
		case <-ctx.Done():
			return fmt.Errorf("wait for systemd: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// arguments of QEMU. Nehalem without cmpxchg16b, because the 6.12 kernel's slab
// allocator dies of a double fault on QEMU 7.2's emulation of that instruction, and
// because the features of "max" make an emulated boot three times as long.
func (m *Machine) arguments(opts Options, payload string) []string {
	kernel := orDefault(opts.Kernel, "6.1")
	enforcing := 0
	if opts.Enforcing {
		enforcing = 1
	}
	cmdline := fmt.Sprintf("root=/dev/vda rw console=ttyS0 loglevel=5 security=selinux selinux=1 enforcing=%d "+
		"audit=1 audit_backlog_limit=8192 mitigations=off nokaslr net.ifnames=0 systemd.show_status=false", enforcing)
	return []string{
		"-accel", "tcg,thread=multi", "-cpu", "Nehalem,cx16=off",
		"-smp", orDefault(strconv.Itoa(opts.CPUs), "2"), "-m", orDefault(strconv.Itoa(opts.MemoryMiB), "1280"),
		"-nographic", "-nodefaults", "-serial", "file:" + m.consolePath(),
		"-kernel", m.base.kernel(kernel), "-initrd", m.base.initrd(kernel), "-append", cmdline,
		"-drive", "file=" + m.base.disk() + ",if=virtio,format=raw,snapshot=on",
		"-drive", "file=" + payload + ",if=virtio,format=raw,readonly=on",
		"-netdev", fmt.Sprintf("user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:%d-:22", m.port),
		"-device", "virtio-net-pci,netdev=n,romfile=", "-device", "virtio-rng-pci",
	}
}

// start runs QEMU on a thread of its own that lives as long as QEMU does: the
// kernel sends the death signal when the thread ends that forked, not the process.
func (m *Machine) start(args []string) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		var stderr bytes.Buffer
		//nolint:noctx // Close ends it; a context would end it in the middle of a test's report
		cmd := exec.Command("qemu-system-x86_64", args...)
		cmd.Stderr = &stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
		err := cmd.Start()
		if err == nil {
			m.pid = cmd.Process.Pid
		}
		result <- err
		if err == nil {
			err = cmd.Wait()
			m.log.Info("qemu ended", slog.Any("err", err), slog.String("stderr", stderr.String()))
		}
		close(m.exited)
	}()
	return <-result
}

// Reboot restarts the machine in its own way and returns when root can log in
// again. What is on its disk stays, for the snapshot is as old as QEMU.
func (m *Machine) Reboot(ctx context.Context) error {
	boots := strings.Count(m.Console(), readyLine)
	if _, err := m.Run(ctx, "root", "systemctl reboot"); err != nil {
		return fmt.Errorf("reboot: %w", err)
	}
	if err := m.waitReady(ctx, boots+1); err != nil {
		return fmt.Errorf("reboot: %w\nconsole: %s", err, lastLines(m.Console(), 15))
	}
	m.mu.Lock()
	for user, s := range m.masters { // of the machine that was
		s.stop()
		delete(m.masters, user)
	}
	m.mu.Unlock()
	return m.MountPayload(ctx)
}

// Alive returns ErrDied once QEMU has ended.
func (m *Machine) Alive() error {
	select {
	case <-m.exited:
		return ErrDied
	default:
		return nil
	}
}

// Console returns what kernel and init wrote to the serial console.
func (m *Machine) Console() string {
	data, err := os.ReadFile(m.consolePath())
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func (m *Machine) consolePath() string { return filepath.Join(m.dir, "console") }

// Close ends the machine. Its disk is a snapshot, so pulling the plug loses nothing.
func (m *Machine) Close() error {
	m.mu.Lock()
	for _, s := range m.masters {
		s.stop()
	}
	m.mu.Unlock()
	if m.pid > 0 && m.Alive() == nil {
		// Not reaped before exited is closed, so the number is still QEMU's.
		_ = syscall.Kill(m.pid, syscall.SIGTERM)
		select {
		case <-m.exited:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(m.pid, syscall.SIGKILL)
			<-m.exited
		}
	}
	m.held.Close()
	if err := os.RemoveAll(m.dir); err != nil {
		return fmt.Errorf("remove machine directory: %w", err)
	}
	return nil
}

func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a port: %w", err)
	}
	defer l.Close()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("bug: listener address %v", l.Addr())
	}
	return addr.Port, nil
}

func orDefault(value, fallback string) string {
	if value == "" || value == "0" {
		return fallback
	}
	return value
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
