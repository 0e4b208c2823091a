package slirp

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
)

// startSlirp4netns runs slirp4netns on the namespace and returns with the
// process, and the pipe on which it will announce that the network works.
//
// Should: create the tap device in the namespace, configure it, then move
// packets. Mustn't: see files, reach the host's loopback, hold capabilities,
// outlive us.
//
// Its own sandbox is a mount namespace with /etc and /run only, an empty
// capability set but CAP_NET_BIND_SERVICE, and a seccomp filter. With an
// effective UID of 0, as in the anchor, it does not enter a user namespace
// for that, which is what makes --enable-sandbox fail with
// --netns-type=path elsewhere (slirp4netns issue 317).
//
// rootlesskit's driver for it is not used. It refuses the sandbox together
// with a namespace given as a path, and runs slirp4netns --help, nsenter and
// ip twice each before it starts (measured in doc.go).
func startSlirp4netns(ctx context.Context, j jail, m Mode) (*started, error) {
	readyR, readyW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer readyW.Close()
	exitR, exitW, err := os.Pipe()
	if err != nil {
		readyR.Close()
		return nil, err
	}
	defer exitR.Close()
	// It ends by itself and by us, never by a context.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), j.program, slirp4netnsArgs(m)...)
	cmd.Args[0] = string(Slirp4netns)
	cmd.ExtraFiles = []*os.File{readyW, exitR, j.ns} // 3, 4 and 5
	h, err := startHelper(cmd, j)
	if err != nil {
		readyR.Close()
		exitW.Close()
		return nil, fmt.Errorf("start slirp4netns: %w", err)
	}
	return &started{helper: h, ready: readyR, keep: exitW}, nil
}

func slirp4netnsArgs(m Mode) []string {
	info := m.Info()
	args := []string{
		"--configure",
		"--mtu=" + strconv.Itoa(info.MTU),
		"--ready-fd=3",
		"--exit-fd=4",
		"--enable-sandbox",
		"--enable-seccomp",
	}
	if !m.HostLoopback {
		args = append(args, "--disable-host-loopback")
	}
	if m.Subnet.IsValid() {
		args = append(args, "--cidr="+m.Subnet.String())
	}
	if m.IPv6 {
		args = append(args, "--enable-ipv6")
	}
	if m.Outbound4 != "" {
		args = append(args, "--outbound-addr="+m.Outbound4)
	}
	if m.Outbound6 != "" {
		args = append(args, "--outbound-addr6="+m.Outbound6)
	}
	return append(args, "--netns-type=path", "/proc/self/fd/5", info.Interface)
}
