package sys

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// DropExecutable takes the pages of this process's executable that are as they are
// in the file, and cannot be written to, out of its address space (MADV_DONTNEED in
// madvise(2)). They stay in the page cache, and those that are needed again come back
// from there. After a start, most of what has been touched never is.
func DropExecutable() error {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer f.Close()
	found, err := unchanged(f, exe)
	if err != nil {
		return err
	}
	var errs []error
	for _, a := range found {
		if _, _, errno := unix.RawSyscall(unix.SYS_MADVISE, a.begin, a.end-a.begin, unix.MADV_DONTNEED); errno != 0 {
			errs = append(errs, os.NewSyscallError("madvise", errno))
		}
	}
	return errors.Join(errs...)
}

type addresses struct{ begin, end uintptr }

// unchanged finds, in a /proc/PID/smaps, where file is mapped, not writable, and
// without a page of this process's own: what the linker has relocated at the start
// is read-only too, but would be lost.
func unchanged(smaps io.Reader, file string) (out []addresses, err error) {
	var area addresses
	want := false
	for sc := bufio.NewScanner(smaps); ; {
		if !sc.Scan() {
			return out, sc.Err()
		}
		line := sc.Bytes()
		key, value, _ := bytes.Cut(line, []byte(" "))
		switch {
		case !bytes.HasSuffix(key, []byte(":")): // range, rights, offset, device, inode, path
			want = len(value) > 4 && value[1] != 'w' && bytes.HasSuffix(line, []byte(" "+file))
			if want {
				area, err = parseRange(string(key))
			}
		case string(key) == "Anonymous:" || string(key) == "Swap:":
			want = want && bytes.Equal(bytes.TrimSpace(value), []byte("0 kB"))
		case string(key) == "VmFlags:" && want: // the last line of each
			out = append(out, area)
		}
		if err != nil {
			return nil, fmt.Errorf("parse /proc/self/smaps: %w", err)
		}
	}
}

func parseRange(text string) (addresses, error) {
	from, to, _ := strings.Cut(text, "-")
	begin, err1 := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(to, 16, 64)
	return addresses{uintptr(begin), uintptr(end)}, errors.Join(err1, err2)
}
