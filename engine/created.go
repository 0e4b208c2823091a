package engine

import "time"

// createdAt is when the container was made, also if it starts again.
func (r *run) createdAt() time.Time {
	if !r.record.Created.IsZero() {
		return r.record.Created
	}
	return time.Now().UTC()
}

// createCommand is with which command, and createDir from where.
func (r *run) createCommand() []string {
	if !r.record.Created.IsZero() {
		return r.record.CreateCommand
	}
	return r.opts.CreateCommand
}

func (r *run) createDir() string {
	if !r.record.Created.IsZero() {
		return r.record.CreateDir
	}
	return r.opts.Cwd
}
