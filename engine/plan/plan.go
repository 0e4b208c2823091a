package plan

import "time"

// Version is the format of the plan file. A reader refuses a newer one.
const Version = 1

// Plan is all that starting a container needs of an image.
type Plan struct {
	Version int    `json:"version"`
	ID      string `json:"id"`     // hex digest of the image configuration, without "sha256:"
	Digest  string `json:"digest"` // of the manifest, "sha256:…"; may be empty
	// Digests are further manifests by which the image may be called: the list
	// it was chosen from, another registry's compression of the same layers.
	Digests []string  `json:"digests,omitempty"`
	Names   []string  `json:"names"` // fully qualified, with tag
	Created time.Time `json:"created"`
	Arch    string    `json:"arch"`
	OS      string    `json:"os"`

	// Instances says that this is a list of images, and no image: which to take
	// on what platform. Nil for an image; then Layers and the rest count.
	Instances []Instance `json:"instances,omitzero"`

	// Layers are absolute directories, topmost first: overlay's lowerdir order.
	Layers []string `json:"layers"`
	// Additional is the store of another engine that the image lies in; nil: the own.
	Additional *Additional `json:"additional,omitempty"`
	Config     Config      `json:"config"`

	// UIDs and GIDs are the non-zero IDs that own files or stand in the
	// image's passwd and group files, ascending, without duplicates.
	UIDs []uint32 `json:"uids"`
	GIDs []uint32 `json:"gids"`
	// Shift lists the entries visible in the merged image whose owner is not
	// 0:0, parents before children.
	Shift []Entry `json:"shift"`
	// ShiftBytes is the total size of the regular files in Shift.
	ShiftBytes int64 `json:"shift_bytes"`
}

// Instance is one image of a list.
type Instance struct {
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	Variant string `json:"variant,omitempty"`
	ID      string `json:"id,omitempty"`   // of the stored image, "" if it was not stored
	From    string `json:"from,omitempty"` // where else it is: docker://NAME@DIGEST and other transports
}

// Choose returns the image of a list for a platform, or nil. variant "" is any,
// that which every machine of the architecture runs before others.
func (p *Plan) Choose(os, arch, variant string) *Instance {
	var best *Instance
	rank := func(in *Instance) int {
		switch {
		case in.Variant == variant:
			return 2
		case in.Variant == plainVariant[arch] && variant == "" || in.Variant == "" && variant == plainVariant[arch]:
			return 1
		case variant == "":
			return 0
		}
		return -1
	}
	for i := range p.Instances {
		in := &p.Instances[i]
		if in.OS == os && in.Arch == arch && rank(in) >= 0 && (best == nil || rank(in) > rank(best)) {
			best = in
		}
	}
	return best
}

// plainVariant is what an architecture without a variant is.
var plainVariant = map[string]string{"amd64": "v1", "arm64": "v8", "arm": "v7"}

// Entry is one file, directory or link whose owner is not 0:0.
type Entry struct {
	Path  string `json:"path"`  // absolute inside the image, clean
	Layer int    `json:"layer"` // index into Plan.Layers that holds it
	UID   uint32 `json:"uid"`   // as the image says
	GID   uint32 `json:"gid"`
	Mode  uint32 `json:"mode"` // st_mode: type and permission bits
	Link  string `json:"link,omitempty"`
	// Hard is the Path of an earlier Entry that is the same inode, or "".
	Hard string `json:"hard,omitempty"`
}

// Config is the part of the OCI image configuration that a container uses
// (image-spec v1.1, config.md).
type Config struct {
	Entrypoint   []string          `json:"entrypoint,omitempty"`
	Cmd          []string          `json:"cmd,omitempty"`
	Env          []string          `json:"env,omitempty"`
	User         string            `json:"user,omitempty"`
	WorkingDir   string            `json:"working_dir,omitempty"`
	Volumes      []string          `json:"volumes,omitempty"`
	ExposedPorts []string          `json:"exposed_ports,omitempty"`
	StopSignal   string            `json:"stop_signal,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	Shell        []string          `json:"shell,omitempty"`
	Healthcheck  *Healthcheck      `json:"healthcheck,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

// Healthcheck is Docker's extension to the image configuration. Durations are
// in nanoseconds, zero meaning the default.
type Healthcheck struct {
	Test          []string      `json:"test,omitempty"`
	Interval      time.Duration `json:"interval,omitempty"`
	Timeout       time.Duration `json:"timeout,omitempty"`
	StartPeriod   time.Duration `json:"start_period,omitempty"`
	StartInterval time.Duration `json:"start_interval,omitempty"`
	Retries       int           `json:"retries,omitempty"`
}
