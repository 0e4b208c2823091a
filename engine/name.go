package engine

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/sys"
)

// ErrNameInUse means that another container has the name.
var ErrNameInUse = errors.New("name is in use")

// newID returns 64 random hexadecimal digits, as Docker's IDs are.
func newID() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

func namesDir(d paths.Dirs) string { return filepath.Join(d.State, "names") }

// reserveName reserves name, or a made-up one if it is empty, for container id.
func reserveName(d paths.Dirs, name, id string) (string, error) {
	if err := os.MkdirAll(namesDir(d), 0o700); err != nil {
		return "", fmt.Errorf("reserve name: %w", err)
	}
	for try := 0; ; try++ {
		candidate := name
		if candidate == "" {
			candidate = inventName(try)
		}
		err := createName(d, candidate, id)
		switch {
		case err == nil:
			return candidate, nil
		case !errors.Is(err, os.ErrExist):
			return "", fmt.Errorf("reserve name: %w", err)
		case clearName(d, candidate):
		case name != "":
			return "", hint.New(fmt.Errorf("container name %q: %w", name, ErrNameInUse), "burrow rm "+name)
		case try > 100:
			return "", errors.New("reserve name: no free name found")
		}
	}
}

// newName begins the name of a name's file until it has its content.
const newName = ".new-"

// createName makes the name's file with its content in one step: a link to a
// finished file, so that nobody sees it empty.
func createName(d paths.Dirs, name, id string) error {
	tmp := filepath.Join(namesDir(d), newName+id)
	defer os.Remove(tmp) // also where it could be made and not written
	if err := os.WriteFile(tmp, []byte(id), 0o600); err != nil {
		return err
	}
	return os.Link(tmp, filepath.Join(namesDir(d), name))
}

// clearName takes a name away from a container that is gone, with what a killed
// run has left of it, and says whether the name is worth another try. Of several
// that find the same name one clears it; the lock is taken in this case only.
func clearName(d paths.Dirs, name string) bool {
	unlock, err := lockNames(d)
	if err != nil {
		return false
	}
	defer unlock()
	id, err := ownerOf(d, name)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	dir := filepath.Join(d.Containers(), id)
	// Without a record its run died before it had one: names are given after
	// directories are claimed.
	if rec, err := LoadRecord(dir); errors.Is(err, os.ErrNotExist) || err == nil && rec.Remove && rec.abandoned() {
		if hold, err := claim(dir); err == nil {
			_ = sys.RemoveTree(dir)
			hold.Close()
		}
	}
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		return false
	}
	// An owner that lives gives its name back before its directory goes. So if
	// the name is still the same, nobody else will touch it.
	if again, err := ownerOf(d, name); err != nil || again != id {
		return true
	}
	return os.Remove(filepath.Join(namesDir(d), name)) == nil
}

