package slirp

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"

	"github.com/rootless-containers/rootlesskit/v3/pkg/lowlevelmsgutil"
	"github.com/rootless-containers/rootlesskit/v3/pkg/port/builtin/msg"
	"github.com/rootless-containers/rootlesskit/v3/pkg/port/builtin/opaque"
	"golang.org/x/sys/unix"
)

// childDriver is the half of rootlesskit's builtin port driver that makes
// sockets in the container's namespace (port.ChildDriver), speaking its
// protocol. It needs no process in there, because it has the dialer.
//
//	parent                          child
//	  │ ◄──────── FIFO closed ───────── │  listening
//	  │ ── Request{init} ─────────────► │
//	  │ ◄───────────────────── (empty) ─ │
//	  │ ── Request{connect, port, source} ► │  once per connection
//	  │ ◄── SCM_RIGHTS socket, or Reply{Error} ─ │
type childDriver struct {
	dialer *dialer
	log    *slog.Logger
}

// RunChildDriver serves requests until quit is closed.
func (d *childDriver) RunChildDriver(o map[string]string, quit <-chan struct{}, _ string) error {
	ready, err := os.OpenFile(o[opaque.ChildReadyPipePath], os.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: o[opaque.SocketPath], Net: "unix"})
	if err != nil {
		ready.Close()
		return err
	}
	if err := ready.Close(); err != nil {
		return err
	}
	go func() {
		<-quit
		ln.Close()
	}()
	for {
		c, err := ln.AcceptUnix()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		go d.serve(c)
	}
}

func (d *childDriver) serve(c *net.UnixConn) {
	defer c.Close()
	err := d.answer(c)
	if err == nil {
		return
	}
	d.log.Debug("connection to a published port", slog.String("error", err.Error()))
	_, _ = lowlevelmsgutil.MarshalToWriter(c, &msg.Reply{Error: err.Error()}) // the parent notices either way
}

func (d *childDriver) answer(c *net.UnixConn) error {
	var req msg.Request
	if _, err := lowlevelmsgutil.UnmarshalFromReader(c, &req); err != nil {
		return err
	}
	switch req.Type {
	case msg.RequestTypeInit:
		_, err := lowlevelmsgutil.MarshalToWriter(c, nil)
		return err
	case msg.RequestTypeConnect:
		return d.connect(c, &req)
	}
	return fmt.Errorf("unknown request %q", req.Type)
}

func (d *childDriver) connect(c *net.UnixConn, req *msg.Request) error {
	source, err := netip.ParseAddr(req.SourceIP)
	if err != nil || req.Port < 1 || req.Port > 65535 || req.SourcePort < 0 || req.SourcePort > 65535 {
		return errors.New("request without addresses")
	}
	f, err := d.dialer.dial(TCP, netip.AddrPortFrom(source, uint16(req.SourcePort)), uint16(req.Port))
	if err != nil {
		return err
	}
	defer f.Close()
	_, _, err = c.WriteMsgUnix([]byte("socket"), unix.UnixRights(int(f.Fd())), nil)
	return err
}
