package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/secret"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/sys"
)

// Secrets is the store of a user's secrets.
func Secrets(d paths.Dirs) secret.Store { return secret.Store{Dir: d.Secrets()} }

// checkSecrets refuses a container whose secrets are not there.
func (r *run) checkSecrets(context.Context) error {
	for _, s := range r.spec.Secrets {
		if _, err := Secrets(r.opts.Dirs).Get(s.Name); err != nil {
			return missingSecret(err, s.Name)
		}
	}
	return nil
}

func missingSecret(err error, name string) error {
	if errors.Is(err, secret.ErrNotFound) {
		return hint.New(fmt.Errorf("--secret: %w", err), "burrow secret create "+name+" FILE")
	}
	return fmt.Errorf("--secret: %w", err)
}

// secretMounts writes the container's secrets into the scaffold: they are in
// memory, in a mount namespace of this run, and nowhere else.
func (r *run) secretMounts() ([]launch.Mount, error) {
	var out []launch.Mount
	own := ""
	for i, s := range r.spec.Secrets {
		if s.Env {
			continue
		}
		data, err := Secrets(r.opts.Dirs).Data(s.Name)
		if err != nil {
			return nil, missingSecret(err, s.Name)
		}
		rel, common := strings.CutPrefix(s.Target, spec.SecretsDir+"/")
		if common && !r.declares(spec.SecretsDir) {
			if own == "" {
				own = r.scaffold.path("secrets")
				if err := r.ownedDir(own); err != nil {
					return nil, err
				}
				out = append(out, launch.Mount{
					Type: "bind", Source: own, Dest: spec.SecretsDir, Flags: sys.MountBind | sys.MountReadOnly | safe,
				})
			}
			if err := r.secretDirs(own, path.Dir(rel)); err != nil {
				return nil, err
			}
			if err := r.secretFile(filepath.Join(own, rel), s, data); err != nil {
				return nil, err
			}
			continue
		}
		file := r.scaffold.path("files", fmt.Sprintf("secret%d", i))
		if err := r.secretFile(file, s, data); err != nil {
			return nil, err
		}
		out = append(out, launch.Mount{Type: "bind", Source: file, Dest: s.Target, Flags: sys.MountBind | sys.MountReadOnly | safe})
	}
	return out, nil
}

func (r *run) ownedDir(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	uid, gid := rootOwner(r)
	return os.Chown(dir, uid, gid)
}

// secretDirs makes the directories between the common one and a secret. The
// tree is ours: spec has checked that no name leads out of it.
func (r *run) secretDirs(top, rel string) error {
	dir := top
	for part := range strings.SplitSeq(rel, "/") {
		if part == "." {
			continue
		}
		dir = filepath.Join(dir, part)
		if err := r.ownedDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) secretFile(file string, s spec.Secret, data []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("--secret: two of them are %s", s.Target)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("--secret %s: %w", s.Name, err)
	}
	if err := r.chownInside(file, s.UID, s.GID); err != nil {
		return fmt.Errorf("--secret %s: %w", s.Name, err)
	}
	return os.Chmod(file, os.FileMode(s.Mode&0o777))
}

// secretEnv are the secrets that are variables.
func (r *run) secretEnv() ([]string, error) {
	var out []string
	for _, s := range r.spec.Secrets {
		if !s.Env {
			continue
		}
		data, err := Secrets(r.opts.Dirs).Data(s.Name)
		if err != nil {
			return nil, missingSecret(err, s.Name)
		}
		if bytes.IndexByte(data, 0) >= 0 {
			return nil, hint.New(fmt.Errorf("--secret %s: it has NUL bytes, which a variable cannot have", s.Name), "--secret "+s.Name+" gives it as a file")
		}
		out = append(out, s.Target+"="+string(data))
	}
	return out, nil
}
