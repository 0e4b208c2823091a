package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
)

func (a *app) portCommand() *cobra.Command {
	var all, latest bool
	cmd := &cobra.Command{
		Use: "port [OPTIONS] CONTAINER [PORT[/PROTOCOL]]", Short: "Show the published ports of a container",
		Args: cobra.MaximumNArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			switch {
			case all && (latest || len(args) > 0):
				return errors.New("--all, --latest and names exclude each other")
			case all:
				return a.allPorts(c)
			case latest:
				ids, err := latestOf(c)
				if err != nil {
					return err
				}
				args = append(ids, args...)
			}
			if len(args) == 0 || len(args) > 2 {
				return errors.New("needs one container, or --all, or --latest")
			}
			rec, err := engine.Lookup(c.dirs, args[0])
			if err != nil {
				return err
			}
			if len(args) == 1 {
				a.printPorts(rec)
				return nil
			}
			return a.onePort(rec, args[1])
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "of all containers")
	cmd.Flags().BoolVarP(&latest, "latest", "l", false, "the container that was made last")
	return cmd
}

func (a *app) allPorts(c caller) error {
	records, _, err := engine.List(c.dirs)
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.Running() && len(r.Ports) > 0 {
			fmt.Fprintln(a.out, r.ID)
			a.printPorts(*r)
		}
	}
	return nil
}

// binding is one published port: a range of n is n of them.
type binding struct{ container, host string }

func bindings(rec engine.Record) []binding {
	var out []binding
	for _, p := range ports(rec.Ports) {
		for i := range max(p.Range, 1) {
			out = append(out, binding{
				container: fmt.Sprintf("%d/%s", p.ContainerPort+i, p.Protocol),
				host:      net.JoinHostPort(orElse(p.HostIP, "0.0.0.0"), strconv.Itoa(int(p.HostPort+i))),
			})
		}
	}
	return out
}

func (a *app) printPorts(rec engine.Record) {
	for _, b := range bindings(rec) {
		fmt.Fprintf(a.out, "%s -> %s\n", b.container, b.host)
	}
}

// onePort shows where one of the container's ports is; without a protocol it is TCP's.
func (a *app) onePort(rec engine.Record, want string) error {
	number, protocol, given := strings.Cut(want, "/")
	if _, err := strconv.ParseUint(number, 10, 16); err != nil || given && protocol == "" {
		return fmt.Errorf("%q is not PORT or PORT/PROTOCOL", want)
	}
	found := false
	for _, b := range bindings(rec) {
		if b.container == number+"/"+orElse(protocol, "tcp") {
			found = true
			fmt.Fprintln(a.out, b.host)
		}
	}
	if !found {
		return fmt.Errorf("container %s publishes no port %s", rec.Name, want)
	}
	return nil
}
