package hint

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

func TestOfHome(t *testing.T) {
	own := t.TempDir()
	denied := func(path string) error {
		return fmt.Errorf("open store: %w", &fs.PathError{Op: "mkdir", Path: path, Err: syscall.EACCES})
	}
	for _, c := range []struct {
		err   error
		home  string
		other bool // there is advice
	}{
		{denied("/proc/x/.local"), "/proc", os.Geteuid() != 0},
		{denied("/proc/x/.local"), "/proc/", os.Geteuid() != 0},
		{denied("/.local"), "/", os.Geteuid() != 0},
		{denied("/nosuch/home/.local"), "/nosuch/home", true},
		{denied("/nosuch/home"), "/nosuch/home", true},
		{denied("/nosuch"), "/nosuch/home", true},
		{denied("/nosuc"), "/nosuch/home", false},
		{&fs.PathError{Op: "open", Path: "/etc/passwd/.local", Err: syscall.ENOTDIR}, "/etc/passwd", true},
		{&fs.PathError{Op: "open", Path: "/etc/passwd/.local", Err: syscall.ENOTDIR}, "/etc", false},
		{denied(own + "/x"), own, false},
		{denied("/procx/.local"), "/proc", false},
		{&fs.PathError{Op: "mkdir", Path: "/proc/x", Err: syscall.ENOENT}, "/proc", false},
		{nil, "/proc", false},
	} {
		if got := OfHome(c.err, c.home); (got != "") != c.other {
			t.Errorf("%v, HOME=%s: %q", c.err, c.home, got)
		}
	}
}
