package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/burrow-run/burrow/internal/sys"
)

// How a container ended must be known on a full disk too, where no record can be
// replaced. So there is a file of a fixed size from before the payload runs, which is
// written over in place: that needs no space (but on file systems that copy what is
// written, as btrfs does, and not with a read-only one). Only where the record could
// not be written does it hold anything.
const (
	endingFile = "ending"
	endingSize = 256 // bytes, with the spaces that fill it up
)

// ending is what it holds. Start says of which of the container's starts.
type ending struct {
	PID       int       `json:"pid"`
	Start     uint64    `json:"start_time"`
	ExitCode  int       `json:"exit_code"`
	Finished  time.Time `json:"finished"`
	OOMKilled bool      `json:"oom_killed,omitempty"`
}

// makeEnding makes the file where an earlier start has not.
func makeEnding(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, endingFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(bytes.Repeat([]byte{' '}, endingSize))
	return errors.Join(err, f.Close())
}

// saveEnding writes how a container has ended over what the file held.
func saveEnding(dir string, r Record) error {
	text, err := json.Marshal(ending{PID: r.PID, Start: r.Start, ExitCode: r.ExitCode, Finished: r.Finished, OOMKilled: r.OOMKilled})
	if err != nil || len(text) > endingSize {
		return fmt.Errorf("bug: encode ending of container (%d bytes): %w", len(text), err)
	}
	f, err := os.OpenFile(filepath.Join(dir, endingFile), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	text = append(text, bytes.Repeat([]byte{' '}, endingSize-len(text))...)
	_, err = f.WriteAt(text, 0)
	return errors.Join(err, f.Close())
}

// withEnding is the record with what its run could write in place only.
func (r Record) withEnding() Record {
	if r.PID == 0 || r.Exited {
		return r
	}
	text, err := sys.ReadFile(filepath.Join(r.dir, endingFile))
	if err != nil {
		return r
	}
	var e ending
	if json.Unmarshal(text, &e) != nil || e.PID != r.PID || e.Start != r.Start {
		return r // of an earlier start, or of none
	}
	r.Exited, r.ExitCode, r.Finished, r.OOMKilled, r.inPlace = true, e.ExitCode, e.Finished, e.OOMKilled, true
	return r
}
