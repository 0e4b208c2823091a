// Package paths says where Burrow keeps its files for one user. It computes
// names only; whoever writes makes the directory, mode 0700.
package paths

import (
	"path/filepath"
	"strconv"
)

// Dirs are the roots of everything Burrow writes. All are absolute.
type Dirs struct {
	Data  string // images: lost only with the home directory
	State string // container records, slice ledger, shift layers
	Cache string // may be deleted at any time
	Run   string // sockets and pidfiles; rebuilt after a reboot
}

// RunDirVar is the environment variable by which burrow tells burrow-image what Run is.
const RunDirVar = "BURROW_RUN_DIR"

// Env is the part of the environment that moves the directories
// (XDG Base Directory Specification 0.8).
type Env struct {
	Home, DataHome, StateHome, CacheHome, RuntimeDir string
}

// For computes the directories of the user uid. A variable that is empty or
// relative is ignored, as the specification asks.
func For(e Env, uid int) Dirs {
	run := filepath.Join("/tmp", "burrow-run-"+strconv.Itoa(uid))
	if filepath.IsAbs(e.RuntimeDir) {
		run = filepath.Join(e.RuntimeDir, "burrow")
	}
	return Dirs{
		Data:  under(e.DataHome, e.Home, ".local/share"),
		State: under(e.StateHome, e.Home, ".local/state"),
		Cache: under(e.CacheHome, e.Home, ".cache"),
		Run:   run,
	}
}

// RootEnv stands in for the environment of host root. What lies there belongs
// to root's first sub-ID, which is what root becomes in its anchor and which
// cannot enter /root.
func RootEnv() Env {
	return Env{
		Home: "/root", DataHome: "/var/lib", StateHome: "/var/lib/burrow/state",
		CacheHome: "/var/cache", RuntimeDir: "/run",
	}
}

// Vars are the environment variables that say the same as e. HOME is the data
// directory: who reads it looks for configuration that only e's user can read.
func (e Env) Vars() []string {
	return []string{
		"HOME=" + filepath.Join(e.DataHome, "burrow"),
		"XDG_DATA_HOME=" + e.DataHome, "XDG_STATE_HOME=" + e.StateHome,
		"XDG_CACHE_HOME=" + e.CacheHome, "XDG_RUNTIME_DIR=" + e.RuntimeDir,
	}
}

func under(base, home, fallback string) string {
	if !filepath.IsAbs(base) {
		base = filepath.Join(home, fallback)
	}
	return filepath.Join(base, "burrow")
}

// Storage is the root of the layer and image store.
func (d Dirs) Storage() string { return filepath.Join(d.Data, "storage") }

// Volumes holds one directory per volume.
func (d Dirs) Volumes() string { return filepath.Join(d.Data, "volumes") }

// Secrets holds the user's secrets.
func (d Dirs) Secrets() string { return filepath.Join(d.Data, "secrets") }

// Plans holds one file per image: all that starting a container needs of it.
func (d Dirs) Plans() string { return filepath.Join(d.Data, "plans") }

// Refs holds one small file per image name, which contains the image ID.
func (d Dirs) Refs() string { return filepath.Join(d.Data, "refs") }

// Containers holds one directory per container.
func (d Dirs) Containers() string { return filepath.Join(d.State, "containers") }

// Ledger holds the slices: who owns which sub-IDs.
func (d Dirs) Ledger() string { return filepath.Join(d.State, "ids") }

// Shift holds the shift layers, one directory per image and slice.
func (d Dirs) Shift() string { return filepath.Join(d.State, "shift") }

// Seccomp holds compiled filters, named by the hash of what they came from.
func (d Dirs) Seccomp() string { return filepath.Join(d.Cache, "seccomp") }
