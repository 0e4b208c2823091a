package engine

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
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
		case stale(d, candidate):
			releaseName(d, candidate)
		case name != "":
			return "", hint.New(fmt.Errorf("container name %q: %w", name, ErrNameInUse), "burrow rm "+name)
		case try > 100:
			return "", errors.New("reserve name: no free name found")
		}
	}
}

// createName makes the name's file with its content in one step: a link to a
// finished file, so that nobody sees it empty.
func createName(d paths.Dirs, name, id string) error {
	tmp := filepath.Join(namesDir(d), ".new-"+id)
	if err := os.WriteFile(tmp, []byte(id), 0o600); err != nil {
		return err
	}
	defer os.Remove(tmp)
	return os.Link(tmp, filepath.Join(namesDir(d), name))
}

// stale says whether the name belongs to a container that is gone, and clears
// away what a killed run with --rm has left of it.
func stale(d paths.Dirs, name string) bool {
	id, err := os.ReadFile(filepath.Join(namesDir(d), name))
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	rec, err := LoadRecord(filepath.Join(d.Containers(), string(id)))
	if err == nil && rec.Remove && rec.abandoned() {
		return removeFiles(d, rec) == nil
	}
	_, err = os.Lstat(filepath.Join(d.Containers(), string(id)))
	return errors.Is(err, os.ErrNotExist)
}

func releaseName(d paths.Dirs, name string) { _ = os.Remove(filepath.Join(namesDir(d), name)) }

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
