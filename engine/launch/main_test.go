package launch

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/opencontainers/runc/libcontainer"
	_ "github.com/opencontainers/runc/libcontainer/nsenter" // stages 0 to 2

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/nstest"
	"github.com/burrow-run/burrow/userns/nsjoin" // the gate
)

// The tests run as root of a user namespace; this executable is also the gate,
// and the init of the containers they start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "init" && os.Getenv("_LIBCONTAINER_INITPIPE") != "" {
		runtime.LockOSThread()
		EndWithStarter(os.Getenv)
		nsjoin.EndBySignals()
		libcontainer.Init()
		os.Exit(255)
	}
	os.Exit(nstest.Main(m))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// script writes an executable file.
func script(t testing.TB, dir, name, text string, mode os.FileMode) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	path := filepath.Join(dir, name)
	must(t, os.WriteFile(path, []byte(text), mode))
	must(t, os.Chmod(path, mode))
}

// whole maps the IDs of this namespace to themselves.
func whole() idmap.Map { return idmap.Map{{Container: 0, Host: 0, Count: 1}} }
