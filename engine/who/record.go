package who

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/sys"
)

// record is the part of a container's record.json that answers need.
type record struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	PID       int       `json:"pid"`
	StartTime uint64    `json:"start_time"`
	BootID    string    `json:"boot_id"`
	Exited    bool      `json:"exited"`
	UIDMap    idmap.Map `json:"uid_map"` // container ID to anchor ID
	GIDMap    idmap.Map `json:"gid_map"`
}

// records reads all that can be read: a damaged one must not hide the others.
func (s Sources) records() []record {
	if s.Containers == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(s.Containers, "*", "record.json"))
	if err != nil {
		return nil // only for a malformed pattern
	}
	var out []record
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var r record
		if json.Unmarshal(text, &r) == nil && r.ID != "" {
			out = append(out, r)
		}
	}
	return out
}

// running says whether the container's first process lives.
func (r record) running(boot string) bool {
	return !r.Exited && r.BootID == boot && sys.ProcID{PID: r.PID, Start: r.StartTime}.Alive()
}

// namespaces are the user and pid namespace of the container's first process.
func (r record) namespaces(boot string) (user, pid sys.NamespaceID, ok bool) {
	if !r.running(boot) {
		return user, pid, false
	}
	user, err1 := namespaceOf(r.PID, "user")
	pid, err2 := namespaceOf(r.PID, "pid")
	return user, pid, err1 == nil && err2 == nil && r.running(boot) // still the same process
}

func namespaceOf(pid int, kind string) (sys.NamespaceID, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	if err != nil {
		return sys.NamespaceID{}, err
	}
	defer f.Close()
	return sys.NamespaceIDOf(f)
}
