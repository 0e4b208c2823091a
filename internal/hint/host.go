package hint

import (
	"errors"
	"syscall"
)

// OfHost is what usually helps where the host has run out of something, "" for
// any other error. It looks at the errno, not at the text.
func OfHost(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return "the disk is full: burrow rm and burrow rmi free space without needing any"
	case errors.Is(err, syscall.EDQUOT):
		return "your disk quota is used up: burrow rm and burrow rmi free space"
	case errors.Is(err, syscall.EROFS):
		return "set XDG_DATA_HOME and XDG_STATE_HOME to a writable directory"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "too many files are open: ulimit -Hn shows the most you may have; limits.conf(5) says who may have more"
	}
	return ""
}
