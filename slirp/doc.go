// Package slirp makes network namespaces and connects them with the outside.
//
//	burrow run             in the anchor, in the host's network namespace
//	│ ├─ thread            in the container's: makes sockets for published ports
//	│ └─ thread ─┐         in a mount namespace of its own: the jail
//	├─ slirp4netns ◄       moves packets between tap0 and sockets of the host's;
//	│  or pasta            dies with its thread, that is with us
//	└─ container           in the network namespace that NewNetns made
//
// In the order of use:
//
//	mode, err := slirp.ParseNetwork("slirp4netns:mtu=1500")
//	ports, err := slirp.ParsePorts([]string{"8080:80"})
//	ns, err := slirp.NewNetns(ctx, path, slirp.NetnsOptions{Sysfs: true})
//	session, err := slirp.Start(ctx, ns, mode, slirp.Options{Ports: ports})
//	defer session.Close()
//	…                       // set the container up meanwhile
//	err = session.Wait(ctx) // then let the payload run
//
// and, for the files that go with it, ResolvConf and HostsFile. What the
// network looks like inside (Mode.Info) is known before anything runs.
//
// A process that executes another program meanwhile asks for Options.Hold, calls
// HandOver, and executes it within Session.Exec; that program calls Resume.
//
// The namespace belongs to the caller's user namespace, the anchor, not to the
// container's: root in the container cannot reconfigure it, add devices, open
// raw sockets, or see more of the traffic than any process in it. What such
// root is used to be able to do (port 80, ping) is set up here.
//
// # What is closed
//
// The host's loopback, abstract and other sockets, under any address. IPv6,
// unless asked for. Files, to the helpers (jail.go). The source address of a
// client of a published port is never 127.0.0.1.
//
// # What it does not protect against
//
// The container reaches what the host reaches, with the host's address:
// services of the host that listen on an external address, the local network,
// cloud metadata. Containers with CAP_NET_ADMIN or CAP_NET_RAW own their
// namespace and can do in it what they like. A UDP server that talks, from a
// published port, to one of its clients on a port of theirs that never wrote
// to it is not heard. IPv6 clients of a container without IPv6, and clients
// from the host's own loopback, are seen as the gateway.
//
// # rootlesskit
//
// Published TCP ports have the interface of its port drivers. Its builtin one ends
// its listener, for good, when a connection cannot be taken for want of descriptors,
// and takes connections until there are none left; it needs a socket and a FIFO in the file
// system, and a message per connection, to reach another process that there is
// not here (tcp.go). Its network drivers would be in the way: that of
// slirp4netns executes six other programs and takes 12.8 ms until the network
// works where Start and Wait take 6.3 (both on a busy machine with two cores;
// 2.7 on an idle one); that of pasta spends 9 ms on "pasta --version" before it
// starts it. See slirp4netns.go and pasta.go for what they leave open.
//
// # Needs
//
// Linux 5.12 (mount_setattr), /dev/net/tun, CAP_SYS_ADMIN and CAP_NET_ADMIN in
// the user namespace, slirp4netns 0.4 or pasta of 2023.
package slirp
