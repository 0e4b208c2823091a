package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/security"
)

// RecordVersion is the format of record.json.
const RecordVersion = 1

// Record is what others may know of a container. Its single writer is the run
// that owns the container; it is replaced by rename and read without a lock.
// A process is identified by pid, start time and boot, never by pid alone.
type Record struct {
	Version  int        `json:"version"`
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Image    string     `json:"image"`
	ImageID  string     `json:"image_id,omitempty"`
	Command  []string   `json:"command"`
	Created  time.Time  `json:"created"`
	Started  time.Time  `json:"started,omitzero"`
	Finished time.Time  `json:"finished,omitzero"`
	BootID   string     `json:"boot_id"`
	Owner    sys.ProcID `json:"owner"` // the run itself
	PID      int        `json:"pid"`   // the container's first process, 0 before it exists
	Start    uint64     `json:"start_time"`
	RunDir   string     `json:"run_dir,omitempty"` // of the session that started it; its sockets are there
	Exited   bool       `json:"exited"`
	ExitCode int        `json:"exit_code"`
	Error    string     `json:"error,omitempty"` // why the payload never ran, or its status is unknown
	// Foreground: it runs on the terminal of the command that started it.
	Foreground bool `json:"foreground,omitempty"`
	// UID, GID and Groups are whom its first process runs as, in its own IDs.
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups,omitempty"`
	// OOMKilled: the kernel killed a process of it for want of memory.
	OOMKilled bool `json:"oom_killed"`
	// Cgroup is where it is below /sys/fs/cgroup, empty without one of its own.
	Cgroup string `json:"cgroup,omitempty"`
	Remove bool   `json:"remove"`          // --rm: what is left of it may go
	Waits  bool   `json:"waits,omitempty"` // made by create, and not started yet
	// Initialized: its payload waits to be started.
	Initialized bool            `json:"initialized,omitempty"`
	Restarts    int             `json:"restarts,omitempty"`
	Quick       int             `json:"quick_restarts,omitempty"` // restarts in a row of a container that ended soon
	StopSignal  string          `json:"stop_signal,omitempty"`    // the image's
	Userns      string          `json:"userns"`
	Slice       string          `json:"slice,omitempty"`
	SliceRef    *idmap.SliceRef `json:"slice_ref,omitempty"` // to ask for it again
	UIDMap      idmap.Map       `json:"uid_map"`
	GIDMap      idmap.Map       `json:"gid_map"`
	Network     string          `json:"network"`
	Ports       []string        `json:"ports,omitempty"`
	Hostname    string          `json:"hostname"`
	Metadata    Metadata        `json:"metadata"`

	// What follows is in a file of its own, which List does not read.
	Spec     spec.Spec       `json:"-"`
	Security security.Report `json:"-"`
	Payload  Payload         `json:"-"`
	// CreateCommand is the command line that made the container, as it was typed:
	// it may hold what the environment does. Nil for one made by an older version.
	CreateCommand []string `json:"-"`
	CreateDir     string   `json:"-"` // where that was

	dir     string // where it was read
	inPlace bool   // how it ended could be written in place only
}

// details is the part of a Record that only those need who have to do with one
// container: it is most of it, and listing a thousand must not read it.
type details struct {
	Spec     spec.Spec       `json:"spec"`
	Security security.Report `json:"security_report"`
	Payload  Payload         `json:"payload"`

	CreateCommand []string `json:"create_command,omitempty"`
	CreateDir     string   `json:"create_dir,omitempty"`
}

const (
	recordFile  = "record.json"
	detailsFile = "details.json"
)

func (r *run) writeRecord(context.Context) error {
	owner, err := sys.ProcIDOf(os.Getpid())
	if err != nil {
		return err
	}
	boot, err := bootID()
	if err != nil {
		return err
	}
	r.record = Record{
		Version: RecordVersion, ID: r.id, Name: r.name, Image: r.image.name,
		Command: r.config.Args, Created: r.createdAt(), BootID: boot, Owner: owner, RunDir: r.opts.Dirs.Run,
		Remove: r.spec.Remove, Userns: r.mode.Kind.String(), UIDMap: r.uids, GIDMap: r.gids,
		Network: r.network.mode.String(), Hostname: r.hostname, Metadata: r.metadata(), Spec: r.spec, StopSignal: r.image.cfg.StopSignal,
		Restarts: r.record.Restarts, Quick: r.record.Quick,
		Foreground: r.sup == nil && !r.waits, Waits: r.waits, UID: r.who.uid, GID: r.who.gid, Groups: r.who.groups,
		Security: r.policy.Report(), CreateCommand: r.createCommand(), CreateDir: r.createDir(),
	}
	if command, err := r.command(); err == nil {
		r.record.Payload = r.payload(command)
	}
	r.record.Ports = portNames(r.network.ports)
	r.record.ImageID = r.imageID()
	if r.slice != nil {
		r.record.Slice, r.record.SliceRef = r.slice.Ref.String(), &r.slice.Ref
	}
	// The record comes last: where there is one, there are details.
	if err := r.record.saveDetails(r.dir); err != nil {
		return err
	}
	return saveRecord(r.dir, r.record)
}

// runtimePath is libcontainer's own state, where exec finds it.
func (r *run) runtimePath() string { return filepath.Join(r.dir, "runtime") }

// runtimeDir is the same for a new start: what an earlier one has left there is
// of no use.
func (r *run) runtimeDir() string {
	_ = sys.RemoveTree(r.runtimePath())
	return r.runtimePath()
}

