package image

import (
	"fmt"
	"strings"

	"go.podman.io/image/v5/docker/reference"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
)

// fullName is the name under which an image is stored when a person calls it
// name: short names are local, a missing tag is "latest".
func fullName(name string) (string, error) {
	full, err := plan.Full(name)
	if err != nil {
		return "", badName(name)
	}
	named, err := reference.ParseNormalizedNamed(full)
	if err != nil {
		return "", badName(name)
	}
	if _, digested := named.(reference.Digested); digested {
		return "", fmt.Errorf("%w: %q: a name to give cannot have a digest", plan.ErrName, name)
	}
	return reference.TagNameOnly(named).String(), nil
}

func badName(name string) error {
	err := fmt.Errorf("%w: %q", plan.ErrName, name)
	if low := strings.ToLower(name); low != name {
		return hint.New(err, "names are lower case: "+low)
	}
	return err
}
