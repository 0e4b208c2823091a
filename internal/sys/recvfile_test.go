package sys

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRecvFile(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd := int(f.Fd())
	for name, c := range map[string]struct {
		send []int
		ok   bool
	}{
		"none": {nil, false}, "one": {[]int{fd}, true}, "two": {[]int{fd, fd}, false}, "three": {[]int{fd, fd, fd}, false},
	} {
		t.Run(name, func(t *testing.T) {
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			here := os.NewFile(uintptr(pair[0]), "here")
			defer here.Close()
			var rights []byte
			if len(c.send) > 0 {
				rights = unix.UnixRights(c.send...)
			}
			err = unix.Sendmsg(pair[1], []byte("/dev/pts/0"), rights, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			unix.Close(pair[1])
			before := openFiles(t)
			got, err := RecvFile(here)
			if (err == nil) != c.ok {
				t.Fatalf("RecvFile: %v", err)
			}
			if !c.ok {
				if after := openFiles(t); after != before {
					t.Errorf("%d files are open, %d were", after, before)
				}
				return
			}
			defer got.Close()
			flags, err := unix.FcntlInt(got.Fd(), unix.F_GETFD, 0)
			if err != nil || flags&unix.FD_CLOEXEC == 0 || got.Name() != "/dev/pts/0" {
				t.Errorf("%s: flags %#x, %v", got.Name(), flags, err)
			}
		})
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}
