package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/userns/nsjoin"
)

// imageVerbs are the commands of the other executable: what reads registries
// and archives is started only when needed, which keeps this one fast, and is a
// process of its own, which keeps untrusted bytes out of this one.
var imageVerbs = []struct{ name, short string }{
	{"pull", "Fetch an image"},
	{"push", "Write an image to a registry or archive"},
	{"load", "Load images from an archive"},
	{"import", "Make an image of a root file system's tar"},
	{"images", "List images"},
	{"image", "Manage images"},
	{"rmi", "Remove images"},
	{"tag", "Give an image another name"},
	{"untag", "Take a name from an image"},
	{"save", "Write images to an archive"},
	{"manifest", "Make lists of images for several platforms"},
	{"artifact", "Keep files at registries"},
	{"history", "Show how an image was made"},
	{"search", "Ask registries for images"},
	{"login", "Log in to a registry"},
	{"logout", "Log out of a registry"},
}

func (a *app) imageCommands() []builder {
	out := make([]builder, 0, len(imageVerbs))
	for _, v := range imageVerbs {
		out = append(out, builder{func() *cobra.Command {
			return &cobra.Command{
				Use: v.name, Short: v.short, DisableFlagParsing: true,
				RunE: func(cmd *cobra.Command, args []string) error {
					return a.execImageTool(cmd.Context(), append([]string{v.name}, args...))
				},
			}
		}, []string{v.name}})
	}
	return out
}

// execImageTool becomes the image executable, inside the anchor.
func (a *app) execImageTool(ctx context.Context, args []string) error {
	c, _, _, err := whoAmI()
	if err != nil {
		return err
	}
	if !c.inside && !wantsHelp(args) { // which is to be had also where there can be no anchor
		return enterAnchor(ctx, c, "")
	}
	path, err := imageToolPath()
	if err != nil {
		return err
	}
	a.warnLostCwd()
	return os.NewSyscallError("exec "+path, syscall.Exec(path, append([]string{"burrow"}, args...), imageToolEnv()))
}

// imageToolEnv tells the image executable where the anchor is noted: it does not
// choose a directory again.
func imageToolEnv() []string {
	env := withoutStage(os.Environ())
	if run := nsjoin.RunDir(); run != "" && !asRoot() {
		env = append(env, paths.RunDirVar+"="+run)
	}
	return env
}

func wantsHelp(args []string) bool {
	for _, a := range args {
		switch a {
		case "-h", "--help":
			return true
		case "--":
			return false
		}
	}
	return false
}

// imageTool prepares the image executable as a child.
func imageTool(ctx context.Context, args ...string) (*exec.Cmd, error) {
	path, err := imageToolPath()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Args[0] = "burrow"
	cmd.Env = imageToolEnv()
	return cmd, nil
}

// saidWhy is the end of a child that has said itself why it failed: its exit code, as
// shells make it of the end by a signal too.
func saidWhy(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitCode(128 + int(status.Signal()))
	}
	return exitCode(exit.ExitCode())
}

const imageToolName = "burrow-image"

// imageToolPath finds it beside this executable, or where `make install` puts it.
func imageToolPath() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(self)
	for _, p := range []string{
		filepath.Join(dir, imageToolName),
		filepath.Join(dir, "..", "libexec", "burrow", imageToolName),
	} {
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			return p, nil
		}
	}
	return "", hint.New(fmt.Errorf("%s is not installed beside %s", imageToolName, self), "make build, or make install")
}
