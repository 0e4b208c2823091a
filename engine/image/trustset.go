package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.podman.io/image/v5/docker"
	"go.podman.io/storage/pkg/configfile"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// SetTrust changes what the policy asks of images of a registry or repository,
// or, if scope is "default", of all others: kind is accept, reject, signedBy or
// sigstoreSigned; keys are files of public keys, each of which must have signed.
// It changes file, or if that is "" the user's own policy, which it makes of the
// system's if there is none; the system's stays as it is.
// A file that is not there yet begins with the policy in force.
func (s *Store) SetTrust(ctx context.Context, file, scope, kind string, keys []string) error {
	reqs, err := requirements(kind, keys)
	if err != nil {
		return err
	}
	if scope != "default" {
		if err := docker.Transport.ValidatePolicyConfigurationScope(scope); err != nil || strings.ContainsAny(scope, " \t\n") || scope == "" {
			return fmt.Errorf("trust of %q: it is no registry or repository", scope)
		}
	}
	from := file
	if file == "" {
		paths, err := configfile.GetSearchPaths(policyFile())
		if err != nil || len(paths.MainFiles) == 0 {
			return fmt.Errorf("find the signature policy: %w", err)
		}
		file = paths.MainFiles[0] // the user's
	} else if _, err := os.Lstat(file); errors.Is(err, os.ErrNotExist) {
		from = ""
	}
	return s.exclusive(ctx, func() error {
		b, err := s.PolicyText(from)
		if err != nil {
			return err
		}
		if b, err = changePolicy(b, scope, reqs); err != nil {
			return err
		}
		return writePolicy(file, b)
	})
}

func requirements(kind string, keys []string) (json.RawMessage, error) {
	r := requirement{Type: kind}
	switch kind {
	case "accept", "insecureAcceptAnything", "reject":
		if len(keys) > 0 {
			return nil, fmt.Errorf("trust %s takes no keys", kind)
		}
		if kind == "accept" {
			r.Type = "insecureAcceptAnything"
		}
		return json.Marshal([]requirement{r})
	case "signedBy":
		r.KeyType = "GPGKeys"
	case "sigstoreSigned":
	default:
		return nil, hint.New(fmt.Errorf("trust %q: %w", kind, ErrNotSupported), "use accept, reject, signedBy or sigstoreSigned")
	}
	if len(keys) == 0 {
		return nil, hint.New(fmt.Errorf("trust %s needs a key", kind), "--pubkeysfile FILE")
	}
	var reqs []requirement
	for _, key := range keys {
		path, err := filepath.Abs(key)
		if err != nil {
			return nil, err
		}
		b, err := os.ReadFile(path)
		if err == nil && kind == "signedBy" {
			_, err = readKeys(b)
		}
		if err != nil {
			return nil, fmt.Errorf("public key %s: %w", key, err)
		}
		r.KeyPath = path
		reqs = append(reqs, r)
	}
	return json.Marshal(reqs)
}

// changePolicy replaces the requirements of one scope, wherever it is, or adds it
// to those of registries.
func changePolicy(b []byte, scope string, reqs json.RawMessage) ([]byte, error) {
	p, err := parsePolicy(b)
	if err != nil {
		return nil, err
	}
	if scope == "default" {
		p.Default = reqs
	} else {
		if p.Transports == nil {
			p.Transports = map[string]map[string]json.RawMessage{}
		}
		transport := docker.Transport.Name()
		for t, scopes := range p.Transports {
			if _, ok := scopes[scope]; ok && p.Transports[transport][scope] == nil {
				transport = t
			}
		}
		if p.Transports[transport] == nil {
			p.Transports[transport] = map[string]json.RawMessage{}
		}
		p.Transports[transport][scope] = reqs
	}
	out, err := json.MarshalIndent(p, "", "    ")
	if err != nil {
		return nil, err
	}
	if _, err := parsePolicy(out); err != nil {
		return nil, err
	}
	return append(out, '\n'), nil
}

// writePolicy replaces the file, or what it is a link to: who reads it sees the
// old or the new policy.
func writePolicy(file string, b []byte) error {
	if to, err := filepath.EvalSymlinks(file); err == nil {
		file = to
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("write signature policy: %w", err)
	}
	if err := sys.ReplaceFile(filepath.Join(filepath.Dir(file), ".policy.json.new"), file, b, true); err != nil {
		return fmt.Errorf("write signature policy: %w", err)
	}
	return sys.SyncDir(filepath.Dir(file))
}
