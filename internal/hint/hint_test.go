package hint

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
)

func TestOf(t *testing.T) {
	base := errors.New("no sub-IDs")
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"nil", nil, ""},
		{"none", base, ""},
		{"direct", New(base, "add some"), "add some"},
		{"wrapped", fmt.Errorf("start: %w", New(base, "add some")), "add some"},
		{"outer wins", New(New(base, "inner"), "outer"), "outer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Of(tt.err); got != tt.want {
				t.Errorf("Of() = %q, want %q", got, tt.want)
			}
		})
	}
	if New(nil, "x") != nil {
		t.Error("New(nil) must stay nil")
	}
	if !errors.Is(New(base, "x"), base) {
		t.Error("a hinted error must unwrap")
	}
}

func TestOfHost(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EFBIG, syscall.EMFILE, syscall.ENFILE} {
		if OfHost(fmt.Errorf("write: %w", errno)) == "" {
			t.Errorf("no advice for %v", errno)
		}
	}
	if OfHost(&os.PathError{Op: "fork/exec", Err: syscall.EAGAIN}) == "" || OfHost(&os.PathError{Op: "read", Err: syscall.EAGAIN}) != "" {
		t.Error("EAGAIN of a fork has advice, and no other")
	}
	if got := OfHost(syscall.ENOENT); got != "" || OfHost(nil) != "" {
		t.Errorf("ENOENT: %q", got)
	}
}
