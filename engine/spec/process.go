package spec

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ParseEntrypoint reads the value of --entrypoint: a JSON array of strings or
// one command, which is not split. An empty value means no entrypoint.
func ParseEntrypoint(value string) ([]string, error) {
	words := []string{}
	if strings.HasPrefix(value, "[") {
		if err := json.Unmarshal([]byte(value), &words); err == nil {
			return words, CheckArgs(words)
		}
		words = []string{} // not JSON: a program may be called "["
	}
	if value != "" {
		words = append(words, value)
	}
	return words, CheckArgs(words)
}

// CheckArgs refuses arguments that execve(2) would cut short.
func CheckArgs(args []string) error {
	for _, a := range args {
		if strings.IndexByte(a, 0) >= 0 {
			return bad(a, "contains a NUL byte")
		}
	}
	return nil
}

// CheckWorkdir refuses a working directory that is relative, longer than the
// kernel takes, or a link of procfs: those lead out of the container through a
// descriptor that was left open (CVE-2024-21626).
func CheckWorkdir(dir string) error {
	switch {
	case dir == "":
		return errors.New("working directory is empty")
	case !filepath.IsAbs(dir):
		return bad(dir, "working directory is not an absolute path")
	case len(dir) >= 4096:
		return bad(dir, "working directory is longer than 4095 bytes")
	}
	if err := checkText(dir); err != nil {
		return badErr(dir, err)
	}
	if inProcessDir(filepath.Clean(dir)) {
		return bad(dir, "working directory is in a process's directory of /proc")
	}
	return nil
}

func inProcessDir(clean string) bool {
	rest, ok := strings.CutPrefix(clean, "/proc/")
	if !ok {
		return false
	}
	first, _, _ := strings.Cut(rest, "/")
	return first == "self" || first == "thread-self" || strings.Trim(first, "0123456789") == ""
}

// ParseUmask reads an octal file mode creation mask.
func ParseUmask(value string) (uint32, error) {
	n, err := strconv.ParseUint(value, 8, 32)
	if err != nil || n > 0o777 {
		return 0, bad(value, "is not an octal mask from 0000 to 0777")
	}
	return uint32(n), nil
}

// CheckTimezone refuses what is neither "local" nor the name of a zone file:
// the name becomes part of a path.
func CheckTimezone(name string) error {
	if name == "" || !filepath.IsLocal(name) || strings.Trim(name, zoneChars) != "" {
		return bad(name, "is not a time zone such as Europe/Berlin, or \"local\"")
	}
	return nil
}

const zoneChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_+-"

// ParseSignal reads a signal as its number, its name with or without SIG, or
// RTMIN+N and RTMAX-N. It serves --stop-signal and the image's STOPSIGNAL.
func ParseSignal(value string) (syscall.Signal, error) {
	const rtmin, rtmax = 34, 64 // as glibc and musl number them
	name := strings.TrimPrefix(strings.ToUpper(value), "SIG")
	if n, err := strconv.ParseUint(name, 10, 8); err == nil && n >= 1 && n <= rtmax {
		return syscall.Signal(n), nil
	}
	if s := unix.SignalNum("SIG" + name); s != 0 {
		return s, nil
	}
	if rest, ok := strings.CutPrefix(name, "RTMIN"); ok {
		if n, ok := offset(rest, "+"); ok {
			return syscall.Signal(rtmin + n), nil
		}
	}
	if rest, ok := strings.CutPrefix(name, "RTMAX"); ok {
		if n, ok := offset(rest, "-"); ok {
			return syscall.Signal(rtmax - n), nil
		}
	}
	return 0, bad(value, "is not a signal")
}

// offset reads "" or SIGN followed by a number within the real-time signals.
func offset(s, sign string) (int, bool) {
	if s == "" {
		return 0, true
	}
	digits, ok := strings.CutPrefix(s, sign)
	n, err := strconv.ParseUint(digits, 10, 8)
	return int(n), ok && err == nil && n <= 30
}

// ParseDetachKeys reads a comma-separated sequence of single letters and
// ctrl-X, where X is a letter or one of @ [ \ ] ^ _. An empty value disables
// detaching.
func ParseDetachKeys(value string) ([]byte, error) {
	if value == "" {
		return nil, nil
	}
	var keys []byte
	for part := range strings.SplitSeq(value, ",") {
		x, ctrl := strings.CutPrefix(part, "ctrl-")
		switch {
		case len(x) != 1:
			return nil, bad(value, "is not a sequence such as ctrl-p,ctrl-q")
		case !ctrl && x[0] > ' ' && x[0] < 0x7f:
			keys = append(keys, x[0])
		case ctrl && x[0] >= 'a' && x[0] <= 'z':
			keys = append(keys, x[0]-'a'+1)
		case ctrl && strings.Contains("@[\\]^_", x):
			keys = append(keys, x[0]-'@')
		default:
			return nil, bad(value, "is not a sequence such as ctrl-p,ctrl-q")
		}
	}
	return keys, nil
}
