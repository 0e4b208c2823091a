package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// unprintable are characters that say to a terminal, or to who reads there, what an image or
// a container wants it to do: control characters, and those that turn the direction
// of what follows (Unicode's bidirectional algorithm).
func unprintable(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// JSON writes v as indented JSON, with no character in it that a terminal obeys. The
// value is the same: encoding/json leaves DEL and what is behind it as they are, and
// U+009B begins a command as ESC [ does.
func JSON(out io.Writer, v any, indent string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := out.Write(escaped(b.Bytes()))
	return err
}

// escaped is JSON text in which what is unprintable is written as \u…. It can only be
// inside of strings, but for the line breaks of the encoder.
func escaped(text []byte) []byte {
	if !bytes.ContainsFunc(text, func(r rune) bool { return r != '\n' && unprintable(r) }) {
		return text
	}
	var out []byte
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r != '\n' && unprintable(r) {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = append(out, text[:n]...)
		}
		text = text[n:]
	}
	return out
}

// Terminal has what Print writes to a terminal's descriptor without what a terminal obeys;
// it returns f. A template that has escapes of its own is left alone.
func (f *Format) Terminal(out io.Writer) *Format {
	file, ok := out.(*os.File)
	f.clean = ok && term.IsTerminal(int(file.Fd())) && !strings.ContainsRune(f.text, '\x1b')
	return f
}

// cleaned is a line of a list with the characters replaced that Terminal is about.
func cleaned(line []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unprintable(r) {
			return '?'
		}
		return r
	}, line)
}
