package slirp

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
)

// startPasta runs pasta on the namespace.
//
// Should: create and configure the device, then move packets. Mustn't: see
// files, reach the host's loopback, configure anything else, outlive us.
//
// It isolates itself: an empty root, mount, UTS, IPC and PID namespaces, a
// seccomp filter, and of the capabilities only CAP_NET_BIND_SERVICE and
// CAP_SYS_ADMIN, which it needs to open sockets in a namespace that the anchor
// owns. --no-map-gw alone does not close the host's loopback: -T and -U do,
// being "auto" by default, which splices the namespace's own loopback to the
// host's (V57).
//
// It tells that it is ready by writing its PID file, which happens after the
// device is configured and before the filter is loaded (see awaitFilter); the
// file is its standard output, because it may close every other descriptor.
//
// rootlesskit's driver for it is not used: it runs pasta --version three
// times, and lets pasta go into the background, where nothing ends it should
// this process be killed.
func startPasta(ctx context.Context, j jail, m Mode) (*started, error) {
	readyR, readyW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer readyW.Close()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), j.program, pastaArgs(m)...)
	cmd.Args[0] = string(Pasta)
	cmd.Stdout = readyW
	j.netns = netnsPath
	h, err := startHelper(cmd, j)
	if err != nil {
		readyR.Close()
		return nil, fmt.Errorf("start pasta: %w", err)
	}
	return &started{helper: h, ready: readyR}, nil
}

func pastaArgs(m Mode) []string {
	info := m.Info()
	args := []string{
		"--foreground", "--stderr", "--quiet", "--pid=/proc/self/fd/1",
		"--config-net", "--ns-ifname=" + info.Interface, "--mtu=" + strconv.Itoa(info.MTU),
		"--address=" + info.Address.Addr().String(), "--netmask=" + strconv.Itoa(info.Address.Bits()),
		"--gateway=" + info.Gateway.String(),
		"--no-dhcp", "--no-dhcpv6", "--no-ndp", "--no-ra",
		"--tcp-ports=none", "--udp-ports=none", "--tcp-ns=none", "--udp-ns=none",
	}
	if m.IPv6 {
		args = append(args, "--address="+info.Address6.Addr().String(), "--gateway="+info.Gateway6.String())
	} else {
		args = append(args, "--ipv4-only")
	}
	if !m.HostLoopback {
		args = append(args, "--no-map-gw")
	}
	for _, dns := range info.DNS {
		args = append(args, "--dns-forward="+dns.String())
	}
	args = append(args, outbound(m.Outbound4, "--outbound-if4")...)
	args = append(args, outbound(m.Outbound6, "--outbound-if6")...)
	args = append(args, m.Extra...)
	return append(args, "--no-netns-quit", "--netns="+netnsPath)
}

// outbound is pasta's spelling of an address or an interface to leave from.
func outbound(v, interfaceFlag string) []string {
	if v == "" {
		return nil
	}
	if _, err := netip.ParseAddr(v); err == nil {
		return []string{"--outbound=" + v}
	}
	return []string{interfaceFlag + "=" + v}
}
