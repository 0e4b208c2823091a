package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/cmd/burrow/flags"
	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/posture"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
)

func (a *app) runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [OPTIONS] IMAGE [COMMAND [ARG...]]",
		Short: "Run a command in a new container",
		Args:  cobra.ArbitraryArgs,
	}
	f := flags.Add(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, uids, gids, err := whoAmI()
		if err != nil {
			return err
		}
		if err := fileDefaults(cmd, c); err != nil {
			return err
		}
		s, warnings, err := f.Spec(args, os.LookupEnv, os.Environ(), c.cwd)
		if err != nil {
			return hint.New(err, orElse(hint.Of(err), "burrow run --help"))
		}
		if !c.inside {
			return enterAnchor(cmd.Context(), c, "mounts")
		}
		for _, w := range warnings {
			warn(a.err, w)
		}
		a.warnOfLoginUID()
		usualUmask()
		// libcontainer hands this on to its init, which has one thread of work to do.
		if err := os.Setenv("GOMAXPROCS", "1"); err != nil {
			return err
		}
		if a.service, err = a.takeService(len(s.Stdio.PreserveFDs) > 0); err != nil {
			return err
		}
		o := a.engineOptions(c, uids, gids)
		// Descriptors to be preserved are this process's: then it is the parent.
		onTerminal := s.Stdio.TTY && len(s.Stdio.PreserveFDs) == 0
		if s.Stdio.Detach || onTerminal || s.Restart.Policy != spec.RestartNo || s.Log.Stored() || s.Healthcheck.Restarts() {
			return a.runSupervised(cmd.Context(), c, s, o)
		}
		o.Signals = relaying(s.Stdio)
		o.Posture = func(p posture.Report) { a.printPosture(a.err, p, s.SecurityReport) }
		if err := a.startNamed(cmd.Context(), c, s.Requires); err != nil {
			return err
		}
		exit, err := engine.Run(cmd.Context(), s, o)
		if s.RemoveImage {
			a.removeImage(cmd.Context(), s.Image)
		}
		if err != nil {
			return explainStart(cmd.Context(), c, err)
		}
		return exitWith(exit.Code())
	}
	return cmd
}

func (a *app) engineOptions(c caller, uids, gids idmap.Map) engine.Options {
	return engine.Options{
		Dirs: c.dirs, UIDs: uids, GIDs: gids, Home: c.home, Cwd: c.cwd, User: c.name,
		Term: os.Getenv("TERM"), Stdin: a.in, Stdout: a.out, Stderr: a.err,
		Pull: a.pullFunc(), Adopt: adopt, StartChecks: startChecks, DefaultNetwork: os.Getenv("BURROW_NETWORK"), Manager: c.manager(), Service: a.service, CreateCommand: os.Args,
		Warn: func(text string) { warn(a.err, text) }, Log: a.logger(),
	}
}

// startNamed starts the containers that one which is not made yet requires.
func (a *app) startNamed(ctx context.Context, c caller, refs []string) error {
	for _, ref := range refs {
		rec, err := engine.Lookup(c.dirs, ref)
		if err != nil {
			return fmt.Errorf("--requires: %w", err)
		}
		if err := a.startRequired(ctx, c, engine.Record{Name: "container", Spec: spec.Spec{Requires: []string{rec.ID}}}); err != nil {
			return err
		}
	}
	return nil
}

// removeImage is --rmi: that other containers have the image is no error.
func (a *app) removeImage(ctx context.Context, name string) {
	const inUse = 2 // as rmi says it
	cmd, err := imageTool(context.WithoutCancel(ctx), "rmi", name)
	var said bytes.Buffer
	if err == nil {
		cmd.Stderr = &said
		err = cmd.Run()
	}
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) && exit.ExitCode() == inUse {
		return
	}
	why, _, _ := strings.Cut(strings.TrimPrefix(said.String(), "burrow: error: "), "\n")
	warn(a.err, "--rmi: "+orElse(why, err.Error()))
}

// exitWith ends with the payload's own exit code, without a word.
func exitWith(code int) error {
	if code == 0 {
		return nil
	}
	return exitCode(code)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// pullFunc fetches an image with the executable that can.
func (a *app) pullFunc() func(context.Context, string, spec.Pull) error {
	return func(ctx context.Context, image string, p spec.Pull) error {
		args := []string{"pull", "--policy", string(p.Policy)}
		if p.Quiet {
			args = append(args, "--quiet")
		}
		if p.AuthFile != "" {
			args = append(args, "--authfile", p.AuthFile)
		}
		if p.TLSVerify != nil && !*p.TLSVerify {
			args = append(args, "--tls-verify=false")
		}
		for _, o := range [][2]string{{"--os", p.Platform.OS}, {"--arch", p.Platform.Arch}, {"--variant", p.Platform.Variant}} {
			if o[1] != "" {
				args = append(args, o[0], o[1])
			}
		}
		cmd, err := imageTool(ctx, append(args, image)...)
		if err != nil {
			return err
		}
		cmd.Stderr = a.err
		// Who is killed waits for no image: it is the end of this thread that counts.
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err = cmd.Run()
		if err != nil && errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
		return saidWhy(err)
	}
}
