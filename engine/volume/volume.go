package volume

import (
	"slices"
	"time"

	"github.com/burrow-run/burrow/idmap"
)

// Version is the format of volume.json.
const Version = 1

// Volume is what a volume's record says.
type Volume struct {
	Version int               `json:"version"`
	Name    string            `json:"name"`
	Created time.Time         `json:"created"`
	Labels  map[string]string `json:"labels,omitempty"`
	Options map[string]string `json:"options,omitempty"` // of the driver, as given
	// Container is the container that an anonymous volume was made for; "" for a
	// named one. Remove says that the volume goes with that container, as --rm asks.
	Container string `json:"container,omitempty"`
	Remove    bool   `json:"remove,omitempty"`
	// Shared: other containers may have it too, by --volumes-from. Of a named one
	// nobody asks.
	Shared bool `json:"shared,omitempty"`

	// Owners are the maps of those who wrote the files; zero: nobody has yet.
	Owners Owners `json:"owners"`
	// Slice is the slice that Owners are of, if they are of one.
	Slice *idmap.SliceRef `json:"slice,omitempty"`
	// Moving is where the files' owners are being moved to. One that was
	// interrupted is finished by the next user.
	Moving *Owners `json:"moving,omitempty"`
	// Filled: a container has mounted it, so nothing is copied into it any more.
	// Filling: a copy was begun; what there is may be thrown away.
	Filled  bool `json:"filled,omitempty"`
	Filling bool `json:"filling,omitempty"`
}

// Anonymous says that nobody has named the volume.
func (v Volume) Anonymous() bool { return v.Container != "" }

// Owner is how the ledger of slices names the volume.
func (v Volume) Owner() string { return "volume " + v.Name }

// Owners are a container's maps, container ID to anchor ID.
type Owners struct {
	UIDs idmap.Map `json:"uids,omitempty"`
	GIDs idmap.Map `json:"gids,omitempty"`
}

// None says that there are no maps.
func (o Owners) None() bool { return len(o.UIDs) == 0 }

// Equal says whether both are the same.
func (o Owners) Equal(p Owners) bool {
	return slices.Equal(o.UIDs, p.UIDs) && slices.Equal(o.GIDs, p.GIDs)
}

// Join is both maps together. ok is false if an ID would be two: then files
// written under one have other owners under the other.
func (o Owners) Join(p Owners) (both Owners, ok bool) {
	uids, uok := o.UIDs.Union(p.UIDs)
	gids, gok := o.GIDs.Union(p.GIDs)
	return Owners{UIDs: uids, GIDs: gids}, uok && gok
}

// Type is the kind of a volume's file system.
type Type string

// The types.
const (
	Directory Type = ""      // _data
	Tmpfs     Type = "tmpfs" // made anew for each container, and gone with it
	Bind      Type = "bind"  // a directory of the user's
)

// Mount is what the driver options come to.
type Mount struct {
	Type     Type
	Source   string  // of a bind
	Data     string  // options of a tmpfs
	UID, GID *uint32 // owner of the top directory, as the container numbers it
	ReadOnly bool
	NoCopy   bool
}

// Mount is what the volume's options come to. They were checked when it was made.
func (v Volume) Mount() (Mount, error) { return ParseOptions(v.Options) }
