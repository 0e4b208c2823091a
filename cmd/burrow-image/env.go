package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/stage"
)

// environment is all that is read of the process environment.
type environment struct {
	dirs     paths.Dirs
	authFile string // REGISTRY_AUTH_FILE
	storage  image.StorageConf
	uidMap   string // /proc/self/uid_map
	euid     int
}

// readEnv also tells the image libraries what they would guess wrong: they
// take a process with euid 0 for the machine's root.
func readEnv() environment {
	stage.TakeLoginUID() // for the trail
	m, _ := os.ReadFile("/proc/self/uid_map")
	e := environment{uidMap: string(m), euid: os.Geteuid(), authFile: os.Getenv("REGISTRY_AUTH_FILE")}
	uid := e.outsideUID()
	e.dirs = paths.For(paths.Env{
		Home: os.Getenv("HOME"), DataHome: os.Getenv("XDG_DATA_HOME"), StateHome: os.Getenv("XDG_STATE_HOME"),
		CacheHome: os.Getenv("XDG_CACHE_HOME"), RuntimeDir: os.Getenv("XDG_RUNTIME_DIR"),
	}, uid)
	e.storage = image.StorageConf{
		Main: os.Getenv("CONTAINERS_STORAGE_CONF"), Extra: os.Getenv("CONTAINERS_STORAGE_CONF_OVERRIDE"), Own: ownStorageConf(),
	}
	_ = os.Unsetenv("CONTAINERS_STORAGE_CONF_OVERRIDE")
	if run := os.Getenv(paths.RunDirVar); filepath.IsAbs(run) {
		e.dirs.Run = run
	}
	for k, v := range map[string]string{
		"_CONTAINERS_ROOTLESS_UID":      strconv.Itoa(uid),
		"_CONTAINERS_USERNS_CONFIGURED": "done",
		"CONTAINERS_STORAGE_CONF":       os.DevNull, // Podman's store is not ours
	} {
		_ = os.Setenv(k, v)
	}
	return e
}

// ownStorageConf is the file in which a user says which stores Burrow shares.
func ownStorageConf() string {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if home := os.Getenv("HOME"); !filepath.IsAbs(dir) {
		if !filepath.IsAbs(home) {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "burrow", "storage.conf")
}

// asRoot says that this is host root's anchor, which has directories of its own.
func (e environment) asRoot() bool {
	return e.dirs.Data == paths.For(paths.RootEnv(), 0).Data
}

// outsideUID is the user's ID outside the anchor: what ID 0 is mapped to.
func (e environment) outsideUID() int {
	for line := range strings.Lines(e.uidMap) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "0" && !e.initial() {
			if uid, err := strconv.Atoi(f[1]); err == nil {
				return uid
			}
		}
	}
	return e.euid
}

// initial says that this is the machine's own user namespace.
func (e environment) initial() bool {
	return strings.Join(strings.Fields(e.uidMap), " ") == "0 0 4294967295"
}

// checkNamespace makes sure that storage can be used from here, and says
// whether there is one ID only.
func (e environment) checkNamespace() (single bool, err error) {
	if e.initial() || e.euid != 0 {
		return false, hint.New(errors.New("not inside the user's namespace"), "use `burrow` in place of burrow-image, or: burrow unshare burrow-image …")
	}
	var ids uint64
	for line := range strings.Lines(e.uidMap) {
		f := strings.Fields(line)
		if len(f) != 3 {
			return false, fmt.Errorf("read uid_map: unexpected line %q", line)
		}
		n, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil {
			return false, fmt.Errorf("read uid_map: %w", err)
		}
		ids += n
	}
	return ids == 1, nil
}
