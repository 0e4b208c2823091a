package engine

import "slices"

// Payload is what the container's program was started with, as its image and
// the command line say together. Values of secrets are not among it.
type Payload struct {
	Env          []string `json:"env,omitempty"`
	Entrypoint   []string `json:"entrypoint,omitempty"`
	Cmd          []string `json:"cmd,omitempty"`
	Volumes      []string `json:"volumes,omitempty"`       // the image's
	ExposedPorts []string `json:"exposed_ports,omitempty"` // PORT/PROTOCOL
	ImageDigest  string   `json:"image_digest,omitempty"`
}

// payload is called with the whole command that is executed.
func (r *run) payload(command []string) Payload {
	cfg := r.image.cfg
	p := Payload{
		Env: r.baseEnvironment(), Entrypoint: cfg.Entrypoint, Volumes: cfg.Volumes,
		ExposedPorts: slices.Concat(cfg.ExposedPorts, r.spec.Network.Expose),
	}
	if r.who.home != "" {
		p.Env = r.environment()
	}
	if r.spec.Entrypoint != nil {
		p.Entrypoint = *r.spec.Entrypoint
	}
	p.Cmd = command[min(len(p.Entrypoint), len(command)):]
	if r.image.plan != nil {
		p.ImageDigest = r.image.plan.Digest
	}
	return p
}

// saveDetails writes what the record's own file does not hold.
func (r Record) saveDetails(dir string) error {
	return saveJSON(dir, detailsFile, details{
		Spec: r.Spec, Security: r.Security, Payload: r.Payload, CreateCommand: r.CreateCommand, CreateDir: r.CreateDir,
	})
}
