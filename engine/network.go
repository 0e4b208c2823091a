package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/slirp"
)

// network is a run's connection with the outside.
type network struct {
	mode  slirp.Mode
	ports []slirp.Port
	path  string // where the namespace is mounted, for libcontainer to join
	sysfs string // where its sysfs is mounted
	// shared: the namespace is somebody else's, joined by path.
	shared bool
	// ownedByContainer: the container's user namespace owns it, because the
	// container was given NET_ADMIN or NET_RAW and that is what they are for.
	ownedByContainer bool

	ready   chan struct{} // closed when ns, session and err are valid
	ns      *slirp.Netns
	session *slirp.Session
	err     error
}

// networkMode reads the flags; it makes nothing.
func (r *run) networkMode() (slirp.Mode, error) {
	n := &network{}
	var err error
	if n.mode, err = slirp.ParseNetworkDefault(r.spec.Network.Mode, r.opts.DefaultNetwork); err != nil {
		return slirp.Mode{}, err
	}
	if n.ports, err = slirp.ParsePorts(r.spec.Network.Publish); err != nil {
		return slirp.Mode{}, err
	}
	if r.spec.Network.PublishAll {
		exposed := slices.Concat(r.image.cfg.ExposedPorts, r.spec.Network.Expose)
		if n.ports, err = slirp.PublishAll(exposed, n.ports); err != nil {
			return slirp.Mode{}, err
		}
	}
	if len(n.ports) > 0 && n.mode.Kind == slirp.Host {
		if r.spec.Network.Mode == "" { // else spec.Warnings has said it
			r.warn("published ports are ignored: the container is on the host's network, by the default of this host")
		}
		n.ports = nil
	}
	r.network = n
	return n.mode, nil
}

// startNetwork mounts the scaffold and makes the network namespace in the
// background: it is the kernel's slowest part of a container, and the helper
// behind it can start while the root filesystem is being made.
func (r *run) startNetwork(ctx context.Context) (err error) {
	if r.scaffold, err = newScaffold(r.sources(), r.policy.SELinux.MountLabel); err != nil {
		return err
	}
	n := r.network
	n.ready = make(chan struct{})
	caps := r.policy.Capabilities.Bounding
	n.ownedByContainer = n.mode.HasOwnNetns() &&
		(slices.Contains(caps, "CAP_NET_ADMIN") || slices.Contains(caps, "CAP_NET_RAW"))
	switch {
	case n.mode.Kind == slirp.Host, n.ownedByContainer:
		close(n.ready)
		return nil
	case n.mode.Kind == slirp.Container, n.mode.Kind == slirp.Path:
		close(n.ready)
		return r.joinNetwork()
	}
	n.path, n.sysfs = r.scaffold.path("netns"), r.scaffold.path("sysfs")
	if err := os.Mkdir(n.sysfs, 0o755); err != nil {
		return err
	}
	r.later(n.close)
	go func() {
		defer close(n.ready)
		n.err = n.start(ctx, r)
	}()
	return nil
}

func (r *run) joinNetwork() error {
	n := r.network
	n.shared, n.path = true, n.mode.Target
	if n.mode.Kind == slirp.Container {
		rec, err := runningContainer(r.opts.Dirs, n.mode.Target)
		if err != nil {
			return err
		}
		if n.path, err = r.openNamespace(rec, "net"); err != nil {
			return err
		}
	}
	ns, err := slirp.OpenNetns(n.path)
	if err != nil {
		return fmt.Errorf("join network: %w", err)
	}
	n.ns = ns
	r.later(n.close)
	return nil
}

// start makes the namespace and its helper. Sysctls of the network are written
// here: the container does not own the namespace.
func (n *network) start(ctx context.Context, r *run) (err error) {
	n.ns, err = slirp.NewNetns(ctx, n.path, slirp.NetnsOptions{Sysfs: true, Sysctl: netSysctls(r.policy.Sysctls)})
	if err != nil {
		return err
	}
	if err := sys.MoveMount(n.ns.Sysfs, n.sysfs); err != nil {
		return err
	}
	return n.connect(ctx, r)
}

