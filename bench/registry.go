package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// registry is Debian's, as a process of this one, with its data in a directory.
type registry struct {
	dir  string
	addr string // 127.0.0.1:PORT, the same for as long as this lives
	cmd  *exec.Cmd
}

const registryConfig = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: %s}
http: {addr: %s}
`

// newRegistry starts an empty registry in a new directory below dir.
func newRegistry(ctx context.Context, dir string) (*registry, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &registry{addr: l.Addr().String()}
	_ = l.Close()
	if r.dir, err = os.MkdirTemp(dir, "registry-"); err != nil {
		return nil, err
	}
	conf := fmt.Sprintf(registryConfig, r.data(), r.addr)
	if err = os.WriteFile(r.conf(), []byte(conf), 0o600); err == nil {
		err = r.start(ctx)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *registry) data() string { return filepath.Join(r.dir, "data") }
func (r *registry) conf() string { return filepath.Join(r.dir, "config.yml") }

func (r *registry) start(ctx context.Context) error {
	r.cmd = exec.CommandContext(ctx, "docker-registry", "serve", r.conf())
	if err := r.cmd.Start(); err != nil {
		r.cmd = nil
		return err
	}
	var err error
	for range 500 {
		var c net.Conn
		if c, err = (&net.Dialer{}).DialContext(ctx, "tcp", r.addr); err == nil {
			return c.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("docker-registry does not answer: %w", err)
}

func (r *registry) stop() {
	if r.cmd != nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		r.cmd = nil
	}
}

// empty makes a registry of it that has nothing, and remembers nothing.
func (r *registry) empty(ctx context.Context) error {
	r.stop()
	if err := os.RemoveAll(r.data()); err != nil {
		return err
	}
	return r.start(ctx)
}

func (r *registry) close() {
	r.stop()
	_ = os.RemoveAll(r.dir)
}
