package engine

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/internal/sys"
)

// mountOverlay mounts the layers, topmost first, with upper as the writable
// one. Layers are named by short links in the scaffold, because mount(2) takes
// one page of options and an image may have a hundred layers.
//
// volatile leaves out the syncs: right for what is thrown away at the end.
func mountOverlay(s scaffold, layers []string, upper, work string, volatile bool) error {
	return mountOverlayAt(s, s.root(), "root", layers, upper, work, volatile)
}

// mountOverlayAt mounts an overlay on dest; tag keeps its links apart from others'.
func mountOverlayAt(s scaffold, dest, tag string, layers []string, upper, work string, volatile bool) error {
	links := s.path("l", tag)
	if err := os.Mkdir(links, 0o711); err != nil {
		return err
	}
	short := func(name, target string) (string, error) {
		path := links + "/" + name
		return path, os.Symlink(target, path)
	}
	lower := make([]string, 0, len(layers))
	for i, dir := range layers {
		p, err := short(strconv.Itoa(i), dir)
		if err != nil {
			return err
		}
		lower = append(lower, p)
	}
	opts := "userxattr,lowerdir=" + strings.Join(lower, ":")
	if upper != "" {
		up, err := short("u", upper)
		if err != nil {
			return err
		}
		wk, err := short("w", work)
		if err != nil {
			return err
		}
		opts += ",upperdir=" + up + ",workdir=" + wk
		if volatile {
			opts += ",volatile"
		}
	}
	opts += s.context()
	if len(opts) >= os.Getpagesize() {
		return fmt.Errorf("image has too many layers (%d)", len(layers))
	}
	return sys.Mount("overlay", dest, "overlay", sys.MountNoDev, opts)
}