func (n *network) connect(ctx context.Context, r *run) (err error) {
	n.session, err = slirp.Start(ctx, n.ns, n.mode, slirp.Options{Ports: n.ports, Logger: r.opts.Log, Hold: r.settles()})
	return err
}

func (n *network) close() {
	if n.ready != nil {
		<-n.ready
	}
	if n.session != nil {
		_ = n.session.Close()
	}
	if n.ns != nil {
		_ = n.ns.Close()
	}
}

// prepared waits until the namespace can be joined.
func (n *network) prepared() error {
	<-n.ready
	return n.err
}

// connect waits until the container has its network. A namespace of the
// container's own exists only now.
func (r *run) connect(ctx context.Context, pid int) (err error) {
	n := r.network
	if n.ownedByContainer {
		if n.ns, err = slirp.OpenNetns(fmt.Sprintf("/proc/%d/ns/net", pid)); err != nil {
			return err
		}
		r.later(n.close)
		if err := n.ns.Configure(ctx, slirp.NetnsOptions{Sysctl: netSysctls(r.policy.Sysctls)}); err != nil {
			return err
		}
		if err := n.connect(ctx, r); err != nil {
			return err
		}
	}
	if n.session == nil {
		return nil
	}
	if err := n.session.Wait(ctx); err != nil {
		return err
	}
	// With the numbers that were chosen for ports that had none.
	r.record.Ports = portNames(n.session.Ports())
	return nil
}

func portNames(ports []slirp.Port) []string {
	var out []string
	for _, p := range ports {
		out = append(out, p.String())
	}
	return out
}

func netSysctls(all map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range all {
		if strings.HasPrefix(k, "net.") {
			out[k] = v
		}
	}
	return out
}

// sources are the paths that the run mounts from: the scaffold must not hide them.
func (r *run) sources() []string {
	out := []string{r.opts.Dirs.Data, r.opts.Dirs.State, r.opts.Dirs.Run, r.opts.Cwd, r.opts.Home}
	for _, m := range r.spec.Mounts {
		if m.Type == spec.MountBind {
			out = append(out, m.Source)
		}
	}
	if r.spec.Rootfs != nil {
		out = append(out, r.spec.Rootfs.Dir)
	}
	if r.spec.PIDFile != "" {
		out = append(out, filepath.Dir(r.spec.PIDFile))
	}
	out = append(append(out, r.spec.Process.InitPath), r.layers...)
	for i, p := range out {
		if target, err := filepath.EvalSymlinks(p); err == nil {
			out[i] = target
		}
	}
	return out
}

// nameFiles are the contents of hosts and resolv.conf.
func (r *run) nameFiles() (nameFiles, error) {
	n, mode := r.spec.Network, r.network.mode
	names := slirp.Hosts{
		Names: r.ownNames(), Add: n.AddHosts, HostGateway: slirp.HostGateway(mode),
	}
	var out nameFiles
	var err error
	if out.hosts, err = slirp.HostsFile(mode, names); err != nil {
		return out, err
	}
	dns := slirp.DNS{Servers: n.DNS, Search: n.DNSSearch, Options: n.DNSOptions}
	r.keepResolv = dns.Untouched()
	if r.keepResolv {
		return out, nil
	}
	host, err := slirp.HostResolv(mode.Kind == slirp.Host)
	if err != nil {
		return out, err
	}
	out.resolv, err = slirp.ResolvConf(host, mode, dns)
	return out, err
}

// ownNames are what the container is called in its /etc/hosts, the full name first.
func (r *run) ownNames() []string {
	names := []string{r.hostname, r.name}
	if d := r.spec.Process.Domainname; d != "" {
		names = append([]string{r.hostname + "." + d}, names...)
	}
	return names
}
