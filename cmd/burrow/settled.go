package main

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/stage"
	"github.com/burrow-run/burrow/internal/sys"
)

// What follows the container's ID on a settled supervisor's command line, besides what
// serviceArgs adds.
const (
	argState = "state=" // the number of the file that it resumes from
	argImage = "rmi="   // is removed when the container has ended
)

func settledArgs(id, image string) []string {
	args := []string{"burrow", id}
	if image != "" {
		args = append(args, argImage+image)
	}
	return args
}

// settle is engine.SuperviseOptions.Settle. A SIGTERM that comes in between ends this process,
// as before the payload runs: the Go runtime takes it before main does, and would also if it
// was blocked. So the service manager hears of a container that is ready after it.
func (a *app) settle(state, mounts, cwd *os.File, args []string) error {
	fd, err := sys.Inherit(state)
	if err != nil {
		return err
	}
	if err := keepSockets(a.service); err != nil {
		return err
	}
	as := stage.Settled
	if asRoot() {
		as = stage.RootSettled
	}
	env := append(withoutStage(os.Environ()), stage.Env(as, ""))
	env = append(env, serviceEnv(a.service)...)
	args = append(append(args, argState+strconv.Itoa(fd)), serviceArgs(a.service)...)
	err = sys.ExecFrom(mounts, cwd, "/proc/self/exe", args, env)
	return errors.Join(err, sys.Disinherit(state), dropSockets(a.service))
}

// settled is the main program of a supervisor whose container runs.
func settled(ctx context.Context, args []string) int {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	exit, err := a.waitSettled(ctx, args)
	if err != nil {
		return exitError
	}
	return exit.Code()
}

func (a *app) waitSettled(ctx context.Context, args []string) (engine.Exit, error) {
	var asked termination
	signals := asked.signals() // first of all
	state, image, err := parseSettled(args)
	if err != nil {
		return engine.Exit{}, err
	}
	c, uids, gids, err := whoAmI()
	if err != nil {
		return engine.Exit{}, err
	}
	if a.service, err = handedService(args[1:]); err != nil {
		return engine.Exit{}, err
	}
	exit, err := engine.Resume(ctx, state, a.settledOptions(c, uids, gids, signals))
	return exit, a.afterwards(ctx, c, args[0], image, exit, err, &asked)
}

// settledOptions are the part of engineOptions that the end of a container needs.
func (a *app) settledOptions(c caller, uids, gids idmap.Map, signals <-chan os.Signal) engine.Options {
	return engine.Options{
		Dirs: c.dirs, UIDs: uids, GIDs: gids, Manager: c.manager(), Service: a.service, Log: a.logger(),
		Signals: func() func() <-chan os.Signal { return func() <-chan os.Signal { return signals } },
		Warn:    func(text string) { warn(a.err, text) },
	}
}

func parseSettled(args []string) (state *os.File, image string, err error) {
	for _, arg := range args {
		if v, ok := strings.CutPrefix(arg, argImage); ok {
			image = v
		}
		v, ok := strings.CutPrefix(arg, argState)
		if !ok {
			continue
		}
		fd, err := strconv.Atoi(v)
		if err != nil || fd < 3 {
			return nil, "", errors.New("bug: " + arg)
		}
		if state, err = sys.Inherited(fd, "state"); err != nil {
			return nil, "", err
		}
	}
	if state == nil {
		return nil, "", errors.New("bug: settled supervisor without a container")
	}
	return state, image, nil
}
