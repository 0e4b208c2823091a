package spec

import (
	"errors"
	"strconv"
	"strings"
)

// maxName keeps names usable as file names beside a suffix of ours.
const maxName = 200

// CheckName refuses what cannot name a container or volume. Names match
// [a-zA-Z0-9][a-zA-Z0-9_.-]*.
func CheckName(name string) error {
	if name == "" {
		return errors.New("name is empty")
	}
	if len(name) > maxName {
		return bad(name, "name is longer than "+strconv.Itoa(maxName)+" characters")
	}
	for i, c := range []byte(name) {
		if !isAlnum(c) && (i == 0 || strings.IndexByte("_.-", c) < 0) {
			return bad(name, "names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*")
		}
	}
	return nil
}

// maxHostname is the limit of sethostname(2).
const maxHostname = 64

// CheckHostname refuses what the kernel or a line of /etc/hosts does not take as
// the name of a host.
func CheckHostname(name string) error {
	if name == "" {
		return errors.New("host name is empty")
	}
	if len(name) > maxHostname {
		return bad(name, "host name is longer than "+strconv.Itoa(maxHostname)+" characters")
	}
	for i, c := range []byte(name) {
		if !isAlnum(c) && c != '_' && (i == 0 || (c != '-' && c != '.')) {
			return bad(name, "host name may contain letters, digits, '-', '.' and '_' only")
		}
	}
	return nil
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