// started notes the container's first process, before it runs anything of the image.
func (r *run) started(ctx context.Context, pid int) error {
	proc, err := sys.ProcIDOf(pid)
	if err != nil {
		return err
	}
	if r.slice != nil {
		if err := r.slice.Record(ctx, proc); err != nil {
			return err
		}
	}
	r.record.PID, r.record.Start, r.record.Initialized = pid, proc.Start, r.initialize
	if !r.initialize {
		r.record.Started = time.Now().UTC()
	}
	if path := r.spec.PIDFile; path != "" {
		if err := os.WriteFile(path, []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return fmt.Errorf("write pid file: %w", err)
		}
		r.later(func() { _ = os.Remove(path) })
	}
	if err := makeEnding(r.dir); err != nil {
		return fmt.Errorf("write container record: %w", err)
	}
	return saveRecord(r.dir, r.record)
}

// refreshed is the record as it is now, or this one if it cannot be read.
func (r Record) refreshed() Record {
	if r.dir == "" {
		return r
	}
	if now, err := LoadRecord(r.dir); err == nil {
		return now
	}
	return r
}

// ended notes how the container ended. With --rm nothing of it stays.
func (r *run) ended(e Exit) {
	r.kept()
	if r.spec.Remove {
		return
	}
	r.record.Exited, r.record.ExitCode, r.record.Finished = true, e.Code(), time.Now().UTC()
	r.record.OOMKilled = e.OOMKilled
	if r.lost { // what is not known is not written
		_ = saveEnding(r.dir, r.record)
		return
	}
	if err := saveRecord(r.dir, r.record); err != nil {
		if inPlace := saveEnding(r.dir, r.record); inPlace != nil {
			r.warn("exit status is not recorded: %v", errors.Join(err, inPlace))
		}
	}
	for _, dir := range []string{"work"} {
		_ = sys.RemoveTree(filepath.Join(r.dir, dir))
	}
}

func saveRecord(dir string, rec Record) error { return saveJSON(dir, recordFile, rec) }

// saveJSON replaces a file of a container's directory by rename.
func saveJSON(dir, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("bug: encode container %s: %w", name, err)
	}
	if err := sys.ReplaceFile(filepath.Join(dir, "."+name+".new"), filepath.Join(dir, name), b, false); err != nil {
		return fmt.Errorf("write container record: %w", err)
	}
	return nil
}

// ErrDamaged means that the record of a container cannot be read.
var ErrDamaged = errors.New("container record is damaged")

// LoadRecord reads the record in a container's directory. Errors are
// os.ErrNotExist, ErrDamaged, or that of a newer version.
func LoadRecord(dir string) (Record, error) {
	rec, err := loadSummary(dir)
	if err != nil {
		return rec, err
	}
	var more details
	b, err := os.ReadFile(filepath.Join(dir, detailsFile))
	if err == nil {
		err = json.Unmarshal(b, &more)
	}
	if errors.Is(err, os.ErrNotExist) {
		// Whoever removes a container takes the record first: it may have been read just before.
		if _, gone := os.Lstat(filepath.Join(dir, recordFile)); errors.Is(gone, os.ErrNotExist) {
			return Record{ID: rec.ID}, gone
		}
	}
	if err != nil { // not wrapped: a record without details does exist
		return Record{ID: rec.ID}, damaged(rec.ID, errors.New(err.Error()))
	}
	rec.Spec, rec.Security, rec.Payload = more.Spec, more.Security, more.Payload
	rec.CreateCommand, rec.CreateDir = more.CreateCommand, more.CreateDir
	return rec, nil
}

func damaged(id string, why error) error {
	return hint.New(fmt.Errorf("container %.12s: %w: %w", id, ErrDamaged, why), "burrow rm -f "+id[:min(len(id), 12)])
}

// loadSummary reads a record without its details.
func loadSummary(dir string) (Record, error) {
	b, err := sys.ReadFile(filepath.Join(dir, recordFile))
	if err != nil {
		return Record{}, err
	}
	rec, err := parseSummary(dir, b)
	if err == nil {
		rec.Name = currentName(dir, rec.Name)
	}
	return rec, err
}

// parseSummary takes a record from the text in dir. The name is the one it was made with.
func parseSummary(dir string, text []byte) (Record, error) {
	var rec Record
	id := filepath.Base(dir)
	err := json.Unmarshal(text, &rec)
	switch {
	case err == nil && rec.Version > RecordVersion:
		return Record{ID: id}, fmt.Errorf("container %.12s: %w: it was written by a newer version of burrow", id, ErrDamaged)
	case err == nil && rec.ID != id:
		err = errors.New("it is that of another container") // never follow a path out of the directory
	}
	if err != nil {
		return Record{ID: id}, damaged(id, err)
	}
	rec.dir = dir
	return rec.withEnding().afterBoot(), nil
}

// Running says whether the container's first process lives. A zombie does not.
func (r Record) Running() bool {
	if r.PID == 0 || r.Exited {
		return false
	}
	boot, err := bootID()
	return err == nil && boot == r.BootID && sys.ProcID{PID: r.PID, Start: r.Start}.Alive()
}

// abandoned says that the run which owned the container is gone, and the
// container with it.
func (r Record) abandoned() bool {
	boot, err := bootID()
	if err != nil {
		return false
	}
	return !r.Waits && (boot != r.BootID || !r.Owner.Alive() && !r.Running())
}

// bootID tells this boot of the machine from others.
var bootID = sync.OnceValues(func() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)), err
})
