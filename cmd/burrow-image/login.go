package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/hint"
)

type loginFlags struct {
	remoteFlags
	user, password  string
	stdin, get, say bool
}

func (a *app) loginCmd() *cobra.Command {
	f := loginFlags{remoteFlags: remoteFlags{makesAuth: true}}
	c := &cobra.Command{
		Use: "login [flags] REGISTRY", Short: "Store credentials for a registry", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			remote, err := f.remote(cmd.Flags())
			if err != nil {
				return err
			}
			registry := "docker.io"
			if len(args) == 1 {
				registry = registryOf(args[0])
			}
			return a.login(cmd.Context(), registry, remote, &f)
		},
	}
	fl := c.Flags()
	f.add(fl, a.env.authFile)
	fl.StringVarP(&f.user, "username", "u", "", "`USER` name")
	fl.StringVarP(&f.password, "password", "p", "", "`PASSWORD`; others can see it in the process list")
	fl.BoolVar(&f.stdin, "password-stdin", false, "read the password from standard input")
	fl.BoolVar(&f.get, "get-login", false, "print the user name that is stored")
	fl.BoolVarP(&f.say, "verbose", "v", false, "accepted for compatibility")
	return c
}

// registryOf takes what people paste: a URL, or a path below the registry.
func registryOf(s string) string {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://")
	return strings.TrimSuffix(s, "/")
}

func (a *app) login(ctx context.Context, registry string, remote image.Remote, f *loginFlags) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	stored, err := s.LoginOf(registry, remote)
	if err != nil {
		return err
	}
	if f.get {
		if stored == "" {
			return hint.New(fmt.Errorf("not logged in to %s", registry), "burrow login "+registry)
		}
		a.println(stored)
		return nil
	}
	if remote.Creds, err = a.credentials(f, stored); err != nil {
		return err
	}
	if err := s.Login(ctx, registry, remote); err != nil {
		return err
	}
	a.println("Login Succeeded!")
	return nil
}

// credentials come from flags, standard input, or a person at a terminal.
func (a *app) credentials(f *loginFlags, stored string) (*image.Credentials, error) {
	c := &image.Credentials{User: f.user, Password: f.password}
	if f.stdin {
		if f.password != "" || f.user == "" {
			return nil, errors.New("--password-stdin needs --username and excludes --password")
		}
		b, err := io.ReadAll(io.LimitReader(a.in, 1<<16))
		if err != nil {
			return nil, fmt.Errorf("read password: %w", err)
		}
		c.Password = strings.TrimRight(string(b), "\r\n")
		return c, nil
	}
	if c.User != "" && c.Password != "" {
		return c, nil
	}
	if !term.IsTerminal(int(a.in.Fd())) {
		return nil, hint.New(errors.New("standard input is no terminal"), "use --username and --password-stdin")
	}
	if c.User == "" {
		fmt.Fprintf(a.err, "Username%s: ", map[bool]string{true: " (" + stored + ")"}[stored != ""])
		line, err := bufio.NewReader(a.in).ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("read user name: %w", err)
		}
		if c.User = strings.TrimSpace(line); c.User == "" {
			c.User = stored
		}
	}
	fmt.Fprint(a.err, "Password: ")
	b, err := term.ReadPassword(int(a.in.Fd()))
	fmt.Fprintln(a.err)
	if err != nil {
		return nil, fmt.Errorf("read password: %w", err)
	}
	c.Password = string(b)
	return c, nil
}

func (a *app) logoutCmd() *cobra.Command {
	var f remoteFlags
	var all bool
	c := &cobra.Command{
		Use: "logout [flags] REGISTRY", Short: "Forget the credentials of a registry", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if all == (len(args) == 1) && all {
				return errors.New("give a registry or --all, one of them")
			}
			s, err := a.store()
			if err != nil {
				return err
			}
			registry := "docker.io"
			if len(args) == 1 {
				registry = registryOf(args[0])
			}
			if all {
				registry = ""
			}
			if err := s.Logout(registry, image.Remote{AuthFile: f.authFile}); err != nil {
				return err
			}
			if all {
				registry = "all registries"
			}
			a.println("Removed login credentials for " + registry)
			return nil
		},
	}
	c.Flags().StringVar(&f.authFile, "authfile", a.env.authFile, "`FILE` with credentials")
	c.Flags().BoolVarP(&all, "all", "a", false, "forget all registries")
	return c
}
