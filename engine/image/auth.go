package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"go.podman.io/image/v5/docker"
	authfile "go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/internal/hint"
)

func (s *Store) remoteSystem(r Remote) (*types.SystemContext, error) {
	sys, err := s.system()
	if err == nil {
		r.apply(sys)
	}
	return sys, err
}

// Login checks the credentials with the registry and stores them in auth.json.
func (s *Store) Login(ctx context.Context, registry string, remote Remote) error {
	sys, err := s.remoteSystem(remote)
	if err != nil {
		return err
	}
	if remote.Creds == nil {
		return errors.New("bug: login without credentials")
	}
	ctx, dog := watch(ctx, s.opts.Stall)
	defer dog.stop()
	err = docker.CheckAuth(ctx, sys, remote.Creds.User, remote.Creds.Password, registry)
	var unauthorized docker.ErrUnauthorizedForCredentials
	if errors.As(err, &unauthorized) {
		return fmt.Errorf("log in to %s: the registry refuses this user name and password", registry)
	}
	if err != nil {
		return explain("log in to", registry, registry, dog.explain(err))
	}
	if err := authfile.SetAuthentication(sys, registry, remote.Creds.User, remote.Creds.Password); err != nil {
		return fmt.Errorf("store credentials: %w", err)
	}
	return nil
}

// LoginOf returns the user name stored for a registry, or "".
func (s *Store) LoginOf(registry string, remote Remote) (string, error) {
	sys, err := s.remoteSystem(remote)
	if err != nil {
		return "", err
	}
	sys.DockerAuthConfig = nil
	c, err := authfile.GetCredentials(sys, registry)
	if err != nil {
		return "", fmt.Errorf("read credentials: %w", err)
	}
	return c.Username, nil
}

// Logout forgets the credentials of a registry, or of all if it is "".
func (s *Store) Logout(registry string, remote Remote) error {
	sys, err := s.remoteSystem(remote)
	if err != nil {
		return err
	}
	if registry == "" {
		err = authfile.RemoveAllAuthentication(sys)
	} else {
		err = authfile.RemoveAuthentication(sys, registry)
	}
	if errors.Is(err, authfile.ErrNotLoggedIn) || errors.Is(err, fs.ErrNotExist) {
		return hint.New(fmt.Errorf("not logged in to %s", registry), "burrow login "+registry)
	}
	if err != nil {
		return fmt.Errorf("remove credentials: %w", err)
	}
	return nil
}
