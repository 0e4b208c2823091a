package main

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/cmd/burrow/conf"
	"github.com/burrow-run/burrow/engine/cgroup"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/userns/nsjoin"
)

// caller is what burrow takes from its environment, read once.
type caller struct {
	uid, gid int // outside the anchor
	name     string
	home     string
	cwd      string
	dirs     paths.Dirs
	inside   bool // in the anchor
}

// findCaller works the same inside the anchor, where our own UID shows as 0.
func findCaller(inside bool, uid, gid int) caller {
	c := caller{uid: uid, gid: gid, inside: inside, home: os.Getenv("HOME"), name: os.Getenv("USER")}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		c.name = u.Username
		if !filepath.IsAbs(c.home) {
			c.home = u.HomeDir
		}
	}
	if !nsjoin.CwdLost() {
		c.cwd, _ = os.Getwd()
	}
	if uid == 0 || asRoot() {
		c.name, c.home, c.dirs = "root", "/root", paths.For(paths.RootEnv(), 0)
		return c
	}
	env := paths.Env{
		Home: c.home, DataHome: os.Getenv("XDG_DATA_HOME"), StateHome: os.Getenv("XDG_STATE_HOME"),
		CacheHome: os.Getenv("XDG_CACHE_HOME"), RuntimeDir: os.Getenv("XDG_RUNTIME_DIR"),
	}
	if !ownDir(env.RuntimeDir) {
		env.RuntimeDir = "" // never somebody else's, as after su
	}
	c.dirs = paths.For(env, uid)
	if run := nsjoin.RunDir(); run != "" {
		c.dirs.Run = run
	}
	return c
}

// manager is how this user's systemd can be reached, if there is one. Where the
// environment does not say, as in a cron job, it is where systemd puts it.
func (c caller) manager() cgroup.Manager {
	if c.uid == 0 || asRoot() {
		return cgroup.Manager{} // nobody's service manager runs as root's first sub-ID
	}
	m := cgroup.Manager{UID: c.uid, RuntimeDir: os.Getenv("XDG_RUNTIME_DIR"), BusAddress: os.Getenv("DBUS_SESSION_BUS_ADDRESS")}
	if !ownDir(m.RuntimeDir) {
		m.RuntimeDir = filepath.Join("/run/user", strconv.Itoa(c.uid))
	}
	return m
}

// ownDir says whether path is a directory of ours. In the anchor our files
// show as owned by 0, which is what Geteuid says there too.
func ownDir(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// fileDefaults gives the flags that are not on the command line what containers.conf
// says.
func fileDefaults(cmd *cobra.Command, c caller) error {
	user := os.Getenv("XDG_CONFIG_HOME")
	if user == "" && c.home != "" {
		user = filepath.Join(c.home, ".config")
	}
	if user != "" {
		user = filepath.Join(user, "containers")
	}
	d, err := conf.Read(conf.Where{System: "/etc/containers", User: user, Env: os.LookupEnv})
	if err != nil {
		return err
	}
	return d.Apply(cmd.Flags())
}
