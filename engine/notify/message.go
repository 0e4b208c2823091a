package notify

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxDatagram is the longest message that systemd takes (NOTIFY_BUFFER_MAX).
const MaxDatagram = 4096

// maxStatus bounds what a payload has a status line show.
const maxStatus = 512

// Filter returns what of a payload's message the manager may hear, "" for
// nothing. Of process IDs the payload knows only its own namespace's, so that
// mainPID, the process that systemd has to watch, replaces what it names.
//
// Left out are FDSTORE and its like, BARRIER, ERRNO, EXIT_STATUS, WATCHDOG_USEC
// and whatever systemd may yet invent.
func Filter(datagram []byte, mainPID int) string {
	if len(datagram) > MaxDatagram {
		return ""
	}
	var out []string
	for line := range bytes.SplitSeq(datagram, []byte("\n")) {
		key, value, ok := strings.Cut(string(line), "=")
		if !ok {
			continue
		}
		if key == "MAINPID" {
			value = strconv.Itoa(mainPID)
		}
		if value, ok = allowed(key, value); ok {
			out = append(out, key+"="+value)
		}
	}
	return strings.Join(out, "\n")
}

// allowed says whether a state goes on, and as what.
func allowed(key, value string) (string, bool) {
	switch key {
	case "READY", "RELOADING", "STOPPING":
		return value, value == "1"
	case "WATCHDOG":
		return value, value == "1" || value == "trigger"
	case "MAINPID":
		return value, true
	case "EXTEND_TIMEOUT_USEC":
		_, err := strconv.ParseUint(value, 10, 64)
		return value, err == nil
	case "STATUS":
		return printable(value), utf8.ValidString(value)
	}
	return "", false
}

// printable keeps control characters off the terminals that a status is shown on.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) <= maxStatus {
		return s
	}
	return strings.ToValidUTF8(s[:maxStatus], "")
}
