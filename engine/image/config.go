package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/burrow-run/burrow/engine/plan"
)

const (
	maxConfig = 8 << 20 // the largest configuration that is parsed
	maxDepth  = 100     // of nested JSON
)

// config is the OCI image configuration with Docker's extensions.
type config struct {
	imgspec.Image
	Comment       string        `json:"comment,omitempty"`
	DockerVersion string        `json:"docker_version,omitempty"`
	Config        runtimeConfig `json:"config"`
}

type runtimeConfig struct {
	imgspec.ImageConfig
	Healthcheck *healthcheck `json:"Healthcheck,omitempty"`
	OnBuild     []string     `json:"OnBuild,omitempty"`
	Shell       []string     `json:"Shell,omitempty"`
	Domainname  string       `json:"Domainname,omitempty"`
	Hostname    string       `json:"Hostname,omitempty"`
}

type healthcheck struct {
	Test          []string      `json:"Test,omitempty"`
	Interval      time.Duration `json:"Interval,omitempty"`
	Timeout       time.Duration `json:"Timeout,omitempty"`
	StartPeriod   time.Duration `json:"StartPeriod,omitempty"`
	StartInterval time.Duration `json:"StartInterval,omitempty"`
	Retries       int           `json:"Retries,omitempty"`
}

// parseConfig reads an image configuration. What it accepts, every reader of
// JSON reads alike: no duplicate keys, no trailing data.
func parseConfig(b []byte) (*config, error) {
	if len(b) > maxConfig {
		return nil, fmt.Errorf("%w config: %d bytes, more than %d", ErrInvalid, len(b), maxConfig)
	}
	if err := checkJSON(b); err != nil {
		return nil, fmt.Errorf("%w config: %w", ErrInvalid, err)
	}
	c := &config{}
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("%w config: %w", ErrInvalid, err)
	}
	if c.OS != "" && c.OS != "linux" {
		return nil, fmt.Errorf("%w config: it is for %.40q, not for linux", ErrInvalid, c.OS)
	}
	if c.Architecture != "" && !slices.Contains(architectures, c.Architecture) {
		return nil, fmt.Errorf("%w config: unknown architecture %.40q", ErrInvalid, c.Architecture)
	}
	for _, d := range c.RootFS.DiffIDs {
		if err := d.Validate(); err != nil || d.Algorithm() != digest.SHA256 {
			return nil, fmt.Errorf("%w config: diff ID %.80q is no sha256 digest", ErrInvalid, d.String())
		}
	}
	return c, nil
}

var architectures = []string{
	"386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle",
	"ppc64", "ppc64le", "riscv64", "s390x", "sparc64", "wasm", "i386", "x86_64", "aarch64", "armhf",
}

// checkJSON refuses what readers disagree on or choke on.
func checkJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := checkValue(dec, 0, false); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the JSON value")
	}
	return nil
}

// dictionaries are the objects whose keys are data, not names of fields.
var dictionaries = []string{"Labels", "Annotations", "Volumes", "ExposedPorts"}

func isDictionary(key string) bool {
	return slices.ContainsFunc(dictionaries, func(d string) bool { return strings.EqualFold(d, key) })
}

// checkValue checks one value; free says that it is, or is in, a dictionary.
func checkValue(dec *json.Decoder, depth int, free bool) error {
	if depth > maxDepth {
		return fmt.Errorf("JSON nested deeper than %d", maxDepth)
	}
	t, err := dec.Token()
	if err != nil {
		return err
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	keys := map[string]struct{}{}
	for dec.More() {
		inside := free
		if delim == '{' {
			key, err := checkKey(dec, keys, free)
			if err != nil {
				return err
			}
			inside = free || isDictionary(key)
		}
		if err := checkValue(dec, depth+1, inside); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// checkKey refuses a key that was there before. Names of fields are the same in
// whatever case to Go's reader, and different ones to others.
func checkKey(dec *json.Decoder, seen map[string]struct{}, free bool) (string, error) {
	t, err := dec.Token()
	if err != nil {
		return "", err
	}
	key, ok := t.(string)
	if !ok {
		return "", errors.New("a JSON key is no string")
	}
	same := key
	if !free {
		same = strings.ToLower(key)
	}
	if _, dup := seen[same]; dup {
		return "", fmt.Errorf("duplicate JSON key %.40q", key)
	}
	seen[same] = struct{}{}
	return key, nil
}

// planConfig is what a container uses of c.
func (c *config) planConfig(annotations map[string]string) plan.Config {
	rc := c.Config
	out := plan.Config{
		Entrypoint: rc.Entrypoint, Cmd: rc.Cmd, Env: rc.Env, User: rc.User, WorkingDir: rc.WorkingDir,
		Volumes:      slices.Sorted(maps.Keys(rc.Volumes)),
		ExposedPorts: slices.Sorted(maps.Keys(rc.ExposedPorts)),
		StopSignal:   rc.StopSignal, Labels: rc.Labels, Shell: rc.Shell, Annotations: annotations,
	}
	if h := rc.Healthcheck; h != nil {
		out.Healthcheck = (*plan.Healthcheck)(h)
	}
	return out
}
