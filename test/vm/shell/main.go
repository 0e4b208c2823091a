// Command shell boots the machine of the tests, installs bin/ in it and gives you a
// shell; the machine ends with it. `-c COMMAND` runs a command instead.
//
//	go run ./test/vm/shell [-user root] [-kernel 6.12] [-enforcing] [-c COMMAND]
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/burrow-run/burrow/test/vm"
)

func main() {
	user := flag.String("user", "alice", "alice (sub-IDs), bob (none) or root")
	kernel := flag.String("kernel", "6.1", "6.1 or 6.12")
	enforcing := flag.Bool("enforcing", false, "boot with SELinux enforcing")
	command := flag.String("c", "", "run this instead of a shell")
	bin := flag.String("bin", "bin", "directory of the executables")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP) //nolint:forbidigo // a main of its own
	defer stop()
	if err := run(ctx, *user, *command, vm.Options{
		Kernel: *kernel, Enforcing: *enforcing, Payload: vm.PayloadOf(".", *bin, "/var/tmp/burrow-test"),
	}); err != nil {
		fmt.Fprintln(os.Stderr, "shell:", err)
		os.Exit(1) //nolint:forbidigo // a main of its own
	}
}

func run(ctx context.Context, user, command string, opts vm.Options) (err error) {
	opts.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	cache, err := filepath.Abs(filepath.Join(".cache", "vm"))
	if err != nil {
		return err
	}
	recipe := vm.Recipe{Cache: cache, Log: opts.Log}
	if err := recipe.Prerequisites(ctx); err != nil {
		return err
	}
	base, err := recipe.Build(ctx)
	if err != nil {
		return err
	}
	machine, err := vm.Boot(ctx, base, opts)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := machine.Close(); err == nil {
			err = closeErr
		}
	}()
	if err := machine.MountPayload(ctx); err != nil {
		return err
	}
	if err := machine.InstallBurrow(ctx); err != nil {
		return err
	}
	args := machine.SSH(user)
	fmt.Fprintf(os.Stderr, "another one: ssh %q\n", args)
	if command != "" {
		args = append(args, command)
	}
	ssh := exec.CommandContext(ctx, "ssh", args...)
	ssh.Stdin, ssh.Stdout, ssh.Stderr = os.Stdin, os.Stdout, os.Stderr
	return ssh.Run()
}
