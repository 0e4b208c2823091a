package flags

import (
	"os"

	"github.com/burrow-run/burrow/engine/spec"
)

// envFlags make the payload's environment.
type envFlags struct {
	env, files, unset, merge  []string
	unsetAll, host, httpProxy bool
}

func (g *envFlags) define(d definer) {
	d = d.in("Environment")
	d.list(&g.env, "env", "e", "set `KEY=VALUE`; KEY alone or PREFIX* takes the caller's")
	d.list(&g.files, "env-file", "", "read variables from `FILE`, one per line")
	d.bool(&g.host, "env-host", "", false, "hand in the caller's whole environment")
	d.bool(&g.httpProxy, "http-proxy", "", false, "hand in the caller's proxy variables (they may hold a password)")
	d.list(&g.merge, "env-merge", "", "set `KEY=TEXT` where ${NAME} stands for the image's values")
	d.list(&g.unset, "unsetenv", "", "drop the image's variable `KEY`")
	d.bool(&g.unsetAll, "unsetenv-all", "", false, "drop all of the image's variables")
}

func (g *envFlags) fill(c *call) {
	e := &c.spec.Process.Env
	for _, path := range g.files {
		c.open("env-file", path, func(f *os.File) error {
			vars, err := spec.ParseEnvFile(f, c.environ)
			e.Set = append(e.Set, vars...)
			return err
		})
	}
	for _, raw := range g.env {
		vars, err := spec.ParseEnv(raw, c.environ)
		c.fail("env", err)
		e.Set = append(e.Set, vars...)
	}
	each(c, &e.Merge, "env-merge", g.merge, func(s string) (string, error) { return s, spec.CheckEnv(s) })
	each(c, &e.Unset, "unsetenv", g.unset, plain)
	e.UnsetAll = g.unsetAll
	g.fillHost(c, e)
}

// fillHost adds what is handed in of the caller's environment.
func (g *envFlags) fillHost(c *call, e *spec.Env) {
	if g.host {
		vars, err := spec.ParseEnv("*", c.environ)
		c.fail("env-host", err)
		e.Host = vars
		return
	}
	if !g.httpProxy {
		return
	}
	for _, name := range spec.ProxyVariables() {
		vars, err := spec.ParseEnv(name, c.environ)
		c.fail("http-proxy", err)
		e.Host = append(e.Host, vars...)
	}
}
