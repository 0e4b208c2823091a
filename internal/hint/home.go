package hint

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// OfHome is advice for whoever works with the home directory of somebody else, as
// after su without "-", or with one that is not there, "" if err is about something
// else. home is $HOME.
func OfHome(err error, home string) string {
	var at *fs.PathError
	home = strings.TrimRight(home, "/")
	if !errors.As(err, &at) || !errors.Is(at, fs.ErrPermission) && !errors.Is(at, syscall.ENOTDIR) {
		return ""
	}
	inside := strings.HasPrefix(at.Path+"/", home+"/")
	info, statErr := os.Stat(home + "/")
	switch {
	case errors.Is(statErr, syscall.ENOTDIR) && inside:
		return "HOME is " + home + ", which is no directory"
	case errors.Is(statErr, fs.ErrNotExist) && (inside || strings.HasPrefix(home+"/", at.Path+"/")):
		return "HOME is " + home + "/, which does not exist, and you may not make it"
	case !inside || !errors.Is(at, fs.ErrPermission):
		return ""
	}
	if statErr == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) == os.Geteuid() {
			return ""
		}
	}
	return "HOME is " + home + "/, which is not yours: su - and sudo -H set it"
}
