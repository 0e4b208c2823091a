package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine/who"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/userns"
)

func (a *app) idsCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "ids", Short: "Show which of your sub-IDs are in use, by whom, and what is free",
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "" && format != "table" && format != "json" {
				return fmt.Errorf("--format %q: ids knows table and json", format)
			}
			s, err := sources(cmd.Context())
			if err != nil {
				return err
			}
			if s.Ledger == nil {
				return hint.New(idmap.ErrNoSubIDs, "sudo "+idmap.Grant("$USER"))
			}
			report, err := s.IDs()
			if err != nil {
				return err
			}
			if format == "json" {
				return a.printJSON(report)
			}
			return report.WriteTable(a.out)
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "table or json")
	return cmd
}

func (a *app) whoisCommand() *cobra.Command {
	var uid, gid bool
	var format string
	cmd := &cobra.Command{
		Use: "whois [--uid|--gid] PID|ID [PID|ID...]", Short: "Say to which user and container a process or a host ID belongs",
		Long: "Say to which user and container a process or a host ID belongs. A number is taken for the pid of a process " +
			"if there is such a process, else for a user ID of the host. Of several, --format json makes an array.",
		Args: atLeastOne("a pid or ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "" && format != "text" && format != "json" {
				return fmt.Errorf("--format %q: whois knows text and json", format)
			}
			numbers := make([]uint32, len(args))
			for i, arg := range args {
				n, err := strconv.ParseUint(arg, 10, 32)
				if err != nil {
					return hint.New(fmt.Errorf("%q is neither a pid nor an ID", arg), "burrow whois $(pgrep -n nginx)")
				}
				numbers[i] = uint32(n)
			}
			s, err := sources(cmd.Context())
			if err != nil {
				return err
			}
			answers := make([]who.Answer, len(numbers))
			for i, n := range numbers {
				if answers[i], err = ask(s, n, uid, gid); err != nil {
					return err
				}
			}
			return a.tellWho(answers, format)
		},
	}
	cmd.Flags().BoolVar(&uid, "uid", false, "the number is a user ID of the host")
	cmd.Flags().BoolVar(&gid, "gid", false, "the number is a group ID of the host")
	cmd.Flags().StringVar(&format, "format", "", "text or json")
	cmd.MarkFlagsMutuallyExclusive("uid", "gid")
	return cmd
}

func (a *app) tellWho(answers []who.Answer, format string) error {
	if format == "json" {
		if len(answers) == 1 {
			return a.printJSON(answers[0])
		}
		return a.printJSON(answers)
	}
	for i, answer := range answers {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		if err := answer.WriteText(a.out); err != nil {
			return err
		}
	}
	return nil
}

func ask(s who.Sources, n uint32, uid, gid bool) (who.Answer, error) {
	switch {
	case uid:
		return s.HostUID(n), nil
	case gid:
		return s.HostGID(n), nil
	}
	answer, err := s.PID(int(n))
	if errors.Is(err, who.ErrNoProcess) {
		return s.HostUID(n), nil
	}
	return answer, err
}

// sources gathers what the answers come from; a file that is not there leaves
// answers open.
func sources(ctx context.Context) (who.Sources, error) {
	c, _, _, err := whoAmI()
	if err != nil {
		return who.Sources{}, err
	}
	s := who.Sources{
		User:       idmap.User{Name: c.name, UID: uint32(c.uid)},
		Containers: c.dirs.Containers(), InAnchor: c.inside,
		Accounts: accounts("/etc/passwd"),
		Groups:   accounts("/etc/group"),
	}
	if s.SubUIDs, err = table("/etc/subuid"); err != nil {
		return s, err
	}
	if s.SubGIDs, err = table("/etc/subgid"); err != nil {
		return s, err
	}
	s.UIDs, s.GIDs, err = userns.Maps(ctx, userns.User{Name: c.name, UID: uint32(c.uid), GID: uint32(c.gid)})
	if err != nil {
		return s, err
	}
	if n := idmap.Available(s.UIDs, s.GIDs); n > 0 {
		s.Ledger, err = idmap.OpenLedger(c.dirs.Ledger(), n, idmap.LedgerOptions{})
	}
	return s, err
}

func table(path string) (*idmap.Table, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil //nolint:nilnil // no file means no table
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return idmap.ParseTable(io.LimitReader(f, 64<<20), path)
}

func accounts(path string) []idmap.Account {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	list, _ := idmap.ParseAccounts(f)
	return list
}