// lockNames keeps others from taking names away meanwhile. Names are given
// without it.
func lockNames(d paths.Dirs) (unlock func(), err error) {
	f, err := sys.OpenDir(namesDir(d))
	if err != nil {
		return nil, err
	}
	if err := sys.LockFile(f); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

func ownerOf(d paths.Dirs, name string) (id string, err error) {
	b, err := os.ReadFile(filepath.Join(namesDir(d), name))
	if err == nil && !isContainerID(string(b)) {
		return "none", nil // damaged: it stands for no container
	}
	return string(b), err
}

// isContainerID says whether s is an ID as newID makes them, and so a file name.
func isContainerID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// releaseName gives back the name of a container. The caller has claimed its
// directory, which still exists: nobody else can have given the name away.
func releaseName(d paths.Dirs, name, id string) {
	if owner, err := ownerOf(d, name); err == nil && owner == id {
		_ = os.Remove(filepath.Join(namesDir(d), name))
	}
}

// renamed is the file that holds a container's name if it has been given
// another: the record has one writer, and that is not who renames.
const renamed = "name"

// currentName is the name of the container in dir, made as name.
func currentName(dir, name string) string {
	if b, err := os.ReadFile(filepath.Join(dir, renamed)); err == nil && spec.CheckName(string(b)) == nil {
		return string(b)
	}
	return name
}

// Rename gives a container another name.
func Rename(d paths.Dirs, ref, name string) error {
	rec, err := Lookup(d, ref)
	if err != nil {
		return err
	}
	if err := spec.CheckName(name); err != nil {
		return err
	}
	if _, err := reserveName(d, name, rec.ID); err != nil {
		return err
	}
	unlock, err := lockNames(d) // of two that rename one container, one comes after the other
	if err != nil {
		releaseName(d, name, rec.ID)
		return err
	}
	defer unlock()
	old := currentName(rec.dir, rec.Name)
	tmp := filepath.Join(rec.dir, ".name.new")
	err = os.WriteFile(tmp, []byte(name), 0o600)
	if err == nil {
		err = os.Rename(tmp, filepath.Join(rec.dir, renamed))
	}
	if err != nil {
		releaseName(d, name, rec.ID)
		return fmt.Errorf("rename container %s: %w", old, err)
	}
	releaseName(d, old, rec.ID)
	rec.Name = name
	noteDone(d, rec, audit.Rename)
	return nil
}

// reclaimNames removes what died while names were given.
func reclaimNames(d paths.Dirs) {
	entries, err := os.ReadDir(namesDir(d))
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(namesDir(d), e.Name())
		if strings.HasPrefix(e.Name(), newName) {
			if older(path, time.Minute) {
				_ = os.Remove(path)
			}
			continue
		}
		id, err := ownerOf(d, e.Name())
		if err != nil {
			continue
		}
		if _, err := os.Lstat(filepath.Join(d.Containers(), id)); errors.Is(err, os.ErrNotExist) {
			_ = clearName(d, e.Name())
		}
	}
}

// inventName makes up a name of two words; later tries add a number.
func inventName(try int) string {
	var b [4]byte
	_, _ = rand.Read(b[:])
	name := adjectives[int(b[0])%len(adjectives)] + "_" + animals[int(b[1])%len(animals)]
	if try > 2 {
		name += fmt.Sprintf("%d", (int(b[2])<<8|int(b[3]))%1000)
	}
	return name
}

var adjectives = [...]string{
	"agile", "amber", "apt", "bold", "brave", "brisk", "calm", "candid", "clever", "cosy", "crisp", "curious",
	"deft", "eager", "early", "fair", "fleet", "fond", "frank", "fresh", "gentle", "glad", "grand", "happy",
	"hardy", "hidden", "honest", "humble", "jolly", "keen", "kind", "lively", "loyal", "lucid", "mellow", "merry",
	"mild", "neat", "nimble", "noble", "patient", "plucky", "polite", "proud", "quick", "quiet", "ready", "robust",
	"shy", "silent", "sleek", "smart", "snug", "sober", "steady", "sturdy", "subtle", "sunny", "swift", "tidy",
	"vivid", "warm", "wise", "witty",
}

var animals = [...]string{
	"aardvark", "agouti", "armadillo", "badger", "bandicoot", "beaver", "bilby", "boa", "capybara", "chinchilla",
	"chipmunk", "cicada", "coati", "cricket", "degu", "dormouse", "echidna", "ermine", "ferret", "fox", "gecko",
	"gerbil", "gopher", "groundhog", "hamster", "hare", "hedgehog", "jackal", "jerboa", "kiwi", "lemming", "lizard",
	"lungfish", "marmot", "meerkat", "mink", "mole", "mongoose", "mouse", "numbat", "otter", "owl", "pangolin",
	"pika", "platypus", "polecat", "puffin", "quokka", "rabbit", "sandmartin", "shrew", "skink", "skunk", "stoat",
	"tarantula", "tenrec", "toad", "tortoise", "vole", "warthog", "weasel", "wolf", "wombat", "zokor",
}
