package format_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/format"
)

// evil has what a terminal obeys: ESC, CSI in one character, DEL, a turn of direction.
const evil = "a\x1b[2Jb\u009b2Jc\x7fd\u202ee\nfgé"

func TestJSONIsPrintable(t *testing.T) {
	var out strings.Builder
	if err := format.JSON(&out, map[string]string{evil: evil}, "  "); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\u009b\x7f\u202e") || !strings.Contains(out.String(), "é") {
		t.Errorf("%q", out.String())
	}
	var back map[string]string
	if err := json.Unmarshal([]byte(out.String()), &back); err != nil || back[evil] != evil {
		t.Errorf("%v: it means %q", err, back)
	}
	// The control: the encoder alone lets some of it through.
	if plain, err := json.Marshal(evil); err != nil || !strings.ContainsAny(string(plain), "\u009b") {
		t.Errorf("%q, %v", plain, err)
	}
}

// terminal is a new one; printed is what was written to it, with its own line ends.
func terminal(t *testing.T) (tty *os.File, printed func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("probe: ", err)
	}
	t.Cleanup(func() { master.Close() })
	n, err := unix.IoctlGetUint32(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return tty, func() string {
		tty.Close()
		_ = master.SetReadDeadline(time.Now().Add(time.Second))
		b, _ := io.ReadAll(master) // EIO at the end
		return string(b)
	}
}

func TestTemplatesOnATerminal(t *testing.T) {
	for text, want := range map[string]string{
		"{{.ID}}":                          "a?[2Jb?2Jc?d?e\r\nfgé\r\n",
		"table {{.ID}}":                    "ID\r\na?[2Jb?2Jc?d?e\r\nfgé\r\n",
		"\x1b[1m{{truncate .ID 1}}\x1b[0m": "\x1b[1ma\x1b[0m\r\n", // who asks for it has it
	} {
		tty, printed := terminal(t)
		f, err := format.New(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := format.Print(f, tty, []row{{ID: evil}}, map[string]string{"ID": "ID"}, 0); err != nil {
			t.Fatal(err)
		}
		if got := printed(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	// The control: a file gets every byte.
	if got := shown(t, "{{.ID}}", []row{{ID: evil}}, nil); got != evil+"\n" {
		t.Errorf("%q", got)
	}
}
