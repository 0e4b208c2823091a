package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/internal/testbed"
)

// TestOtherUser shows that nobody else gets at a user's containers (I18, I26, V61):
// not their processes, files, sockets or directories, nor by what a container
// has planted for them.
func TestOtherUser(t *testing.T) {
	if _, child := testbed.Child(); child {
		ownersSide(t, newShell(t))
		return
	}
	if !testbed.Root() {
		t.Skip("needs two users, which only root has")
	}
	a, err := testbed.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Give()
	b, err := testbed.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Give()
	meet := filepath.Join(ground.Dir, "meet") // where the owner leaves things for the other
	if err := os.MkdirAll(meet, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(meet, 0o777); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		ground.Run(t, a, testbed.Host{}, "^TestOtherUser$")
	}()
	defer func() { <-done }()
	defer func() { _ = os.WriteFile(filepath.Join(meet, "end"), nil, 0o644) }()
	script := `cd "$1"; i=0; until [ -s ready ] || [ $i -gt 300 ]; do sleep 0.1; i=$((i+1)); done
		read pid home state runtime <ready
		[ -d /proc/$pid ] || echo "no process $pid"
		for f in root/etc/hostname cwd environ mem fd/0 ns/net; do
			if readlink /proc/$pid/$f >/dev/null 2>&1 || head -c 1 /proc/$pid/$f >/dev/null 2>&1; then echo "can read /proc/$pid/$f"; fi
		done
		! kill -0 $pid 2>/dev/null || echo "can signal $pid"
		! nsenter -t $pid -U true 2>/dev/null || echo "can enter"
		for d in "$state/burrow" "$runtime/burrow" "$home"; do
			! ls "$d" >/dev/null 2>&1 || echo "can list $d"; done
		[ "$(./planted/id -u)" != "$2" ] || echo "the planted program runs as the owner"
		./planted/id -u >/dev/null || echo "control: the planted program does not run"`
	out, err := b.Command(t.Context(), "sh", "-c", script, "sh", meet, fmt.Sprint(a.UID)).CombinedOutput()
	want := "the planted program runs as the owner\n" // in a directory that the owner has opened to all
	if err != nil || string(out) != want {
		t.Errorf("another user (%v): %s", err, out)
	}
}

// ownersSide runs a container until the other user has looked.
func ownersSide(t *testing.T, sh *shell) {
	meet := filepath.Join(ground.Dir, "meet")
	planted := filepath.Join(meet, "planted")
	if err := os.Mkdir(planted, 0o755); err != nil {
		t.Fatal(err)
	}
	pid := sh.start("a", "-v", planted+":/planted", "debian", "sh", "-c",
		"cp /usr/bin/id /planted/; chmod 6755 /planted/id; exec sleep 1000")
	words := []string{fmt.Sprint(pid), sh.getenv("HOME"), sh.getenv("XDG_STATE_HOME"), sh.runtime}
	ready := filepath.Join(meet, "ready")
	if err := os.WriteFile(ready+".new", []byte(strings.Join(words, " ")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(ready+".new", ready); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { _, err := os.Stat(filepath.Join(meet, "end")); return err == nil })
}
