package engine

import (
	"slices"
	"strconv"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/paths"
)

// CloneSpec is what a container like rec is made with: with the same named
// volumes and directories, and anonymous volumes of its own. name is the new
// one's; "": that of the other with -clone behind it.
func CloneSpec(d paths.Dirs, rec Record, name string) spec.Spec {
	s := rec.Spec
	s.Name, s.CIDFile, s.PIDFile, s.Replace, s.VolumesFrom = name, "", "", false, nil
	s.Mounts = slices.Clone(s.Mounts)
	for i := range s.Mounts {
		m := &s.Mounts[i]
		if m.Type != spec.MountVolume {
			continue
		}
		if v, err := volumeStore(d).Get(m.Source); err == nil && v.Anonymous() {
			m.Source = ""
		}
	}
	for n := 0; s.Name == ""; n++ {
		candidate := rec.Name + "-clone"
		if n > 0 {
			candidate += strconv.Itoa(n)
		}
		if _, err := ownerOf(d, candidate); err != nil {
			s.Name = candidate
		}
	}
	return s
}
