// Package slirp makes network namespaces and connects them with the outside.
//
//	burrow run           in the anchor, host's network namespace
//	├─ slirp4netns       moves packets between tap0 and sockets of the host's
//	│  or pasta
//	└─ container         in the network namespace that NewNetns made
//
// In the order of use, where everything up to Wait takes about 5 ms, most of
// it in another process:
//
//	mode, err := slirp.ParseNetwork("slirp4netns:mtu=1500")
//	ports, err := slirp.ParsePorts([]string{"8080:80"})
//	ns, err := slirp.NewNetns(ctx, path, slirp.NetnsOptions{Sysfs: true})
//	session, err := slirp.Start(ctx, ns, mode, slirp.Options{Ports: ports})
//	defer session.Close()
//	… set the container up …
//	err = session.Wait(ctx) // then let the payload run
//
// The namespace belongs to the caller's user namespace, the anchor, not to the
// container's: root in the container cannot reconfigure it.
package slirp
