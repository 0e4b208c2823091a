package flags

import "fmt"

// networkFlags say how the container reaches the network and is reached.
type networkFlags struct {
	network, publish, expose, addHosts []string
	dns, dnsSearch, dnsOptions         []string
	publishAll, noHosts                bool
}

func (g *networkFlags) define(d definer) {
	d = d.in("Network")
	d.list(&g.network, "network", "",
		"`MODE`: slirp4netns[:OPTIONS], pasta[:OPTIONS], none, host, container:NAME or ns:PATH (default slirp4netns)")
	d.csv(&g.publish, "publish", "p", "publish a port, `[[IP:][HOST]:]CONTAINER[/PROTOCOL]`; ranges are allowed")
	d.bool(&g.publishAll, "publish-all", "P", false, "publish all exposed ports on random ports of the host")
	d.csv(&g.expose, "expose", "", "note that the container listens on `PORT[-PORT][/PROTOCOL]`")
	d.csv(&g.dns, "dns", "", "use the name server at `IP`; none keeps the image's resolv.conf")
	d.csv(&g.dnsSearch, "dns-search", "", "search names in `DOMAIN`; a dot for no search domains")
	d.csv(&g.dnsOptions, "dns-option", "", "set a resolver `OPTION`")
	d.csv(&g.addHosts, "add-host", "", "add `NAME:IP` to the hosts file; host-gateway stands for the host")
	d.bool(&g.noHosts, "no-hosts", "", false, "keep the image's hosts file")
}

func (g *networkFlags) fill(c *call) {
	n := &c.spec.Network
	if len(g.network) > 1 {
		c.fail("network", fmt.Errorf("given twice: more than one network is %w", ErrUnsupported))
		return
	}
	for _, raw := range g.network {
		parse(c, &n.Mode, "network", raw, plain)
	}
	each(c, &n.Publish, "publish", g.publish, plain)
	each(c, &n.Expose, "expose", g.expose, plain)
	n.PublishAll, n.NoHosts = g.publishAll, g.noHosts
	each(c, &n.DNS, "dns", g.dns, plain)
	each(c, &n.DNSSearch, "dns-search", g.dnsSearch, plain)
	each(c, &n.DNSOptions, "dns-option", g.dnsOptions, plain)
	each(c, &n.AddHosts, "add-host", g.addHosts, plain)
}
