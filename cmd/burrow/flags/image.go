package flags

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
)

// hostImage is the name of the built-in image.
const hostImage = "host"

// imageFlags choose what the container is made of.
type imageFlags struct {
	rootfs                               rootfs
	entrypoint, pull, authfile           string
	platform, os, arch, variant, volumes string
	quiet, tlsVerify                     bool
}

func (g *imageFlags) define(d definer) {
	d = d.in("Image")
	d.str(&g.entrypoint, "entrypoint", "", "replace the image's entrypoint: a `COMMAND` or a JSON array")
	// As with Podman the directory is the first argument; --rootfs=DIR works too.
	d.fs.Var(&g.rootfs, "rootfs", "the first argument is a directory DIR[:O] to use as root; O keeps it unchanged")
	d.fs.Lookup("rootfs").NoOptDefVal = "true"
	d.mark("rootfs")
	d.str(&g.pull, "pull", "", "`WHEN` to fetch the image: missing, always, newer or never (default missing)")
	d.bool(&g.quiet, "quiet", "q", false, "do not show progress while pulling")
	d.str(&g.platform, "platform", "", "choose the image for `OS/ARCH[/VARIANT]`")
	d.str(&g.os, "os", "", "choose the image for this `OS`")
	d.str(&g.arch, "arch", "", "choose the image for this `ARCH`")
	d.str(&g.variant, "variant", "", "choose the image for this `VARIANT` of the architecture")
	d.str(&g.authfile, "authfile", "", "`FILE` with registry credentials (default $REGISTRY_AUTH_FILE)")
	d.bool(&g.tlsVerify, "tls-verify", "", true, "require HTTPS and a valid certificate of registries")
	d.str(&g.volumes, "image-volume", "", "`HOW` volumes of the image are mounted: anonymous, tmpfs or ignore (default anonymous)")
}

func (g *imageFlags) fill(c *call) {
	g.source(c)
	if c.changed("entrypoint") {
		words, err := spec.ParseEntrypoint(g.entrypoint)
		c.fail("entrypoint", err)
		c.spec.Entrypoint = &words
	}
	p := &c.spec.Pull
	parse(c, &p.Policy, "pull", g.pull, parsePull)
	p.Quiet = g.quiet
	if c.changed("tls-verify") {
		p.TLSVerify = &g.tlsVerify
	}
	if file, ok := c.env("REGISTRY_AUTH_FILE"); ok && file != "" {
		p.AuthFile = file
	}
	c.path(&p.AuthFile, "authfile", g.authfile)
	g.selectPlatform(c)
	parse(c, &c.spec.Root.ImageVolumes, "image-volume", g.volumes, parseImageVolumes)
}

// rootfs is a switch as with Podman, or a directory.
type rootfs string

// Set takes "true", "false" or a directory.
func (r *rootfs) Set(s string) error { *r = rootfs(s); return nil }

// String returns what was set.
func (r *rootfs) String() string { return string(*r) }

// Type makes the help show a switch.
func (r *rootfs) Type() string { return "bool" }

// source decides between image, root directory and the built-in image.
func (g *imageFlags) source(c *call) {
	s := c.spec
	root := string(g.rootfs)
	if c.changed("rootfs") && root != "true" && root != "false" {
		if s.Image != "" { // --rootfs=DIR: every argument is the container's
			s.Args = append([]string{s.Image}, s.Args...)
		}
		s.Image = root
		root = "true"
	}
	switch {
	case s.Image == "":
		c.err = hint.New(ErrNoImage, "burrow run [flags] IMAGE [COMMAND [ARG...]]")
	case root == "true":
		dir, overlay := strings.CutSuffix(s.Image, ":O")
		if strings.HasSuffix(dir, ":idmap") {
			c.fail("rootfs", fmt.Errorf("DIR:idmap is %w", ErrUnsupported))
		}
		abs, err := spec.AbsPath(dir, c.cwd)
		c.fail("rootfs", err)
		s.Rootfs = &spec.Rootfs{Dir: abs, Overlay: overlay}
		s.Image = ""
	case s.Image == hostImage:
		s.Host, s.Image = true, ""
	}
}

func (g *imageFlags) selectPlatform(c *call) {
	p := &c.spec.Pull.Platform
	c.checked(&p.OS, "os", g.os, spec.CheckName)
	c.checked(&p.Arch, "arch", g.arch, spec.CheckName)
	c.checked(&p.Variant, "variant", g.variant, spec.CheckName)
	if g.platform == "" {
		return
	}
	if g.os != "" || g.arch != "" || g.variant != "" {
		c.fail("platform", fmt.Errorf("excludes --os, --arch and --variant: %w", spec.ErrConflict))
	}
	parse(c, p, "platform", g.platform, parsePlatform)
}

func parsePlatform(s string) (spec.Platform, error) {
	words := strings.Split(s, "/")
	if len(words) > 3 {
		return spec.Platform{}, fmt.Errorf("%s: is not OS/ARCH[/VARIANT]", spec.Quote(s))
	}
	for _, w := range words {
		if spec.CheckName(w) != nil {
			return spec.Platform{}, fmt.Errorf("%s: is not OS/ARCH[/VARIANT]", spec.Quote(s))
		}
	}
	words = append(words, "", "")
	return spec.Platform{OS: words[0], Arch: words[1], Variant: words[2]}, nil
}

func parsePull(s string) (spec.PullPolicy, error) {
	switch s {
	case "true":
		return spec.PullAlways, nil
	case "false":
		return spec.PullNever, nil
	}
	p := spec.PullPolicy(s)
	return p, oneOf(p, spec.PullMissing, spec.PullAlways, spec.PullNewer, spec.PullNever)
}

func parseImageVolumes(s string) (spec.ImageVolumes, error) {
	if s == "bind" { // Podman's old name for anonymous
		return spec.ImageVolumesAnonymous, nil
	}
	v := spec.ImageVolumes(s)
	return v, oneOf(v, spec.ImageVolumesAnonymous, spec.ImageVolumesTmpfs, spec.ImageVolumesIgnore)
}

// oneOf refuses a value that is not among those allowed.
func oneOf[T ~string](value T, allowed ...T) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	return errors.New(spec.Quote(string(value)) + ": is not one of " + strings.Join(names, ", "))
}
