package spec

import (
	"errors"
	"strconv"
	"strings"
)

// ErrUnsupported marks a value that is well formed and known to Podman or
// Docker, but that this version does not carry out.
var ErrUnsupported = errors.New("not supported by this version")

// ErrConflict marks settings that are each valid but exclude one another.
var ErrConflict = errors.New("conflicting options")

// ValueError says what is wrong with one value that the user typed.
type ValueError struct {
	Value string // shown quoted and shortened
	Err   error
}

// Error returns the quoted value followed by the reason.
func (e *ValueError) Error() string { return Quote(e.Value) + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *ValueError) Unwrap() error { return e.Err }

func bad(value, why string) error { return &ValueError{value, errors.New(why)} }

func badErr(value string, why error) error { return &ValueError{value, why} }

// maxQuoted is how much of a value an error repeats: enough to recognise it,
// little enough for one line.
const maxQuoted = 100

// Quote makes s printable on one line of a terminal, shortened when it is long.
func Quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.Quote(s[:maxQuoted]) + "…"
	}
	return strconv.Quote(s)
}

// checkText refuses what could start a second record in a file or a message
// that the value ends up in: NUL, newlines and carriage returns.
func checkText(s string) error {
	if i := strings.IndexAny(s, "\x00\n\r"); i >= 0 {
		return errors.New("contains " + controlName(s[i]))
	}
	return nil
}

func controlName(c byte) string {
	switch c {
	case 0:
		return "a NUL byte"
	case '\n':
		return "a newline"
	default:
		return "a carriage return"
	}
}

// CheckPlain refuses an empty value, and NUL bytes and line breaks in one that is
// passed on as the user typed it.
func CheckPlain(value string) error {
	if value == "" {
		return bad(value, "is empty")
	}
	if err := checkText(value); err != nil {
		return badErr(value, err)
	}
	return nil
}
