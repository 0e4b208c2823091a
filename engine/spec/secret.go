package spec

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// Secret is a secret that the container is given.
type Secret struct {
	Name   string
	Env    bool   // as an environment variable
	Target string // of a file: absolute; of a variable: its name
	// Of a file, owner as the container numbers it.
	UID, GID uint32
	Mode     uint32
}

// SecretsDir is where secrets are that have no path of their own.
const SecretsDir = "/run/secrets"

// ParseSecret reads one --secret value: NAME[,KEY=VALUE...], as podman-run(1) has it.
func ParseSecret(value string) (Secret, error) {
	s, err := parseSecret(value)
	if err != nil {
		return Secret{}, badErr(value, err)
	}
	return s, nil
}

func parseSecret(value string) (Secret, error) {
	s := Secret{Mode: 0o444}
	seen := map[string]bool{}
	for i, field := range strings.Split(value, ",") {
		key, val, has := strings.Cut(field, "=")
		if !has && i == 0 {
			key, val = "source", field
		} else if !has {
			return s, fmt.Errorf("option %s has no value", Quote(field))
		}
		if seen[key] {
			return s, fmt.Errorf("option %s is given twice", Quote(key))
		}
		seen[key] = true
		if err := s.option(key, val); err != nil {
			return s, err
		}
	}
	return s, s.finish(seen)
}

func (s *Secret) option(key, val string) error {
	var id *uint32
	var err error
	switch key {
	case "source":
		s.Name, err = val, CheckName(val)
	case "type":
		if val != "mount" && val != "env" {
			return fmt.Errorf("type %s is neither mount nor env", Quote(val))
		}
		s.Env = val == "env"
	case "target":
		s.Target, err = val, CheckPlain(val)
	case "uid":
		if id, err = number(val, maxID); err == nil {
			s.UID = *id
		}
	case "gid":
		if id, err = number(val, maxID); err == nil {
			s.GID = *id
		}
	case "mode":
		if id, err = fileMode(val); err == nil {
			s.Mode = *id
		}
		if s.Mode > 0o777 {
			err = bad(val, "has more than read, write and execute")
		}
	default:
		return fmt.Errorf("unknown option %s", Quote(key))
	}
	if err != nil {
		return fmt.Errorf("option %s: %w", key, err)
	}
	return nil
}

func (s *Secret) finish(seen map[string]bool) error {
	if s.Name == "" {
		return errors.New("names no secret")
	}
	if s.Target == "" {
		s.Target = s.Name
	}
	if s.Env {
		if seen["uid"] || seen["gid"] || seen["mode"] {
			return errors.New("a variable has no uid, gid and mode")
		}
		if strings.ContainsAny(s.Target, "=") {
			return errors.New("target is not the name of a variable")
		}
		return nil
	}
	if !path.IsAbs(s.Target) {
		s.Target = path.Join(SecretsDir, s.Target)
		if !within(s.Target, SecretsDir) || s.Target == SecretsDir {
			return errors.New("target leads out of " + SecretsDir)
		}
	}
	clean, err := checkDest(s.Target)
	s.Target = clean
	return err
}
