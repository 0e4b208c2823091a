package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/burrow-run/burrow/engine/image"
)

// endFlags say how to reach one end of a copy. Their names are Skopeo's, with
// src- or dest- before them where there are two ends.
type endFlags struct {
	prefix                        string
	authFile, certDir, creds      string
	user, password, token, daemon string
	blobs                         string
	tlsVerify, anonymous          bool
}

func (e *endFlags) add(f *pflag.FlagSet, prefix string) {
	e.prefix = prefix
	if prefix != "" {
		f.StringVar(&e.authFile, prefix+"authfile", "", "`FILE` with credentials")
	}
	f.StringVar(&e.certDir, prefix+"cert-dir", "", "`DIR` with ca.crt, client.cert and client.key")
	f.StringVar(&e.creds, prefix+"creds", "", "`USER[:PASSWORD]` for the registry")
	f.StringVar(&e.user, prefix+"username", "", "`USER` for the registry")
	f.StringVar(&e.password, prefix+"password", "", "`PASSWORD` for the registry; others can see it in the process list")
	f.StringVar(&e.token, prefix+"registry-token", "", "bearer `TOKEN` for the registry")
	f.BoolVar(&e.anonymous, prefix+"no-creds", false, "use no credentials")
	f.BoolVar(&e.tlsVerify, prefix+"tls-verify", true, "verify the certificate; false also allows plain HTTP")
}

// addLocal adds what is no registry's.
func (e *endFlags) addLocal(f *pflag.FlagSet) {
	f.StringVar(&e.blobs, e.prefix+"shared-blob-dir", "", "`DIR` with the blobs of several OCI layouts")
	f.StringVar(&e.daemon, e.prefix+"daemon-host", "", "`HOST` of docker-daemon:")
}

func (e *endFlags) remote(f *pflag.FlagSet, authFile string) (image.Remote, error) {
	out := image.Remote{AuthFile: authFile, CertDir: e.certDir, Token: e.token, Anonymous: e.anonymous, DaemonHost: e.daemon}
	if e.authFile != "" {
		out.AuthFile = e.authFile
	}
	if f.Changed(e.prefix + "tls-verify") {
		skip := !e.tlsVerify
		out.SkipVerify = &skip
	}
	user, password, _ := strings.Cut(e.creds, ":")
	switch {
	case e.anonymous && (e.creds != "" || e.user != ""):
		return out, errors.New("--" + e.prefix + "no-creds excludes other credentials")
	case e.creds != "" && e.user != "":
		return out, errors.New("--" + e.prefix + "creds excludes --" + e.prefix + "username")
	case (e.user == "") != (e.password == ""):
		return out, errors.New("--" + e.prefix + "username and --" + e.prefix + "password need each other")
	case e.creds != "" && user == "":
		return out, errors.New("--" + e.prefix + "creds is not of the form USER:PASSWORD")
	case e.user != "":
		out.Creds = &image.Credentials{User: e.user, Password: e.password}
	case e.creds != "":
		out.Creds = &image.Credentials{User: user, Password: password}
	}
	return out, nil
}

// againFlags are those of trying again.
type againFlags struct {
	times int
	delay string
}

func (r *againFlags) add(f *pflag.FlagSet) {
	f.IntVar(&r.times, "retry-times", 0, "`TIMES` to try again after a network error")
	f.StringVar(&r.delay, "retry-delay", "", "`TIME` between tries; by default it grows from a second")
}

// machineFlags choose from a list of images, and bound the whole command.
type machineFlags struct {
	os, arch, variant string
	timeout           time.Duration
}

func (m *machineFlags) add(f *pflag.FlagSet) {
	f.StringVar(&m.os, "override-os", "", "operating `SYSTEM` to choose")
	f.StringVar(&m.arch, "override-arch", "", "`ARCHITECTURE` to choose")
	f.StringVar(&m.variant, "override-variant", "", "`VARIANT` of the architecture to choose")
	f.DurationVar(&m.timeout, "command-timeout", 0, "give up after this `TIME`")
}

func (m *machineFlags) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if m.timeout > 0 {
		return context.WithTimeout(ctx, m.timeout)
	}
	return context.WithCancel(ctx)
}

// trustFlags say by what images are judged.
type trustFlags struct{ image.Trust }

func (t *trustFlags) add(f *pflag.FlagSet) {
	f.StringVar(&t.Policy, "policy", "", "judge images by this `FILE` in place of policy.json")
	f.BoolVar(&t.Accept, "insecure-policy", false, "accept every image")
	f.StringVar(&t.Registries, "registries.d", "", "look for signatures as the files in `DIR` say")
}
