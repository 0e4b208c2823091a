package main

import (
	"log/slog"
	"strings"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/engine/plan"
)

// note records what has happened to an image, for `burrow events`. That it could not,
// on a full disk say, is no reason to call what has happened a failure.
func (a *app) note(kind audit.Kind, id, name string) {
	_, err := audit.At(a.env.dirs.State).Append(audit.Record{
		Type: audit.Image, Kind: kind, ID: strings.TrimPrefix(id, "sha256:"), Name: name, UID: uint32(a.env.outsideUID()),
	})
	if err != nil && a.log != nil {
		a.log.Warn("no record of what happened to an image", slog.Any("err", err))
	}
}

// noteAs is note where only what a person calls the image is known.
func (a *app) noteAs(kind audit.Kind, ref, name string) {
	m, _ := plan.Match(a.env.dirs, ref)
	a.note(kind, m.ID, name)
}

func (a *app) noteRemoved(r image.Removed) {
	for _, n := range r.Untagged {
		a.note(audit.Untag, r.ID, n)
	}
	if r.Deleted != "" {
		a.note(audit.Remove, r.ID, strings.Join(r.Untagged[:min(1, len(r.Untagged))], ""))
	}
}
