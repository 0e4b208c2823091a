package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/sys"
)

// Containers that may leave something behind are listed in a directory of its own,
// so that a run finds what killed runs have left without looking at every container
// that there is: those that are being made, and those with --rm as long as they are
// there. An entry is made before anything of its container and goes after all of it.
// It is a symbolic link, which is made with its content in one step: the process that
// makes the container.

func unsettledDir(d paths.Dirs) string { return filepath.Join(d.State, "unsettled") }

// unsettle notes that this process is about to make the container id.
func unsettle(d paths.Dirs, id string) error {
	self, err := sys.ProcIDOf(os.Getpid())
	if err != nil {
		return err
	}
	maker, err := json.Marshal(self)
	if err != nil {
		return fmt.Errorf("bug: encode process: %w", err)
	}
	entry := filepath.Join(unsettledDir(d), id)
	err = os.Symlink(string(maker), entry)
	if errors.Is(err, os.ErrNotExist) {
		if err = os.MkdirAll(unsettledDir(d), 0o700); err == nil {
			err = os.Symlink(string(maker), entry)
		}
	}
	return err
}

// settle takes a container off the list: it is gone, or it stays until it is removed.
func settle(d paths.Dirs, id string) { _ = os.Remove(filepath.Join(unsettledDir(d), id)) }

// madeByDead says that the process which made an entry is gone. It tells nothing
// about the container once that has a directory: others take it over.
func madeByDead(d paths.Dirs, id string) bool {
	text, err := os.Readlink(filepath.Join(unsettledDir(d), id))
	if err != nil {
		return false
	}
	var maker sys.ProcID
	return json.Unmarshal([]byte(text), &maker) != nil || !maker.Alive()
}

// sweptFile says in which boot everything was looked at. After another one no entry
// can be relied on: what is on disk after a power failure is not what was written last.
const sweptFile = ".swept"

// reclaimUnsettled removes what is left of the containers on the list whose runs are gone.
func reclaimUnsettled(d paths.Dirs) {
	list, err := names(unsettledDir(d))
	if err != nil {
		return
	}
	var lost []string
	for _, id := range list {
		if !strings.HasPrefix(id, ".") && reclaimListed(d, id) {
			lost = append(lost, id)
		}
	}
	if lost == nil {
		return
	}
	reclaimNames(d) // which one it had, nobody can say
	reclaimVolumes(d)
	for _, id := range lost { // not earlier: who reclaims may be killed, too
		settle(d, id)
	}
}

// reclaimListed does it for one, and says whether it may have had a name that is
// not known. Then the caller takes it off the list.
func reclaimListed(d paths.Dirs, id string) (lost bool) {
	dir := filepath.Join(d.Containers(), id)
	rec, err := loadSummary(dir)
	switch {
	case err == nil && !rec.Remove:
		if madeByDead(d, id) {
			settle(d, id) // it stays, and whoever made or removed it did not get to say so
		}
		return false
	case errors.Is(err, os.ErrNotExist) && !madeByDead(d, id):
		return false // it is being made
	}
	reclaimContainer(d, id)
	_ = os.Remove(filepath.Join(d.Containers(), newContainer+id))
	if _, gone := os.Lstat(dir); !errors.Is(gone, os.ErrNotExist) {
		return false
	}
	_ = os.Remove(filepath.Join(namesDir(d), newName+id))
	if errors.Is(err, os.ErrNotExist) {
		return true
	}
	settle(d, id)
	return false
}

// sweep looks at everything, once in a boot, and says whether it has.
func sweep(d paths.Dirs) bool {
	boot, err := bootID()
	if err != nil {
		return false
	}
	stamp := filepath.Join(unsettledDir(d), sweptFile)
	if last, err := os.ReadFile(stamp); err == nil && string(last) == boot {
		return false
	}
	reclaimAll(d)
	_ = os.Mkdir(unsettledDir(d), 0o700) // where nobody has a state, none is made
	_ = os.WriteFile(stamp, []byte(boot), 0o600)
	return true
}
