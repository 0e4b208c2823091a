package spec

import "strings"

// Network is the container's connection, and what its files that name hosts
// hold. Package slirp reads the values, which are as typed.
type Network struct {
	Mode       string // "": as configured, else slirp4netns
	Publish    []string
	PublishAll bool
	Expose     []string
	DNS        []string // addresses, or "none" to keep the image's resolv.conf
	DNSSearch  []string
	DNSOptions []string
	AddHosts   []string // NAME[;NAME…]:ADDRESS
	NoHosts    bool     // keep the image's hosts file
}

// kind is the mode without its options.
func (n *Network) kind() string {
	kind, _, _ := strings.Cut(n.Mode, ":")
	return kind
}
