package hint

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// OfHome is advice for whoever works with the home directory of somebody else, as
// after su without "-", "" if err is about something else. home is $HOME.
func OfHome(err error, home string) string {
	var at *fs.PathError
	home = strings.TrimRight(home, "/")
	if !errors.As(err, &at) || !errors.Is(at, fs.ErrPermission) || !strings.HasPrefix(at.Path+"/", home+"/") {
		return ""
	}
	info, statErr := os.Stat(home + "/")
	if statErr == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) == os.Geteuid() {
			return ""
		}
	}
	return "HOME is " + home + "/, which is not yours: su - and sudo -H set it"
}
