package audit

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Kind is what happened, by Podman's names.
type Kind string

// The kinds of record.
const (
	Create Kind = "create"
	Start  Kind = "start"
	Exec   Kind = "exec"
	// ExecDied: the process of an exec has ended. Without an exit code nobody saw how:
	// it was detached, or its command was killed.
	ExecDied Kind = "exec_died"
	Died     Kind = "died"   // the container's first process has ended
	Failed   Kind = "failed" // the payload was never started
	Lost     Kind = "lost"   // it ended, and nobody saw how
	Remove   Kind = "remove"
	// HealthStatus: the container's health has changed. A single check is no record.
	HealthStatus Kind = "health_status"

	// What users do to a container that is there.
	Init    Kind = "init"
	Kill    Kind = "kill"
	Pause   Kind = "pause"
	Unpause Kind = "unpause"
	Restart Kind = "restart"
	Rename  Kind = "rename"
	Update  Kind = "update"
	Commit  Kind = "commit"
)

// Type is what something happened to.
type Type string

// What a record is about. Of images and volumes it has ID and name, and no more.
const (
	Container Type = "" // as records always were
	Image     Type = "image"
	Volume    Type = "volume"
)

func (t Type) String() string { return cmp.Or(string(t), "container") }

// The kinds of an image's record, besides Remove. A volume's are Create and Remove.
const (
	Pull   Kind = "pull"
	Push   Kind = "push"
	Tag    Kind = "tag"
	Untag  Kind = "untag"
	Save   Kind = "save"
	Load   Kind = "loadfromarchive"
	Import Kind = "import"
)

// Record is one line of the trail. Zero fields are left out.
type Record struct {
	Seq  uint64    `json:"seq"`
	Prev string    `json:"prev"` // SHA-256 of the line before, hexadecimal; of the first: empty
	Time time.Time `json:"time"`
	Type Type      `json:"type,omitempty"`
	Kind Kind      `json:"kind"`

	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`
	Image   string `json:"image,omitempty"`
	ImageID string `json:"image_id,omitempty"`

	UID      uint32 `json:"uid"`       // of the invoking user, on the host
	LoginUID string `json:"login_uid"` // on the host, of who writes; unset if it could not be set
	PID      int    `json:"pid,omitempty"`
	Started  uint64 `json:"start_time,omitempty"` // of PID, in clock ticks after boot
	Userns   string `json:"userns,omitempty"`     // user:[inode]
	Cgroup   string `json:"cgroup,omitempty"`

	ArgvSHA256  string            `json:"argv_sha256,omitempty"` // of the arguments, each with a NUL behind it
	Labels      map[string]string `json:"labels,omitempty"`
	Mounts      []string          `json:"mounts,omitempty"`      // SOURCE:DEST
	Relaxations []string          `json:"relaxations,omitempty"` // by ID, as in the security report
	ExitCode    *int              `json:"exit_code,omitempty"`
	Health      string            `json:"health_status,omitempty"` // healthy or unhealthy
	Error       string            `json:"error,omitempty"`
}

// What an image says may be in a record: the name of a program that was not found, the places
// of its volumes, its labels. In JSON each byte may become six.
const (
	maxError  = 4 << 10
	maxMounts = 24<<10 - maxLabels
	maxLabels = 8 << 10
)

// bounded leaves out what would make a line longer than maxLine, and says so: such a
// line could be read by nobody, and all that comes after it would seem to be forged.
func (r Record) bounded() Record {
	r.Error = shortened(r.Error, maxError)
	total := 0
	for i, m := range r.Mounts {
		if total += len(m); total > maxMounts {
			r.Mounts = append(r.Mounts[:i:i], fmt.Sprintf("… and %d more", len(r.Mounts)-i))
			break
		}
	}
	size := 0
	for k, v := range r.Labels {
		size += len(k) + len(v)
	}
	if size > maxLabels {
		r.Labels = map[string]string{"…": fmt.Sprintf("%d labels of %d bytes", len(r.Labels), size)}
	}
	for _, s := range []*string{&r.ID, &r.Name, &r.Image, &r.ImageID, &r.Userns, &r.Cgroup} {
		*s = shortened(*s, maxError)
	}
	return r
}

func shortened(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
