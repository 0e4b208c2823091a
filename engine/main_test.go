package engine

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runc/libcontainer"
	_ "github.com/opencontainers/runc/libcontainer/nsenter" // stages 0 to 2

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/nstest"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/sys"
	_ "github.com/burrow-run/burrow/userns/nsjoin" // the gate
)

// The tests run as root of a user namespace, as the engine does in the anchor;
// this executable is also the init and the gate of the containers they start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "init" && os.Getenv("_LIBCONTAINER_INITPIPE") != "" {
		runtime.LockOSThread()
		libcontainer.Init()
		os.Exit(255)
	}
	os.Exit(nstest.Main(m))
}

// testDirs are directories of a user who has nothing yet.
func testDirs(t testing.TB) paths.Dirs {
	t.Helper()
	top := t.TempDir()
	d := paths.For(paths.Env{Home: top, RuntimeDir: filepath.Join(top, "run")}, 1000)
	for _, dir := range []string{d.Data, d.Containers(), d.Run, d.Shift()} {
		must(t, os.MkdirAll(dir, 0o700))
	}
	return d
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ownMap is a uid_map or gid_map of this process, which stands for the anchor's.
func ownMap(t testing.TB, name string) idmap.Map {
	t.Helper()
	f, err := os.Open("/proc/self/" + name)
	must(t, err)
	defer f.Close()
	m, err := idmap.ParseMap(f)
	must(t, err)
	return m
}

func ownMaps(t testing.TB) (uids, gids idmap.Map) {
	return ownMap(t, "uid_map"), ownMap(t, "gid_map")
}

// someone is a process that sleeps until the test is over.
func someone(t testing.TB) sys.ProcID {
	t.Helper()
	p, err := os.StartProcess("/bin/sleep", []string{"sleep", "1000"}, &os.ProcAttr{})
	must(t, err)
	t.Cleanup(func() {
		_ = p.Kill()
		_, _ = p.Wait()
	})
	id, err := sys.ProcIDOf(p.Pid)
	must(t, err)
	return id
}

// dead is a process that has ended.
func dead(t testing.TB) sys.ProcID {
	t.Helper()
	p := someone(t)
	p.Start++ // as if the pid were used again
	return p
}

func thisBoot(t testing.TB) string {
	t.Helper()
	boot, err := bootID()
	must(t, err)
	return boot
}

// record makes a container's directory with a record and a name.
func record(t testing.TB, d paths.Dirs, change func(*Record)) Record {
	t.Helper()
	rec := Record{
		Version: RecordVersion, ID: newID(), Created: time.Now().UTC(), BootID: thisBoot(t),
		Owner: dead(t), PID: 1, Start: 1, Image: "test", Command: []string{"true"},
	}
	rec.Name = "c" + rec.ID[:8]
	if change != nil {
		change(&rec)
	}
	rec.dir = filepath.Join(d.Containers(), rec.ID)
	must(t, os.MkdirAll(rec.dir, 0o700))
	must(t, rec.saveDetails(rec.dir))
	must(t, saveRecord(rec.dir, rec))
	if rec.Name != "" {
		must(t, os.MkdirAll(namesDir(d), 0o700))
		must(t, os.WriteFile(filepath.Join(namesDir(d), rec.Name), []byte(rec.ID), 0o600))
	}
	return rec
}

// asJSON shows a value for comparison.
func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", "\t")
	must(t, err)
	return string(b)
}

// old makes path look as if nobody has touched it for an hour.
func old(t testing.TB, path string) {
	t.Helper()
	then := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(path, then, then))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q does not contain %q", text, p)
		}
	}
}

// contextDone is a context that the test ends early.
func contextDone(t testing.TB) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}
