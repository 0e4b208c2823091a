package main

import (
	"cmp"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/burrow-run/burrow/engine/audit"
)

// event is a record of the trail with the names that Podman's `events --format`
// has; Docker's are methods. The trail's own fields are those of `audit`.
type event struct {
	ContainerExitCode *int              `json:",omitempty"`
	ID                string            `json:",omitempty"`
	Image             string            `json:",omitempty"`
	Name              string            `json:",omitempty"`
	Status            string            `json:",omitempty"`
	Time              time.Time         `json:""`
	Type              string            `json:",omitempty"`
	HealthStatus      string            `json:"health_status,omitempty"`
	Attributes        map[string]string // Docker's: the container's labels, and what else there is to say
}

func eventOf(r audit.Record) event {
	e := event{
		ContainerExitCode: r.ExitCode, ID: r.ID, Image: r.Image, Name: r.Name, Status: string(r.Kind),
		Time: r.Time, Type: r.Type.String(), HealthStatus: r.Health,
		Attributes: map[string]string{},
	}
	maps.Copy(e.Attributes, r.Labels)
	if e.Attributes["name"] = r.Name; r.Type == audit.Container {
		e.Attributes["image"] = r.Image
	}
	if r.ExitCode != nil {
		e.Attributes["exitCode"] = strconv.Itoa(*r.ExitCode)
	}
	if len(r.Relaxations) > 0 {
		e.Attributes["relaxations"] = strings.Join(r.Relaxations, "+")
	}
	return e
}

// Action is Docker's word for what happened.
func (e event) Action() string { return dockerWord(e.Type, audit.Kind(e.Status)) }

func dockerWord(kind string, what audit.Kind) string {
	words := map[audit.Kind]string{
		audit.Died: "die", audit.Remove: "destroy", audit.Exec: "exec_start", audit.ExecDied: "exec_die", audit.Load: "load",
	}
	if kind == "image" && what == audit.Remove {
		return "delete"
	}
	return cmp.Or(words[what], string(what))
}

// From is Docker's name of the image.
func (e event) From() string { return e.Image }

// Scope is always Docker's "local".
func (e event) Scope() string { return "local" }

// TimeNano is the time in nanoseconds since 1970.
func (e event) TimeNano() int64 { return e.Time.UnixNano() }

// Actor is to whom it happened, as Docker says it.
func (e event) Actor() actor { return actor{e.ID, e.Attributes} }

type actor struct {
	ID         string
	Attributes map[string]string
}
