package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/spec"
)

type execFlags struct {
	detach, interactive, tty, privileged bool
	user, workdir, detachKeys            string
	env, envFiles                        []string
	preserve                             int
}

func (a *app) execCommand() *cobra.Command {
	var f execFlags
	cmd := &cobra.Command{
		Use: "exec [OPTIONS] CONTAINER COMMAND [ARG...]", Short: "Run a further command in a running container",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return atLeastOne("a container and a command")(cmd, nil)
			}
			c, uids, gids, err := whoAmI()
			if err != nil {
				return err
			}
			e, err := f.spec(args[1:])
			if err != nil {
				return err
			}
			if !c.inside {
				return enterAnchor(cmd.Context(), c, "mounts")
			}
			if err := os.Setenv("GOMAXPROCS", "1"); err != nil {
				return err
			}
			o := a.engineOptions(c, uids, gids)
			o.Signals = func() <-chan os.Signal { return forwarded(e.Stdio) }
			exit, err := engine.Exec(cmd.Context(), args[0], e, o)
			if err != nil {
				return err
			}
			return exitWith(exit.Code())
		},
	}
	fs := cmd.Flags()
	fs.SetInterspersed(false)
	fs.BoolVarP(&f.detach, "detach", "d", false, "do not wait for the command")
	fs.BoolVarP(&f.interactive, "interactive", "i", false, "connect standard input")
	fs.BoolVarP(&f.tty, "tty", "t", false, "allocate a terminal")
	fs.BoolVar(&f.privileged, "privileged", false, "give it all capabilities in the container's namespaces, and no filters")
	fs.StringVarP(&f.user, "user", "u", "", "run as `NAME|UID[:GROUP|GID]`")
	fs.StringVarP(&f.workdir, "workdir", "w", "", "work in `DIR`")
	fs.StringArrayVarP(&f.env, "env", "e", nil, "set a variable `KEY=VALUE`")
	fs.StringArrayVar(&f.envFiles, "env-file", nil, "read variables from `FILE`")
	fs.StringVar(&f.detachKeys, "detach-keys", "", "`KEYS` that end the connection")
	fs.IntVar(&f.preserve, "preserve-fds", 0, "hand in the `N` file descriptors from 3 on")
	return cmd
}

func (f execFlags) spec(args []string) (engine.ExecSpec, error) {
	e := engine.ExecSpec{Args: args, User: f.user, Workdir: f.workdir, Privileged: f.privileged, Detach: f.detach}
	e.Stdio = spec.Default().Stdio
	e.Stdio.Interactive, e.Stdio.TTY = f.interactive, f.tty
	e.Stdio.Attach.Stdin = f.interactive
	if f.user != "" {
		if _, _, err := spec.ParseUser(f.user); err != nil {
			return e, fmt.Errorf("--user %w", err)
		}
	}
	if f.workdir != "" && !filepath.IsAbs(f.workdir) {
		return e, fmt.Errorf("--workdir %q: is not absolute", f.workdir)
	}
	if f.detachKeys != "" {
		keys, err := spec.ParseDetachKeys(f.detachKeys)
		if err != nil {
			return e, fmt.Errorf("--detach-keys %w", err)
		}
		e.Stdio.DetachKeys = keys
	}
	if f.preserve < 0 || f.preserve > 1000 {
		return e, errors.New("--preserve-fds: is not a number of descriptors")
	}
	for fd := 3; fd < 3+f.preserve; fd++ {
		e.Stdio.PreserveFDs = append(e.Stdio.PreserveFDs, fd)
	}
	return e, f.environment(&e.Env)
}

func (f execFlags) environment(env *spec.Env) error {
	for _, name := range f.envFiles {
		file, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("--env-file: %w", err)
		}
		vars, err := spec.ParseEnvFile(file, os.Environ())
		file.Close()
		if err != nil {
			return fmt.Errorf("--env-file %s: %w", name, err)
		}
		env.Set = append(env.Set, vars...)
	}
	for _, raw := range f.env {
		vars, err := spec.ParseEnv(raw, os.Environ())
		if err != nil {
			return fmt.Errorf("--env %w", err)
		}
		env.Set = append(env.Set, vars...)
	}
	return nil
}

// topCommand lists a container's processes from the host's /proc: nothing of
// the image is executed for it (CVE-2022-1227).
func (a *app) topCommand() *cobra.Command {
	return &cobra.Command{
		Use: "top CONTAINER", Short: "List the processes of a container", Args: exactly(1, "one container"),
		RunE: func(_ *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			rec, err := engine.Lookup(c.dirs, args[0])
			if err != nil {
				return err
			}
			if !rec.Running() {
				return fmt.Errorf("%s: %w", args[0], engine.ErrNotRunning)
			}
			list, err := processesOf(rec.PID)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "UID\tPID\tHPID\tSTATE\tCOMMAND")
			for _, p := range list {
				fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\n", p.uid, p.pid, p.host, p.state, oneLine(p.command))
			}
			return w.Flush()
		},
	}
}

type process struct {
	pid, host           int
	uid, state, command string
}

// processesOf finds the processes in the pid namespace of init.
func processesOf(init int) ([]process, error) {
	want, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", init))
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var out []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if ns, err := os.Readlink("/proc/" + e.Name() + "/ns/pid"); err != nil || ns != want {
			continue
		}
		if p, ok := readProcess(pid); ok {
			out = append(out, p)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].pid < out[j].pid })
	return out, nil
}

func readProcess(host int) (process, bool) {
	dir := "/proc/" + strconv.Itoa(host)
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return process{}, false
	}
	p := process{host: host}
	var name string
	sc := bufio.NewScanner(bytes.NewReader(status))
	for sc.Scan() {
		key, value, _ := strings.Cut(sc.Text(), ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		switch key {
		case "Name":
			name = fields[0]
		case "State":
			p.state = fields[0]
		case "Uid":
			p.uid = fields[0]
		case "NSpid":
			p.pid, _ = strconv.Atoi(fields[len(fields)-1])
		}
	}
	command, _ := os.ReadFile(dir + "/cmdline")
	p.command = strings.ReplaceAll(strings.TrimRight(string(command), "\x00"), "\x00", " ")
	if p.command == "" {
		p.command = "[" + name + "]"
	}
	return p, true
}
