package spec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxID is the highest ID a user namespace can map: 4294967295 is the kernel's
// "no change" value.
const maxID = 1<<32 - 2

// ParseUser splits name|uid[:group|gid]. It serves --user, exec and the USER of
// an image. group is "" if the value has none.
func ParseUser(value string) (user, group string, err error) {
	user, group, both := strings.Cut(value, ":")
	if err := checkAccount(user); err != nil {
		return "", "", badErr(value, err)
	}
	if !both {
		return user, "", nil
	}
	if err := checkAccount(group); err != nil {
		return "", "", badErr(value, err)
	}
	return user, group, nil
}

// ParseGroup checks one --group-add value, a name or a number.
func ParseGroup(value string) (string, error) {
	if err := checkAccount(value); err != nil {
		return "", badErr(value, err)
	}
	return value, nil
}

// checkAccount takes a number or a name as it may stand in passwd and group.
func checkAccount(s string) error {
	if s == "" {
		return errors.New("user or group is empty")
	}
	if strings.Trim(s, "0123456789") == "" {
		if n, err := strconv.ParseUint(s, 10, 64); err != nil || n > maxID {
			return errors.New("ID is above 4294967294")
		}
		return nil
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c == 0x7f || strings.IndexByte(":,/\"'", c) >= 0 {
			return errors.New("name contains " + strconv.QuoteRune(rune(c)))
		}
	}
	if s[0] == '-' || s[0] == '+' {
		return errors.New("name begins with " + strconv.QuoteRune(rune(s[0])))
	}
	return nil
}

// ParsePasswdEntry checks one --passwd-entry: the seven fields of passwd(5).
func ParsePasswdEntry(value string) (string, error) { return parseEntry(value, 7, "passwd") }

// ParseGroupEntry checks one --group-entry: the four fields of group(5).
func ParseGroupEntry(value string) (string, error) { return parseEntry(value, 4, "group") }

func parseEntry(value string, fields int, file string) (string, error) {
	if err := checkText(value); err != nil {
		return "", badErr(value, err)
	}
	if value != "" && strings.Count(value, ":") != fields-1 {
		return "", bad(value, fmt.Sprintf("a line of %s has %d fields with ':' between them", file, fields))
	}
	return value, nil
}
