package slirp

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
)

// explainListen says what is wrong with a host port, and what to do.
func explainListen(p Port, err error) error {
	where := "publish " + p.Listen()
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		by := ""
		if owner := portOwner(p); owner != "" {
			by = " by " + owner
		}
		return hint.New(fmt.Errorf("%s: %w%s", where, ErrPortInUse, by),
			fmt.Sprintf("choose another host port, or let one be chosen: -p %d", p.ContainerPort))
	case errors.Is(err, ErrPortInUse):
		return fmt.Errorf("publish %s: %w", p, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return hint.New(fmt.Errorf("%s: %w: the kernel keeps ports below %s for root", where, ErrPortPrivileged, firstFreePort()),
			fmt.Sprintf("sudo sysctl net.ipv4.ip_unprivileged_port_start=%d (or choose a higher host port)", p.HostPort))
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return hint.New(fmt.Errorf("%s: %w: this machine has no such address", where, ErrSyntax), "ip address")
	}
	return fmt.Errorf("%s: %w", where, err)
}

func firstFreePort() string {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return "1024"
	}
	return strings.TrimSpace(string(b))
}

// portOwner finds who has the port: "nginx (pid 123)", or "a process of uid 33" for one
// that is not ours to look into, or nothing.
func portOwner(p Port) string {
	for _, suffix := range []string{"", "6"} {
		inode, uid, ok := socketOn("/proc/net/"+string(p.Protocol)+suffix, p)
		if !ok {
			continue
		}
		if owner := holder(inode); owner != "" {
			return owner
		}
		return ownerOf(uid)
	}
	return ""
}

// ownerOf tells whose a process is. The kernel gives the UID as this user namespace has it:
// in the anchor 0 is the user, and everybody else is nobody.
func ownerOf(uid string) string {
	f, err := os.Open("/proc/self/uid_map")
	if err != nil {
		return "a process of uid " + uid
	}
	defer f.Close()
	m, err := idmap.ParseMap(f)
	id, numErr := strconv.ParseUint(uid, 10, 32)
	host, mapped := m.Host(uint32(id))
	switch {
	case err != nil || numErr != nil:
		return "a process of uid " + uid
	case !mapped || id == nobody && host != nobody:
		return "another user's process"
	}
	return fmt.Sprintf("a process of uid %d", host)
}

// nobody is shown for whoever has no ID here (user_namespaces(7)).
const nobody = 65534

// socketOn looks for a listener in /proc/net/tcp and its like:
//
//	sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
func socketOn(file string, p Port) (inode, uid string, ok bool) {
	f, err := os.Open(file)
	if err != nil {
		return "", "", false
	}
	defer f.Close()
	want := fmt.Sprintf(":%04X", p.HostPort)
	for s := bufio.NewScanner(f); s.Scan(); {
		c := strings.Fields(s.Text())
		const listen = "0A"
		if len(c) > 9 && strings.HasSuffix(c[1], want) && (p.Protocol == UDP || c[3] == listen) {
			return c[9], c[7], true
		}
	}
	return "", "", false
}

func holder(inode string) string {
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err != nil || target != "socket:["+inode+"]" {
			continue
		}
		pid := strings.Split(fd, "/")[2]
		comm, err := os.ReadFile("/proc/" + pid + "/comm")
		if err != nil {
			return "pid " + pid
		}
		return strconv.QuoteToASCII(strings.TrimSpace(string(comm))) + " (pid " + pid + ")"
	}
	return ""
}
