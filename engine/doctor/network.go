package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	tunDevice   = "/dev/net/tun"
	withoutHost = "no network by default; --network=none and --network=host still work"
)

// checkTun opens the device, which makes no interface (that is TUNSETIFF).
func checkTun(_ context.Context, h *host) []Finding {
	f, err := os.OpenFile(h.path(tunDevice), os.O_RDWR, 0)
	if err == nil {
		f.Close()
		return good(tunDevice, "can be opened")
	}
	switch {
	case errors.Is(err, os.ErrNotExist) && h.exists("/sys/class/misc/tun"):
		return bad(tunDevice, Fail, "is missing, though the kernel has tun", withoutHost,
			"sudo mkdir -p /dev/net && sudo mknod -m 0666 /dev/net/tun c 10 200")
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return bad(tunDevice, Fail, "is missing: the tun module is not loaded", withoutHost, "sudo modprobe tun")
	case errors.Is(err, os.ErrPermission):
		return bad(tunDevice, Fail, "may not be opened by "+h.User, withoutHost, "sudo chmod 0666 "+tunDevice)
	}
	return bad(tunDevice, Fail, err.Error(), withoutHost, "sudo modprobe tun")
}

// netHelper is one of the two programs that carry packets.
type netHelper struct {
	name, debian, fedora, cost string
}

func netHelpers() []netHelper {
	return []netHelper{
		{"slirp4netns", "slirp4netns", "slirp4netns", "--network=slirp4netns does not work"},
		{"pasta", "passt", "passt", "--network=pasta does not work"},
	}
}

// checkNetHelpers fails only for the default one.
func checkNetHelpers(ctx context.Context, h *host) []Finding {
	def := h.Network
	if def == "" {
		def = "slirp4netns"
	}
	var found []Finding
	for _, n := range netHelpers() {
		status, cost := Warn, n.cost
		if n.name == def {
			status, cost = Fail, withoutHost
		}
		found = append(found, h.netHelper(ctx, n, status, cost)...)
	}
	return found
}

func (h *host) netHelper(ctx context.Context, n netHelper, status Status, cost string) []Finding {
	fix := h.install(n.debian, n.fedora)
	p := h.program(n.name)
	if p == "" {
		return bad(n.name, status, "is not installed", cost, fix)
	}
	out, err := output(ctx, p, "--version")
	if err != nil {
		return bad(n.name, status, fmt.Sprintf("%s does not start: %v", p, err), cost, strings.Replace(fix, " install ", " reinstall ", 1))
	}
	version := netVersion(out)
	if major := strings.HasPrefix(version, "0."); n.name == "slirp4netns" && major {
		return bad(n.name, status, p+" "+version+" is too old: Burrow needs 1.0 for its sandbox", cost, fix)
	}
	return good(n.name, strings.TrimSpace(p+" "+version))
}

// netVersion picks the version out of
//
//	slirp4netns version 1.2.0     pasta 0.0~git20230309.7c7625d
//	commit: 656041d…              Copyright Red Hat
//	libslirp: 4.7.0
//
// and is empty where the program does not know its own ("unknown version").
func netVersion(out string) string {
	var version string
	for i, line := range strings.Split(out, "\n") {
		f := strings.Fields(line)
		if i == 0 && len(f) > 1 && strings.ContainsAny(f[len(f)-1], "0123456789") {
			version = f[len(f)-1]
		}
		if v, ok := strings.CutPrefix(line, "libslirp: "); ok {
			version += ", libslirp " + v
		}
	}
	return version
}
