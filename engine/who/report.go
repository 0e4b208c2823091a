package who

import (
	"fmt"

	"github.com/burrow-run/burrow/idmap"
)

// Report says which of a user's sub-IDs are in use, by whom, and what is free.
type Report struct {
	User   User      `json:"user"`
	UIDs   idmap.Map `json:"uid_map"` // of the anchor: anchor ID to host ID
	GIDs   idmap.Map `json:"gid_map"`
	Total  uint32    `json:"total"`  // sub-IDs
	Slices int       `json:"slices"` // default ones that fit
	Free   int       `json:"free"`   // of these
	Rows   []Row     `json:"holders"`
	// FreeUIDs are the host user IDs of the free slices.
	FreeUIDs []idmap.Range `json:"free_uids"`
}

// Row is one container or volume.
type Row struct {
	ID    string `json:"id"` // of the container; of a volume "volume NAME"
	Name  string `json:"name,omitempty"`
	State State  `json:"state"`
	PID   int    `json:"pid,omitempty"`
	Image string `json:"image,omitempty"`
	Slice string `json:"slice"`
	// UIDs and GIDs are the slice's IDs on the host.
	UIDs []idmap.Range `json:"host_uids"`
	GIDs []idmap.Range `json:"host_gids"`
}

// State is why a slice is not free.
type State string

// The states of a slice.
const (
	Running  State = "running"  // its container's first process lives
	Starting State = "starting" // held, but no process is recorded yet
	Kept     State = "kept"     // belongs to a volume
)

// IDs reads the ledger and the records.
func (s Sources) IDs() (Report, error) {
	uid := s.User.UID
	r := Report{
		User: User{Name: s.User.Name, UID: &uid},
		UIDs: s.UIDs, GIDs: s.GIDs, Rows: []Row{}, FreeUIDs: []idmap.Range{},
	}
	if s.Ledger == nil {
		return r, nil
	}
	u, err := s.Ledger.Usage()
	if err != nil {
		return r, fmt.Errorf("read slice ledger: %w", err)
	}
	r.Total, r.Slices, r.Free = u.Total, u.Slices, u.Free
	all := s.records()
	for _, h := range u.Holders {
		row := Row{
			ID: h.Name(), Name: nameOf(all, h.Container), State: Starting, PID: h.PID,
			Image: h.Image, Slice: h.Slice.String(),
			UIDs: onHost(s.UIDs, h.IDs), GIDs: onHost(s.GIDs, h.IDs),
		}
		switch {
		case h.Kept != "":
			row.State = Kept
		case h.PID != 0:
			row.State = Running
		}
		r.Rows = append(r.Rows, row)
	}
	for _, f := range u.FreeIDs {
		r.FreeUIDs = append(r.FreeUIDs, onHost(s.UIDs, f)...)
	}
	return r, nil
}

// onHost translates a range of anchor IDs; it may fall into pieces.
func onHost(anchor idmap.Map, r idmap.Range) []idmap.Range {
	out := []idmap.Range{}
	for _, e := range anchor {
		from := max(uint64(e.Container), uint64(r.Start))
		to := min(uint64(e.Container)+uint64(e.Count), uint64(r.Start)+uint64(r.Count))
		if from < to {
			out = append(out, idmap.Range{Start: e.Host + uint32(from-uint64(e.Container)), Count: uint32(to - from)})
		}
	}
	return out
}
