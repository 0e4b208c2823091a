package engine

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/slirp"
)

// portTest is Docker's publish= and expose=: the ports of the host, or those of the
// container that are published. value is PORT[-LAST][/PROTOCOL], of TCP without one.
func portTest(key, value string) (func(Record) bool, error) {
	ports, protocol, named := strings.Cut(value, "/")
	low, high, several := strings.Cut(ports, "-")
	if !several {
		high = low
	}
	first, err := strconv.ParseUint(low, 10, 16)
	last, lastErr := strconv.ParseUint(high, 10, 16)
	if !named {
		protocol = string(slirp.TCP)
	}
	known := []string{string(slirp.TCP), string(slirp.UDP)}
	if err != nil || lastErr != nil || first > last || !slices.Contains(known, protocol) {
		return nil, hint.New(errors.New("no port"), "--filter "+key+"=80, 8000-8080 or 53/udp")
	}
	return func(r Record) bool {
		published, _ := slirp.ParsePorts(r.Ports)
		return slices.ContainsFunc(published, func(p slirp.Port) bool {
			port := p.ContainerPort
			if key == "publish" {
				port = p.HostPort
			}
			return string(p.Protocol) == protocol && uint64(port) >= first && uint64(port) <= last
		})
	}, nil
}
