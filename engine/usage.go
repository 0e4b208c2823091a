package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/burrow-run/burrow/engine/artifact"
	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/paths"
)

// DiskUsage is what lies on disk, in bytes.
type DiskUsage struct {
	Images     []ImageUsage     // newest first
	Containers []ContainerUsage // newest first
	Volumes    []VolumeUsage    // by name
	LayerBytes int64            // of all images, each layer once
	// FreeableBytes are those of the layers that no image with containers has.
	FreeableBytes int64

	Artifacts     []ArtifactUsage // by name
	ArtifactBytes int64           // of all artifacts, each file once
	// FreeableArtifactBytes are those of no artifact that a container mounts.
	FreeableArtifactBytes int64
}

// ImageUsage is what one image takes.
type ImageUsage struct {
	ID         string
	Names      []string
	Created    time.Time
	Size       int64 // of all its layers
	Shared     int64 // of those that other images have too
	Containers int
}

// ContainerUsage is what one container takes: what it wrote, and its log.
type ContainerUsage struct {
	Record Record // with its details
	Size   int64
}

// VolumeUsage is what one volume takes.
type VolumeUsage struct {
	Name       string
	Size       int64 // 0 for one whose files are elsewhere
	Containers int
}

// ArtifactUsage is what one artifact takes.
type ArtifactUsage struct {
	Name, Digest string
	Created      time.Time // zero if it does not say
	Size         int64     // of its files, manifest and configuration
	Shared       int64     // of those that other artifacts have too
	Containers   int
}

// ReadDiskUsage looks at everything that containers, volumes and images have stored. It
// must be called inside the anchor.
func ReadDiskUsage(d paths.Dirs) (DiskUsage, error) {
	var u DiskUsage
	records, _, err := List(d)
	if err != nil {
		return u, err
	}
	users, mounted := map[string]int{}, map[string]int{}
	for _, r := range records {
		size, err := treeSize(filepath.Join(d.Containers(), r.ID))
		if err != nil {
			return u, err
		}
		if full, err := LoadRecord(r.dir); err == nil { // else removed meanwhile, or damaged
			r = &full
		}
		u.Containers = append(u.Containers, ContainerUsage{*r, size})
		users[r.ImageID]++
		for _, m := range r.Spec.Mounts {
			if m.Type == spec.MountArtifact {
				mounted[m.Source]++
			}
		}
	}
	if err := errors.Join(u.readVolumes(d), u.readArtifacts(d, mounted)); err != nil {
		return u, err
	}
	return u, u.readImages(d, users)
}

func (u *DiskUsage) readVolumes(d paths.Dirs) error {
	list, _, err := Volumes(d)
	if err != nil {
		return err
	}
	for _, v := range list {
		size, err := treeSize(volumeStore(d).Data(v.Name))
		if err != nil {
			return err
		}
		u.Volumes = append(u.Volumes, VolumeUsage{v.Name, size, len(v.Users)})
	}
	return nil
}

// readArtifacts counts blobs; of one that is damaged nobody knows which are its.
func (u *DiskUsage) readArtifacts(d paths.Dirs, mounted map[string]int) error {
	list, _, err := artifact.List(d)
	if err != nil {
		return err
	}
	if u.ArtifactBytes, err = treeSize(filepath.Join(artifact.Dir(d), "blobs")); err != nil {
		return err
	}
	users, owners, inUse := map[string]int{}, map[string]int{}, map[string]int64{}
	for ref, n := range mounted {
		if a, err := artifact.Get(d, ref); err == nil { // else it was removed
			users[a.Name] += n
		}
	}
	for _, a := range list {
		for digest, size := range a.Blobs() {
			owners[digest]++
			if users[a.Name] > 0 {
				inUse[digest] = size
			}
		}
	}
	u.FreeableArtifactBytes = u.ArtifactBytes
	for _, n := range inUse {
		u.FreeableArtifactBytes -= n
	}
	for _, a := range list {
		use := ArtifactUsage{Name: a.Name, Digest: a.Digest, Created: a.Created, Containers: users[a.Name]}
		for digest, size := range a.Blobs() {
			use.Size += size
			if owners[digest] > 1 {
				use.Shared += size
			}
		}
		u.Artifacts = append(u.Artifacts, use)
	}
	return nil
}

// readImages takes the images' layers from their plans.
func (u *DiskUsage) readImages(d paths.Dirs, users map[string]int) error {
	ids, err := plan.IDs(d)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list images: %w", err)
	}
	size, images, used := map[string]int64{}, map[string]int{}, map[string]bool{}
	var plans []*plan.Plan
	for _, id := range ids {
		p, err := plan.Read(d, id)
		if err != nil {
			continue // removed meanwhile, or for burrow image repair
		}
		if p.Additional != nil {
			continue // it takes no room of ours
		}
		plans = append(plans, p)
		for _, l := range p.Layers {
			images[l]++
			used[l] = used[l] || users[id] > 0
			if _, known := size[l]; !known {
				if size[l], err = treeSize(l); err != nil {
					return err
				}
			}
		}
	}
	for l, n := range size {
		u.LayerBytes += n
		if !used[l] {
			u.FreeableBytes += n
		}
	}
	for _, p := range plans {
		img := ImageUsage{ID: p.ID, Names: p.Names, Created: p.Created, Containers: users[p.ID]}
		for _, l := range p.Layers {
			img.Size += size[l]
			if images[l] > 1 {
				img.Shared += size[l]
			}
		}
		u.Images = append(u.Images, img)
	}
	slices.SortFunc(u.Images, func(a, b ImageUsage) int { return b.Created.Compare(a.Created) })
	return nil
}
