package conf_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/cmd/burrow/conf"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// TestFilesOfOthers: a file that somebody else could have written stops the start. The
// control is the same file when nobody else can.
func TestFilesOfOthers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "containers.conf")
	read := func() error {
		_, err := conf.Read(conf.Where{User: dir, Env: func(string) (string, bool) { return "", false }})
		return err
	}
	write(t, path, "[containers]\nvolumes = [\"/:/x\"]")
	if err := read(); err != nil {
		t.Fatal(err)
	}
	for mode, good := range map[os.FileMode]bool{0o600: true, 0o644: true, 0o664: true, 0o646: false, 0o666: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := read(); (err == nil) != good || !good && (!foreign(err) || hint.Of(err) != "chmod o-w "+path) {
			t.Errorf("%o: %v (hint %q)", mode, err, hint.Of(err))
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 12345, -1); err == nil { // as root only
		if err := read(); !foreign(err) {
			t.Errorf("another user's: %v", err)
		}
	} else if !errors.Is(err, unix.EPERM) {
		t.Fatal(err)
	}
	// What is named in the environment need not be a file.
	null := func(k string) (string, bool) { return "/dev/null", k == "CONTAINERS_CONF" }
	if _, err := conf.Read(conf.Where{Env: null}); err != nil {
		t.Error(err)
	}
}

func foreign(err error) bool {
	var e *sys.ForeignError
	return errors.As(err, &e)
}
