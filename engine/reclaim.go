package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/sys"
)

// reclaimShifted removes layers of ours that are of no more use: those that were
// never finished, those of images that are gone, and shift layers of an earlier
// boot, which nobody trusts.
func reclaimShifted(d paths.Dirs) {
	boot, err := bootID()
	if err != nil {
		return
	}
	images, err := plan.IDs(d)
	if err != nil {
		return
	}
	reclaimLayers(d.Shift(), func(name string) bool {
		return name == layersDir || strings.HasSuffix(name, bootSuffix(boot)) && beginsLike(name, images)
	})
	// containers/storage names a layer's directory after its ID.
	stored, err := names(filepath.Join(d.Storage(), "overlay"))
	if err != nil {
		return
	}
	elsewhere := sync.OnceValue(func() []string { return additionalLayers(d, images) })
	reclaimLayers(filepath.Join(d.Shift(), layersDir), func(name string) bool {
		return beginsLike(name, stored) || beginsLike(name, elsewhere())
	})
}

// beginsLike says whether one of the IDs begins with the digits that name does.
func beginsLike(name string, ids []string) bool {
	digits, _, _ := strings.Cut(name, "-")
	for _, id := range ids {
		if strings.HasPrefix(id, digits) {
			return true
		}
	}
	return false
}

// reclaimLayers removes what is not useful, and what was never finished.
func reclaimLayers(dir string, useful func(name string) bool) {
	entries, err := names(dir)
	if err != nil {
		return
	}
	for _, name := range entries {
		path := filepath.Join(dir, name)
		unfinished := strings.HasPrefix(name, newLayer) && older(path, time.Minute)
		if !unfinished && (strings.HasPrefix(name, newLayer) || useful(name)) {
			continue
		}
		if hold, err := claim(path); err == nil {
			_ = sys.RemoveTree(path)
			hold.Close()
		}
	}
}

// names lists a directory in no order.
func names(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// reclaimSockets removes the sockets of supervisors that were killed: of
// containers that are gone, or that nobody works for.
func reclaimSockets(d paths.Dirs) {
	entries, err := names(d.Run)
	if err != nil {
		return
	}
	for _, name := range entries {
		digits, ok := strings.CutPrefix(name, socketPrefix)
		if !ok {
			digits, ok = strings.CutPrefix(name, healthPrefix)
		}
		if !ok {
			continue
		}
		id, err := findID(d, digits)
		if errors.Is(err, ErrNoContainer) {
			_ = os.Remove(filepath.Join(d.Run, name))
			continue
		}
		if err != nil {
			continue
		}
		if hold, err := claim(filepath.Join(d.Containers(), id)); err == nil {
			_ = os.Remove(filepath.Join(d.Run, name))
			hold.Close()
		}
	}
}

// Names of libcontainer's: where it copies what a tmpfs shall start with. It has
// them in /tmp, whatever TMPDIR says, and mounts on them in the container's own
// mount namespace, so what is left of them is empty.
const (
	copyUpDir    = "runctop"
	copyUpSubdir = "runctmpdir"
)

// reclaimCopyUps removes what inits have left in dir that were killed while they
// copied. It is of no owner that could be asked, so its age decides.
func reclaimCopyUps(dir string) {
	top, err := os.OpenRoot(dir)
	if err != nil {
		return
	}
	defer top.Close()
	entries, err := names(dir)
	if err != nil {
		return
	}
	for _, name := range entries {
		if !strings.HasPrefix(name, copyUpDir) || !older(filepath.Join(dir, name), time.Hour) {
			continue
		}
		inner, err := names(filepath.Join(dir, name))
		if err != nil {
			continue // somebody else's
		}
		for _, sub := range inner {
			if strings.HasPrefix(sub, copyUpSubdir) {
				_ = top.Remove(filepath.Join(name, sub))
			}
		}
		_ = top.Remove(name) // only if nothing else is in it
	}
}
