package unit

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain are the bytes that mean themselves everywhere in a value.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@+=:,./-"

// argument writes one argument of an Exec line, systemd.service(5), "Command
// lines": neither a specifier nor a variable, whatever it holds.
func argument(s string) string {
	return quoted(strings.ReplaceAll(literal(s), "$", "$$"), plain+"%$")
}

// value writes one word of another setting, such as Environment=.
func value(s string) string { return quoted(literal(s), plain+"%$") }

// literal keeps what looks like a specifier from being one, systemd.unit(5).
func literal(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// quoted follows systemd.syntax(7): C escapes between double quotes. Bytes that
// are no text are written as escapes too, for a unit file is UTF-8.
func quoted(s, bare string) string {
	if s != "" && strings.Trim(s, bare) == "" {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == utf8.RuneError && size == 1, !unicode.IsPrint(r):
			for _, c := range []byte(s[i : i+size]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	b.WriteByte('"')
	return b.String()
}

// unitName says whether s can be part of a unit's name, systemd.unit(5).
func unitName(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.-") == ""
}
